//! `heirloom watch`: one look, many looks, two watchers, and kills at any moment.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::{Outcome, Place};
use crate::samples::{HOUSES, houses};

/// Rounds of new data in the test of kills.
const ROUNDS: usize = 4;
/// Starts that are killed in each round.
const KILLS: usize = 3;

/// The table of houses and a scheme that delivers their model.
fn delivered(place: &Place) {
    houses(place);
    let gate = "[evaluate.gate.error]\nmetric = \"rmse\"\nmax = 1e9\n[deploy]\n";
    place.write("houses.toml", format!("{HOUSES}checkpoint_steps = 1\n{gate}"));
}

/// A house more, so that the data is new.
fn one_more(place: &Place, number: usize) {
    let path = place.path().join("houses.csv");
    let text = std::fs::read_to_string(&path).expect("the table");
    replace(place, &format!("{text}{},3,1999,{}\n", 50 + number, 60_000 + number));
}

/// Puts another table in the place of the one that is there, whole.
fn replace(place: &Place, table: &str) {
    let new = place.write("new.csv", table);
    std::fs::rename(new, place.path().join("houses.csv")).expect("the table");
}

/// What happened to the houses: action, version, reason.
fn history(place: &Place) -> Vec<Value> {
    place.heirloom("model history houses --json").json().as_array().expect("a list").clone()
}

fn promoted(place: &Place) -> Vec<u64> {
    let events = history(place);
    let moves = events.iter().filter(|event| event["action"] == "promote");
    moves.map(|event| event["version"].as_u64().expect("a number")).collect()
}

#[test]
fn one_look_does_what_is_due_and_no_more() {
    let place = Place::new();
    delivered(&place);
    let first = place.heirloom("watch houses.toml --once --quiet").done();
    assert_eq!(first, "houses@1 for new data: `production` points at it\n");
    let again = place.heirloom("watch houses.toml --once").done();
    assert!(again.starts_with("nothing to do: houses@1 was promoted for this data on "), "{again}");

    one_more(&place, 1);
    let second = place.heirloom("watch houses.toml --once --quiet --json").json();
    assert_eq!((&second["decision"], &second["why"]), (&"promoted".into(), &"data".into()));
    assert_eq!((&second["model"], &second["inherit"]), (&"houses@2".into(), &"houses@1".into()));
    assert_eq!(second["deployment"]["replaced"], "houses@1");
    let nothing = place.heirloom("watch houses.toml --once --json").json();
    assert_eq!((&nothing["decision"], &nothing["decided"]["version"]), (&"nothing".into(), &2.into()));

    one_more(&place, 2);
    let strict = "watch houses.toml --once --quiet --set evaluate.gate.error.max=0.001";
    let said = place.heirloom(strict).failed(3);
    assert!(said.contains("the gate `error` refuses the model: `rmse` is"), "{said}");
    let again = place.heirloom(strict).done();
    assert!(again.starts_with("nothing to do: the model was refused for this data on "), "{again}");
    assert_eq!(promoted(&place), [1, 2]);
    let refused = history(&place).pop().expect("an event");
    assert_eq!((&refused["action"], &refused["version"]), (&"refuse".into(), &Value::Null));
}

#[test]
fn drift_asks_for_a_model_once() {
    let place = Place::new();
    delivered(&place);
    let watch = "watch houses.toml --once --quiet --drift-report drift.json --store kept";
    place.heirloom(watch).done();
    for (report, expect) in [
        (r#"{"alarm": false}"#, "nothing to do: houses@1 was promoted"),
        (
            r#"{"alarm": true, "id": "monday"}"#,
            "houses@2 for new drift from houses@1: `production` points at it",
        ),
        (r#"{"alarm": true, "id": "monday", "features": 3}"#, "nothing to do: houses@2 was promoted"),
        (
            r#"{"alarm": true, "id": "tuesday"}"#,
            "houses@3 for new drift from houses@2: `production` points at it",
        ),
    ] {
        place.write("drift.json", report);
        let said = place.heirloom(watch).done();
        assert!(said.starts_with(expect), "{report}: {said}");
    }
    for report in ["", "{}", r#"{"alarm": 1}"#] {
        place.write("drift.json", report);
        let said = place.heirloom(watch).failed(2);
        assert!(said.contains("error[bad-drift-report]: drift.json is no report of drift: "), "{said}");
    }
}

#[test]
fn what_cannot_be_watched_is_said_and_makes_no_store() {
    let place = Place::new();
    delivered(&place);
    place.write("plain.toml", HOUSES);
    for (line, expect) in [
        ("watch plain.toml --once", "error[no-deploy]: plain has no [deploy]"),
        ("watch houses.toml --json", "error[json-without-once]"),
        ("watch nothing.toml", "error[missing-file]"),
        ("watch houses.toml --interval 60", "write a whole number and one of ms, s, m, h"),
        ("run houses.toml --override-gate error", "--reason <TEXT>"),
        ("run houses.toml --override-gate eror --reason x", "did you mean `error`?"),
    ] {
        let said = place.heirloom(line).failed(2);
        assert!(said.contains(expect), "{line}: {said}");
    }
    assert!(!place.path().join(".heirloom").exists());
}

/// A watch under way, whose lines are read one by one.
struct Watching(Child);

impl Watching {
    fn start(place: &Place, line: &str) -> Self {
        let mut command = place.command(line.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Watching(command.spawn().expect("the program starts"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status();
        assert!(sent.expect("kill exists").success());
    }
}

#[test]
fn a_watch_goes_on_until_it_is_asked_to_end_and_is_alone() {
    let place = Place::new();
    delivered(&place);
    let mut watching = Watching::start(&place, "watch houses.toml --interval 20ms");
    let mut lines = BufReader::new(watching.0.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("UTF-8");
    assert_eq!(next(), "houses@1 for new data: `production` points at it");
    assert!(next().starts_with("nothing to do: houses@1 was promoted for this data"));

    let said = place.heirloom("watch houses.toml --once").failed(1);
    let holder =
        format!("error: another `heirloom watch` works in the store .heirloom (process {})", watching.0.id());
    assert!(said.starts_with(&holder), "{said}");
    place.heirloom("run houses.toml --quiet --set seed=2 --set name=other").done();

    // Data that cannot be read is said, and looked at again.
    let table = std::fs::read_to_string(place.path().join("houses.csv")).expect("the table");
    replace(&place, &format!("{table}half a row\n"));
    let mut errors = BufReader::new(watching.0.stderr.take().expect("a pipe")).lines().map(Result::unwrap);
    let told = errors.find(|line| line.starts_with("error[")).expect("an error");
    assert!(told.starts_with("error[ragged-row]"), "{told}");
    replace(&place, &table);
    one_more(&place, 1);
    let line = loop {
        let line = next();
        if !line.starts_with("nothing to do") {
            break line;
        }
    };
    assert_eq!(line, "houses@2 for new data from houses@1: `production` points at it, before: houses@1");
    watching.signal("-TERM");
    assert_eq!(errors.last().as_deref(), Some("stopped; `heirloom watch houses.toml` goes on"));
    assert_eq!(watching.0.wait().expect("a child").code(), Some(0));
    let again = place.heirloom("watch houses.toml --once").done();
    assert!(again.starts_with("nothing to do: houses@2"), "{again}");
}

#[test]
fn a_watch_that_is_asked_to_end_in_training_goes_on_at_the_next_start() {
    let place = Place::new();
    delivered(&place);
    let line = "watch houses.toml --once --set train.epochs=20000 --threads 1";
    let watching = Watching::start(&place, line);
    let checkpoints = place.path().join(".heirloom/checkpoints");
    while std::fs::read_dir(&checkpoints).map_or(0, Iterator::count) == 0 {
        sleep(Duration::from_millis(5));
    }
    watching.signal("-TERM");
    let Outcome { status, stderr, .. } = Outcome::of(&watching.0.wait_with_output().expect("a child"));
    assert_eq!(status, Some(0), "{stderr}");
    assert!(
        stderr.contains("stopped; `heirloom watch houses.toml --set train.epochs=20000` goes on"),
        "{stderr}"
    );
    let watching = Watching::start(&place, line);
    sleep(Duration::from_millis(300));
    watching.signal("-TERM");
    let said = Outcome::of(&watching.0.wait_with_output().expect("a child")).stderr;
    assert!(said.contains("\nresume    in epoch "), "{said}");
}

/// Kills starts at moments spread over a whole look, then lets one end; returns how many were killed.
fn look_with_kills(place: &Place, round: usize, whole: Duration) -> usize {
    let mut killed = 0;
    for kill in 0..KILLS {
        let mut watching = Watching::start(place, "watch houses.toml --once --quiet");
        // A fraction of the time of a look, another one each time.
        let share = ((round * KILLS + kill) * 7 % 13) as f64 / 12.0;
        sleep(whole.mul_f64(share));
        if watching.0.try_wait().expect("a child").is_none() {
            watching.0.kill().expect("a child");
            killed += 1;
        }
        watching.0.wait().expect("a child");
        if place.path().join(".heirloom/registry.db").is_file() {
            place.heirloom("store verify").done();
        }
    }
    place.heirloom("watch houses.toml --once --quiet").done();
    killed
}

#[test]
fn kills_at_any_moment_decide_nothing_twice_and_change_no_model() {
    let (calm, hurt) = (Place::new(), Place::new());
    delivered(&calm);
    delivered(&hurt);
    let mut killed = 0;
    for round in 0..ROUNDS {
        one_more(&calm, round);
        one_more(&hurt, round);
        let begun = Instant::now();
        calm.heirloom("watch houses.toml --once --quiet").done();
        killed += look_with_kills(&hurt, round, begun.elapsed());
    }
    assert!(killed >= ROUNDS, "{killed} starts were killed");
    let expect: Vec<u64> = (1..=ROUNDS as u64).collect();
    assert_eq!((promoted(&calm), promoted(&hurt)), (expect.clone(), expect));
    let digests = |place: &Place| {
        let models = place.heirloom("model list houses --json").json();
        let versions = models["versions"].as_array().expect("a list").clone();
        versions.iter().map(|version| version["digest"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(digests(&calm), digests(&hurt));
}
