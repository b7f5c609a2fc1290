//! Versions that change while a server answers: step by step, not at all, and because of what it is asked.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::json;

use crate::place::Place;
use crate::samples::png;
use crate::serving::{PATIENCE, PHOTOS, Served, ask, photo_place, question};

/// A place whose model goes to production step by step: 20 requests at 50 percent, then 20 at 100.
fn canary_place() -> Place {
    let place = photo_place();
    let scheme = std::fs::read_to_string(place.path().join("photos.toml")).expect("a scheme");
    let deploy = "[deploy]\n[deploy.canary]\nsteps = [50, 100]\nrequests_min = 20\nseconds_min = 0.0\nlatency_factor_max = 1000.0\n";
    place.write("photos.toml", scheme + deploy);
    place.heirloom("run photos.toml --quiet --set seed=2").done();
    place
}

/// Asks with both classes in turn until `done`; how often each version answered.
fn ask_until(address: SocketAddr, done: &AtomicBool) -> [usize; 2] {
    let mut answered = [0, 0];
    let started = Instant::now();
    for number in 0u64.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{number} requests and no end");
        let reply = ask(address, "POST", "/v2/models/photos/infer", "", &question((number % 2) as u8));
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        let version = reply.json()["model_version"].as_str().expect("a version").to_owned();
        answered[usize::from(version != "2")] += 1;
    }
    answered
}

#[test]
fn a_good_canary_takes_over_step_by_step() {
    let place = canary_place();
    let mut served = Served::start(&place, "photos");
    place.heirloom("run photos.toml --quiet --set seed=3").done();
    served.hear("photos@3 on trial: it answers 50 % of the requests");
    let (address, done) = (served.rest, AtomicBool::new(false));
    let [old, new] = thread::scope(|scope| {
        let asking = scope.spawn(|| ask_until(address, &done));
        served.hear("photos@3 on trial: it answers 100 % of the requests");
        served.hear("serving photos@3 in place of photos@2");
        done.store(true, Ordering::Relaxed);
        asking.join().expect("answers")
    });
    assert!(old >= 10 && new >= 40, "{old} by the old version, {new} by the new one");
    let history = place.heirloom("model rollout photos --json").json();
    assert_eq!(history["rollout"]["state"], json!("promoted"), "{history}");
}

/// A version that learned from dogs among the cats goes back by itself, and the history says why.
#[test]
fn a_canary_that_is_broken_on_one_class_goes_back() {
    let place = canary_place();
    for number in 0..40 {
        place.write(&format!("mixed/cat/{number}.png"), png((number % 2) as u8, number, 16));
        let other = image::GrayImage::from_fn(16, 16, |x, y| {
            image::Luma([if y < 8 { 200 + x as u8 } else { number as u8 }])
        });
        let mut bytes = std::io::Cursor::new(Vec::new());
        other.write_to(&mut bytes, image::ImageFormat::Png).expect("memory");
        place.write(&format!("mixed/dog/{number}.png"), bytes.into_inner());
    }
    let scheme = std::fs::read_to_string(place.path().join("photos.toml")).expect("a scheme");
    let scheme = format!("name = \"photos\"\n{}", scheme.replace("\"photos\"", "\"mixed\""))
        .replace("epochs = 2", "epochs = 8");
    place.write("mixed.toml", scheme);
    let mut served = Served::start(&place, "photos");
    place.heirloom("run mixed.toml --quiet").done();
    served.hear("photos@3 on trial");
    let (address, done) = (served.rest, AtomicBool::new(false));
    let [old, new] = thread::scope(|scope| {
        let asking = scope.spawn(|| ask_until(address, &done));
        let said = served.hear("photos@3 goes back");
        assert!(said.contains("are answered otherwise"), "{said}");
        done.store(true, Ordering::Relaxed);
        asking.join().expect("answers")
    });
    // The plan says 20 requests; some more came while the verdict was on its way to the store and back.
    assert!((10..100).contains(&new), "{old} by the old version, {new} by the new one");
    let answer = served.post("/v2/models/photos/infer", "application/json", &question(0)).json();
    assert_eq!(answer["model_version"], json!("2"));
    let history = place.heirloom("model history photos").done();
    assert!(history.contains("answered otherwise"), "{history}");
}

#[test]
fn what_cannot_be_trusted_never_serves() {
    let place = photo_place();
    place.heirloom("run photos.toml --quiet --set seed=2 --set evaluate.cases_max=0").done();
    place.heirloom("run photos.toml --quiet --set seed=3").done();
    place.heirloom("model promote photos@1 --to production").done();
    // The second version has the first one's golden examples, which it answers otherwise.
    let store = store::Store::open(&place.path().join(".heirloom")).expect("a store");
    let first = store.resolve("photos@1").expect("a version");
    let golden = store.attachment(&first, "golden").expect("a store").expect("golden examples");
    let by = store::By { actor: "test".to_owned(), unix_ms: 1 };
    store.attach("photos@2", "golden", &golden, &by).expect("attached");
    // A tensor of the third is damaged.
    let third = store.model("photos@3").expect("a version");
    let tensor = third.manifest.tensors.iter().max_by_key(|tensor| tensor.bytes()).expect("a tensor");
    let digest = tensor.digest.to_string();
    let (folder, file) = digest.split_at(2);
    let path = place.path().join(".heirloom/blobs").join(folder).join(file);
    let mut bytes = std::fs::read(&path).expect("a blob of its own file");
    bytes[9] ^= 1;
    place.write(path.to_str().expect("UTF-8"), bytes);
    drop(store);

    let mut served = Served::start(&place, "photos");
    for (version, reason) in
        [("photos@2", "does not answer as it did when it was trained"), ("photos@3", "blob")]
    {
        place.heirloom(&format!("model promote {version} --to production")).done();
        let said = served.hear(&format!("not serving {version}"));
        assert!(said.contains(reason) && said.contains("photos@1 goes on answering"), "{said}");
        let answer = served.post("/v2/models/photos/infer", "application/json", &question(0)).json();
        assert_eq!(answer["model_version"], json!("1"));
        let refused = place.heirloom(&format!("serve {version} --bind 127.0.0.1:0 --no-grpc"));
        assert!(matches!(refused.status, Some(1 | 2)), "{refused:?}");
    }
}

/// The loop closes: drift in what a server is asked makes `watch` train a new model, once.
#[test]
fn drifted_requests_call_for_a_new_model_once() {
    let place = Place::new();
    for (class, name) in ["cat", "dog"].into_iter().enumerate() {
        for number in 0..150u32 {
            let picture = image::GrayImage::from_fn(16, 16, |x, y| {
                let grain = (x * 31 + y * 17 + number * 97 + x * y * number) % 53;
                image::Luma([if (x < 8) == (class == 0) { 200 + grain as u8 } else { grain as u8 }])
            });
            let mut bytes = std::io::Cursor::new(Vec::new());
            picture.write_to(&mut bytes, image::ImageFormat::Png).expect("memory");
            place.write(&format!("photos/{name}/{number}.png"), bytes.into_inner());
        }
    }
    let split = "split = { train = 0.5, validation = 0.1, test = 0.4 }";
    place.write("photos.toml", PHOTOS.replace("[train]", &format!("{split}\n[train]")));
    place.heirloom("run photos.toml --quiet").done();
    place.heirloom("model promote photos@1 --to production").done();
    let mut served = Served::start(&place, "photos --log");
    for number in 0..150u64 {
        // Far darker than anything that it learned from.
        let pixels: Vec<u64> = (0..256).map(|at| (at * 7 + number * 13) % 31).collect();
        let input = json!({ "name": "image", "shape": [1, 1, 16, 16], "datatype": "UINT8", "data": pixels });
        let body = json!({ "inputs": [input] }).to_string();
        assert_eq!(served.post("/v2/models/photos/infer", "application/json", body.as_bytes()).status, 200);
    }
    let sent = Command::new("kill").args(["-TERM", &served.child.id().to_string()]).status();
    assert!(sent.expect("kill exists").success());
    served.hear("ending");
    served.child.wait().expect("a child");
    assert_eq!(place.heirloom("monitor photos@1").status, Some(3));
    let scheme = std::fs::read_to_string(place.path().join("photos.toml")).expect("a scheme");
    place.write("photos.toml", scheme + "[deploy]\nalias = \"production\"\n");
    let made = place.heirloom("watch photos.toml --once --quiet --requests --set seed=2").done();
    assert!(made.contains("photos@2 for new") && made.contains("from photos@1"), "{made}");
    let again = place.heirloom("watch photos.toml --once --requests --set seed=2").done();
    assert!(again.contains("nothing to do"), "{again}");
}
