//! Requests logged and judged.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::Value;

use crate::place::Place;
use crate::samples::{idx, pixels};

const SCHEME: &str = "\
inherits = [\"vision/classifier\"]
[data]
format = \"idx\"
images = \"images\"
labels = \"labels\"
[train]
epochs = 1
";

/// The class of a picture.
fn class(number: usize) -> u8 {
    u8::from((number * 7).is_multiple_of(3))
}

/// A picture of a class, with more or less grain.
fn picture(number: usize) -> Vec<u8> {
    let noisy = |(place, pixel): (usize, u8)| pixel.wrapping_sub((place * number % 23) as u8).max(pixel / 2);
    pixels(class(number), number, 12).into_iter().enumerate().map(noisy).collect()
}

fn write(place: &Place, name: &str, pictures: &[Vec<u8>]) {
    place.write(name, idx(2051, &[pictures.len() as u32, 12, 12], &pictures.concat()));
}

/// A model `grain` of 1,000 pictures, and two files: `same` with 200 like them, `darker` with 200 of half the brightness.
fn grain() -> Place {
    let place = Place::new();
    let pictures: Vec<Vec<u8>> = (0..1000).map(picture).collect();
    write(&place, "images", &pictures);
    let labels: Vec<u8> = (0..1000).map(class).collect();
    place.write("labels", idx(2049, &[1000], &labels));
    place.write("grain.toml", SCHEME);
    write(&place, "same", &(1000..1200).map(picture).collect::<Vec<_>>());
    let darker = |number| picture(number).into_iter().map(|pixel| pixel / 2).collect();
    write(&place, "darker", &(1000..1200).map(darker).collect::<Vec<_>>());
    place.heirloom("run grain.toml --quiet").done();
    place
}

/// Answers one request with `status`, and gives its body.
fn listen(status: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/hook?secret=1", listener.local_addr().expect("an address"));
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut part).expect("bytes");
            bytes.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let lower = head.to_lowercase();
                let length =
                    lower.lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
                if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) || read == 0 {
                    let answer = format!(
                        "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"
                    );
                    stream.write_all(answer.as_bytes()).expect("an answer");
                    return body.to_owned();
                }
            }
        }
    });
    (address, served)
}

#[test]
fn drift_ends_with_status_3_and_is_posted() {
    let place = grain();
    place.heirloom("infer grain same --log log").done();
    let calm = place.heirloom("monitor grain --log log --window 200 --json").json();
    assert_eq!((&calm["model"], &calm["alarm"]), (&"grain@1".into(), &false.into()), "{calm:#}");
    assert_eq!((&calm["requests"], &calm["newest"]["enough"]), (&200.into(), &true.into()));
    let unasked = place.heirloom("monitor grain --log log --webhook http://127.0.0.1:9/");
    assert!(unasked.done().contains("no alarm; a false one"), "nothing is posted without an alarm");

    place.heirloom("infer grain darker --log log").done();
    let (address, served) = listen("204 No Content");
    let outcome = place.heirloom(&format!("monitor grain --log log --window 200 --json --webhook {address}"));
    assert_eq!(outcome.status, Some(3), "{}", outcome.stderr);
    let printed: Value = serde_json::from_str(&outcome.stdout).expect("a document");
    let posted: Value = serde_json::from_str(&served.join().expect("served")).expect("a document");
    assert_eq!(printed, posted);
    assert_eq!((&printed["alarm"], &printed["past"][1]["alarm"]), (&true.into(), &true.into()));
    assert_eq!(printed["past"][0]["alarm"], false);
    let told = printed["alarms"].to_string();
    assert!(told.contains("`brightness` is lower: half of the requests lie above"), "{told}");

    let (address, served) = listen("302 Found");
    let refused = place.heirloom(&format!("monitor grain --log log --window 200 --webhook {address}"));
    served.join().expect("served");
    assert_eq!(refused.status, Some(1));
    assert!(refused.stdout.contains("ALARM by"), "the alarm is told all the same");
    assert_eq!(
        refused.stderr, "error: the webhook at 127.0.0.1 answers 302 Found\n",
        "without the address's secret"
    );
}

#[test]
fn labels_stand_beside_the_test_part() {
    let place = grain();
    place.heirloom("infer grain same --log log").done();
    let line = |number: usize| {
        let wrong = u8::from(number.is_multiple_of(4));
        format!("same:{number},{}\n", class(1000 + number) ^ wrong)
    };
    place.write("late.csv", "id,label\n".to_owned() + &(0..200).map(line).collect::<String>() + "gone,1\n");
    let outcome = place.heirloom("monitor grain --log log --labels late.csv --window 200");
    assert_eq!(outcome.status, Some(3), "{}", outcome.stderr);
    let told = outcome.stdout;
    for part in [
        "labels    of 200 requests; 1 of requests that are not in the log",
        "% on the test part",
        "labelled answers are right",
    ] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    let mistake = place.write("no.csv", "id\nsame:1\n");
    let told = place.heirloom(&format!("monitor grain --log log --labels {}", mistake.display())).failed(2);
    assert!(told.contains("error[label-columns]: the labels have no column `label`"), "{told}");
}

#[test]
fn what_cannot_be_judged_is_said() {
    let place = grain();
    assert!(place.heirloom("monitor grain").done().contains("100 requests are needed"));
    assert!(place.heirloom("monitor grain --log nowhere").failed(2).contains("error[no-log]"));
    assert!(place.heirloom("monitor nobody").failed(2).contains("nobody"));
    assert!(place.heirloom("monitor grain --webhook ftp://a/b").failed(2).contains("error[webhook-url]"));
    assert!(place.heirloom("monitor grain --window 99").failed(2).contains("--window"));
    assert!(place.heirloom("monitor grain --false-alarm-rate 1").failed(2).contains("between 0 and 1"));
    place.heirloom("infer grain same --log log").done();
    place.write(
        "log/requests-00000009-0000000000000.jsonl",
        "{\"heirloom_request_log\":1}\n{\"of\":0,\"id\":\"x",
    );
    let told = place.heirloom("monitor grain --log log").done();
    assert!(told.contains("1 line cut off and 0 damaged"), "{told}");
}

/// A model from before there were profiles gets one when its scheme is run again; nothing is trained for that.
#[test]
fn older_models_get_a_profile() {
    let place = grain();
    let registry =
        rusqlite::Connection::open(place.path().join(".heirloom/registry.db")).expect("a registry");
    registry.execute("DELETE FROM version_blobs WHERE role = 'profile'", []).expect("no profile");
    registry
        .execute("DELETE FROM stage_results WHERE result LIKE '%scheme_digest%'", [])
        .expect("not registered");
    drop(registry);
    let told = place.heirloom("monitor grain").failed(2);
    assert!(told.contains("error[no-profile]: grain@1 has no profile to compare requests with"), "{told}");
    assert!(told.contains("a run of its scheme makes one"), "{told}");
    let again = place.heirloom("run grain.toml").stderr;
    assert!(again.contains("the same model is registered already as grain@1"), "{again}");
    place.heirloom("monitor grain").done();
}
