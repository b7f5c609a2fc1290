//! The server as its clients meet it, over a real socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::Place;
use crate::samples::{houses_scheme, photos, png};

/// No answer and no switch takes as long on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A scheme of photos, 16 x 16.
pub(crate) const PHOTOS: &str = "inherits = [\"vision/classifier\"]\n[data]\nsource = \"photos\"\nchannels = 1\nheight = 16\nwidth = 16\n[train]\nepochs = 2\n";

/// A running server; it is killed with the test.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) rest: SocketAddr,
    said: BufReader<std::process::ChildStderr>,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: String,
    pub(crate) body: Vec<u8>,
}

impl Served {
    pub(crate) fn start(place: &Place, more: &str) -> Self {
        let line = format!("serve --bind 127.0.0.1:0 --no-grpc {more}");
        let mut command = place.command(line.split_whitespace());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
        let heard = wait_for(&mut said, "listening: REST http");
        let address = heard.split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
        Served { rest: address.parse().expect("an address"), child, said }
    }

    /// Sends a request and reads the whole answer.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        ask(self.rest, method, path, headers, body)
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "", b"")
    }

    pub(crate) fn post(&self, path: &str, media: &str, body: &[u8]) -> Reply {
        self.ask("POST", path, &format!("Content-Type: {media}\r\n"), body)
    }

    /// Waits until the server says something that holds `words`; the whole line.
    pub(crate) fn hear(&mut self, words: &str) -> String {
        wait_for(&mut self.said, words)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(said: &mut impl BufRead, words: &str) -> String {
    let mut heard = String::new();
    loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).expect("a line") > 0, "it ended and said: {heard}");
        if line.contains(words) {
            return line;
        }
        heard += &line;
    }
}

pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat()).expect("it reads");
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole).expect("it answers");
    let end = whole.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(whole[..end].to_vec()).expect("text").to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    Reply { status, headers: head, body: whole[end + 4..].to_vec() }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    fn refused(&self, status: u16, words: &str) {
        let message = self.json()["error"].as_str().expect("a sentence").to_owned();
        assert!(self.status == status && message.contains(words), "{} {message}", self.status);
    }
}

/// A place with a model `photos` of cats and dogs, 16 x 16.
pub(crate) fn photo_place() -> Place {
    let place = Place::new();
    photos(&place);
    place.write("photos.toml", PHOTOS);
    place.heirloom("run photos.toml --quiet").done();
    place
}

pub(crate) fn question(class: u8) -> Vec<u8> {
    let pixels = crate::samples::pixels(class, 3, 16);
    let input = json!({ "name": "image", "shape": [1, 1, 16, 16], "datatype": "UINT8", "data": pixels });
    json!({ "inputs": [input] }).to_string().into_bytes()
}

#[test]
fn pictures_are_answered_by_label_over_both_interfaces() {
    let place = photo_place();
    let served = Served::start(&place, "photos");
    assert_eq!((served.get("/v2/health/live").status, served.get("/v2/health/ready").status), (200, 200));
    let metadata = served.get("/v2/models/photos").json();
    assert_eq!(
        metadata["inputs"],
        json!([{ "name": "image", "datatype": "UINT8", "shape": [-1, 1, 16, 16] }])
    );
    assert_eq!(metadata["parameters"]["labels"], json!(["cat", "dog"]));
    assert_eq!(metadata["versions"], json!(["1"]));
    for (class, label) in [(0, "cat"), (1, "dog")] {
        let answer = served.post("/v2/models/photos/infer", "application/json", &question(class)).json();
        assert_eq!(answer["outputs"][0]["data"], json!([label]));
        let predicted = served.post("/predict/photos", "image/png", &png(class, 3, 16)).json();
        assert_eq!(predicted["predictions"][0]["label"], json!(label));
        // The command line, the tensor and the picture are one path to one answer.
        place.write("one.png", png(class, 3, 16));
        let inferred = place.heirloom("infer photos one.png --json").json();
        let share = |document: &Value| {
            document["predictions"][0]["probabilities"][label].as_f64().expect("a number") as f32
        };
        assert_eq!(share(&inferred), share(&predicted));
        let shares = &answer["outputs"][1]["data"];
        assert_eq!(shares[class as usize], predicted["predictions"][0]["probabilities"][label]);
    }
    let metrics = String::from_utf8(served.get("/metrics").body).expect("text");
    assert!(
        metrics.contains("heirloom_inference_requests_total{model=\"photos\",version=\"1\",code=\"200\"} 4"),
        "{metrics}"
    );
    assert!(served.get("/v2").headers.contains("x-content-type-options: nosniff"));
}

#[test]
fn mistakes_are_told_in_words() {
    let place = photo_place();
    let served = Served::start(&place, "photos --queue 8 --body-max 1");
    let infer = |body: &[u8]| served.post("/v2/models/photos/infer", "application/json", body);
    infer(b"{").refused(400, "no inference request");
    infer(b"{\"inputs\":[]}").refused(400, "the model takes one input, `image`");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body: Value = serde_json::from_slice(&question(0)).expect("JSON");
        change(&mut body["inputs"][0]);
        infer(body.to_string().as_bytes())
    };
    with(&|input| input["name"] = json!("x\u{1b}[2J")).refused(400, "no input `x\\u{1b}[2J`");
    with(&|input| input["shape"] = json!([1, 1, 16, -16])).refused(400, "has shape [-1, 1, 16, 16]");
    with(&|input| input["shape"] = json!([i64::MAX, 1, 16, 16])).refused(413, "at most 8");
    with(&|input| input["data"] = json!([1, 2, 3])).refused(400, "expected 256 numbers, found 3");
    with(&|input| input["data"][7] = json!(256)).refused(400, "256 is no number of type UINT8");
    with(&|input| input["datatype"] = json!("FP32")).refused(400, "is UINT8, found FP32");
    infer(&vec![b' '; 2 << 20]).refused(413, "more than 1048576 bytes");
    served.get("/v2/models/none").refused(404, "there is no model `none`");
    served
        .get("/v2/models/photos/versions/7")
        .refused(404, "version `7` of `photos` is not served; version 1 is");
    served.get("/nowhere").refused(404, "there is nothing at `/nowhere`");
    served.post("/predict/photos", "text/plain", b"x").refused(415, "content type");
    served.post("/predict/photos", "image/png", b"no picture").refused(400, "neither PNG nor JPEG");
    served.post("/predict/photos", "text/csv", b"a,b\n1,2\n").refused(415, "takes a picture");
    assert_eq!(served.get("/v2/models/photos/infer").status, 405);
}

#[test]
fn rows_and_records_are_answered_by_number() {
    let place = Place::new();
    houses_scheme(&place);
    place.heirloom("run houses.toml --quiet").done();
    let served = Served::start(&place, "");
    let csv = served.post(
        "/predict/houses",
        "text/csv; charset=utf-8",
        b"year,id,area,rooms\n1990,7,120,4\n1951,8,60,2\n",
    );
    let rows = csv.json();
    assert_eq!((csv.status, &rows["ignored_columns"]), (200, &json!(["id"])));
    let body = json!({ "records": [{ "area": 120, "rooms": 4, "year": 1990 }, { "area": 60, "rooms": 2, "year": 1951 }] });
    let records = served.post("/predict/houses", "application/json", body.to_string().as_bytes()).json();
    assert_eq!(records["predictions"], rows["predictions"]);
    let tensor = json!({ "inputs": [{ "name": "features", "shape": [1, 3], "datatype": "FP32", "data": [[120, 4.0, 1990]] }] });
    let answer =
        served.post("/v2/models/houses/infer", "application/json", tensor.to_string().as_bytes()).json();
    assert_eq!(answer["outputs"][0]["data"][0], rows["predictions"][0]["value"]);
    served.post("/predict/houses", "text/csv", b"area,rooms\n1,2\n").refused(400, "column `year` is missing");
    served
        .post("/predict/houses", "text/csv", b"area,rooms,year\n1,x,3\n")
        .refused(400, "row 1: column `rooms` holds `x`");
    served.post("/predict/houses", "text/csv", b"area,rooms,year\n").refused(400, "holds no row");
    served.post("/predict/houses", "image/png", b"").refused(415, "takes rows");
}

/// Another version takes over under load: every request is answered, by the old version or the new one, never by the
/// old one after the new one was seen to serve.
#[test]
fn a_promotion_and_a_rollback_drop_no_request() {
    let place = photo_place();
    place.heirloom("run photos.toml --quiet --set seed=2").done();
    place.heirloom("model promote photos@1 --to production").done();
    let mut served = Served::start(&place, "photos");
    let (address, stop) = (served.rest, AtomicBool::new(false));
    let body = question(1);
    let answered: Vec<Vec<u64>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut versions = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let reply = ask(address, "POST", "/v2/models/photos/infer", "", &body);
                        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
                        let version =
                            reply.json()["model_version"].as_str().and_then(|text| text.parse().ok());
                        versions.push(version.expect("a number"));
                    }
                    versions
                })
            })
            .collect();
        for round in 0..3 {
            place.heirloom("model promote photos@2 --to production").done();
            served.hear("serving photos@2 in place of photos@1");
            place.heirloom("model rollback photos --alias production").done();
            served.hear("serving photos@1 in place of photos@2");
            let now = served.post("/v2/models/photos/infer", "application/json", &body).json();
            assert_eq!(now["model_version"], json!("1"), "round {round}");
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no request failed")).collect()
    });
    let all: Vec<u64> = answered.concat();
    assert!(all.contains(&1) && all.contains(&2), "both versions answered");
}

#[test]
fn a_recalled_version_never_serves() {
    let place = photo_place();
    place.heirloom("run photos.toml --quiet --set seed=2").done();
    place.heirloom("model promote photos@1 --to production").done();
    place.heirloom("model recall photos@2 --reason labels").done();
    let said = place.heirloom("serve photos@2 --bind 127.0.0.1:0 --no-grpc").failed(2);
    assert!(said.contains("photos@2 cannot be served: it is recalled: labels"), "{said}");
    let mut served = Served::start(&place, "photos");
    place.heirloom("model promote photos@2 --to production --despite-recall needed").done();
    served.hear(
        "not serving photos@2: photos@2 cannot be served: it is recalled: labels; photos@1 goes on answering",
    );
    let answer = served.post("/v2/models/photos/infer", "application/json", &question(0)).json();
    assert_eq!(answer["model_version"], json!("1"));
    place.heirloom("model rollback photos").done();
    place.heirloom("model recall photos@1 --reason leak").done();
    served.hear("photos@1: it is recalled while it answers: leak; `heirloom model rollback`");
    let index = served.post("/v2/repository/index", "application/json", b"{}").json();
    assert!(
        index[0]["reason"]
            .as_str()
            .expect("a sentence")
            .contains("version 1 should not be served: it is recalled"),
        "{index}"
    );
}

#[test]
fn only_who_may_ask_is_answered() {
    let place = photo_place();
    let made = place.heirloom("key api reader --json").json();
    let (key, digest) = (made["key"].as_str().expect("a key"), made["sha256"].as_str().expect("a digest"));
    place.write(
        "access.toml",
        format!("[key.reader]\nsha256 = \"{digest}\"\nmodels = [\"photos\"]\nrequests_per_second = 5\n"),
    );
    let said = place.heirloom("serve photos --bind 0.0.0.0:0 --no-grpc").failed(2);
    assert!(said.contains("nothing says who may ask") && said.contains("--access FILE"), "{said}");
    let served = Served::start(&place, "photos --access access.toml");
    let with = |key: &str, method: &str, path: &str| {
        served.ask(method, path, &format!("Authorization: Bearer {key}\r\n"), b"")
    };
    assert_eq!(served.get("/v2/health/ready").status, 200);
    served.get("/v2/models/photos").refused(401, "send a key or token");
    with("hk_wrong", "GET", "/v2/models/photos").refused(401, "the key is unknown");
    assert_eq!(with(key, "GET", "/v2/models/photos").status, 200);
    with(key, "GET", "/v2/models/others").refused(403, "`reader` may not use this model");
    with(key, "POST", "/v2/repository/models/photos/unload").refused(403, "may not load or unload");
    let replies: Vec<Reply> = (0..20).map(|_| with(key, "GET", "/metrics")).collect();
    let late = replies.iter().find(|reply| reply.status == 429).expect("the rate is used up");
    late.refused(429, "`reader` asks too often");
    assert!(late.headers.contains("retry-after: 1"), "{}", late.headers);
}

#[test]
fn an_end_is_orderly() {
    let place = photo_place();
    let mut served = Served::start(&place, "photos");
    let started = Instant::now();
    let sent = Command::new("kill").args(["-TERM", &served.child.id().to_string()]).status();
    assert!(sent.expect("kill exists").success());
    served.hear("ending: requests in flight are answered");
    assert_eq!(served.child.wait().expect("a child").code(), Some(0));
    assert!(started.elapsed() < PATIENCE);
    assert!(TcpStream::connect(served.rest).is_err());
}

#[test]
fn logged_requests_are_there_to_monitor() {
    let place = photo_place();
    let mut served = Served::start(&place, "photos --log");
    for number in 0..30u8 {
        let mut body: Value = serde_json::from_slice(&question(number % 2)).expect("JSON");
        body["id"] = json!(format!("r{number}"));
        let answer = served.post("/v2/models/photos/infer", "application/json", body.to_string().as_bytes());
        assert_eq!(answer.json()["id"], body["id"]);
    }
    let unnamed = served.post("/v2/models/photos/infer", "application/json", &question(0)).json();
    assert!(unnamed["id"].as_str().is_some_and(|id| id.len() > 8), "{unnamed}");
    assert!(String::from_utf8(served.get("/metrics").body).expect("text").contains("heirloom_drift_alarm{"));
    let sent = Command::new("kill").args(["-TERM", &served.child.id().to_string()]).status();
    assert!(sent.expect("kill exists").success());
    served.hear("ending");
    served.child.wait().expect("a child");
    place.write("labels.csv", "id,label\nr0,cat\nr1,dog\nr2,dog\n");
    let seen = place.heirloom("monitor photos --labels labels.csv --json").json();
    assert_eq!(seen["records"]["read"].as_u64().or(seen["requests"].as_u64()), Some(31), "{seen}");
}
