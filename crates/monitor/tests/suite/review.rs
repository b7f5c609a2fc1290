//! A log read against a profile.

use std::sync::Arc;

use monitor::{
    Answered, Inputs, Labels, Log, LogOptions, Observed, Profile, Record, Review, ReviewOptions, Schema,
    Settings, Status, review,
};

use crate::numbers::uniform;

fn value(number: u64) -> f32 {
    uniform(5, number) as f32
}

fn profile(labels: &[String]) -> Profile {
    let values: Vec<f32> = (0..1000).map(|number| value(1_000_000 + number)).collect();
    let observed: Vec<Observed> = values
        .iter()
        .enumerate()
        .map(|(number, &value)| match labels.is_empty() {
            true => Observed::Value { answered: f64::from(value), expected: f64::from(value) + 0.1 },
            false => {
                let answered = u32::from(value > 0.5);
                let expected = if number % 50 == 0 { 1 - answered } else { answered };
                Observed::Class { answered, confidence: value, expected }
            }
        })
        .collect();
    Profile::of(Inputs::Table { features: vec!["x".to_owned()] }, labels, &values, &observed)
}

fn yes_no() -> Vec<String> {
    ["no", "yes"].map(str::to_owned).to_vec()
}

/// Logs 700 requests, of which the last 300 have drifted if `drifted`, reviews them with `labels`.
fn reviewed(profile: &Profile, drifted: bool, labels: Option<&str>) -> Review {
    let folder = tempfile::tempdir().expect("a folder");
    let log = Log::open(&folder.path().join("log"), LogOptions::default()).expect("a log");
    // The log has another order of fields, and one that the profile does not know.
    let fields = vec!["other".to_owned(), "x".to_owned()];
    let of = |version| Arc::new(Schema { model: "m".to_owned(), version, fields: fields.clone() });
    let (own, other) = (of(2), of(1));
    for number in 0..700u64 {
        let x = value(number) + if drifted && number >= 400 { 0.4 } else { 0.0 };
        let answer = match profile.classes().is_empty() {
            true => Answered::Value(f64::from(x)),
            false => Answered::Class(if x > 0.5 { "yes".into() } else { "no".into() }, x.min(1.0)),
        };
        let record = Record {
            schema: Arc::clone(&own),
            id: format!("r{number}"),
            unix_ms: number as i64,
            inputs: vec![Some(9.0), Some(x)],
            answer: Some(answer),
            latency_us: 9,
            status: Status::Ok,
        };
        if number % 7 == 0 {
            log.record_waiting(Record { schema: Arc::clone(&other), ..record.clone() });
        }
        if number % 10 == 0 {
            log.record_waiting(Record { answer: None, status: Status::Failed, ..record.clone() });
        }
        log.record_waiting(record);
    }
    drop(log);
    let labels = labels.map(|text| {
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).expect("a file");
        Labels::read(&path).expect("labels")
    });
    let options =
        ReviewOptions { model: "m".to_owned(), version: 2, window: 200, settings: Settings::default() };
    review(&folder.path().join("log"), profile, labels.as_ref(), &options).expect("a review")
}

#[test]
fn windows_follow_each_other() {
    let profile = profile(&yes_no());
    let quiet = reviewed(&profile, false, None);
    assert_eq!((quiet.requests, quiet.unanswered, quiet.others), (700, 70, 100));
    assert_eq!(quiet.newest_unix_ms, Some([500, 699]));
    assert!(quiet.newest.enough && !quiet.newest.alarm, "{:?}", quiet.newest);
    assert_eq!(quiet.past.iter().map(|past| past.alarm).collect::<Vec<_>>(), [false; 3]);
    assert_eq!(quiet.past[1].unix_ms, [200, 399]);
    let drifted = reviewed(&profile, true, None);
    assert_eq!(drifted.past.iter().map(|past| past.alarm).collect::<Vec<_>>(), [false, false, true]);
    assert!(drifted.newest.alarm && drifted.newest.score() > 1.0);
    let said: Vec<&str> = drifted.newest.alarms().iter().map(|each| each.sentence.as_str()).collect();
    assert!(
        said.iter().any(|text| text.starts_with("`x` is higher: half of the requests lie above")),
        "{said:?}"
    );
    assert!(said.iter().any(|text| text.contains("is the answer to")), "{said:?}");
}

#[test]
fn labels_are_joined_by_id() {
    let profile = profile(&yes_no());
    let line = |number: u64, wrong: bool| {
        let label = if (value(number) > 0.5) != wrong { "yes" } else { "no" };
        format!("r{number},{label}\n")
    };
    let good: String = (400..700).map(|number| line(number, number % 50 == 0)).collect();
    let found = reviewed(&profile, false, Some(&format!("id,label\nnever,yes\nr1,maybe\n{good}")));
    let labelled = found.labelled.expect("labels");
    assert_eq!((labelled.requests, labelled.unmatched, labelled.unknown), (200, 1, 0));
    assert_eq!((labelled.right, labelled.accuracy, labelled.test_accuracy), (196, Some(0.98), Some(0.98)));
    assert!(labelled.interval.is_some_and(|[low, high]| low < 0.98 && high > 0.98));
    assert!(!found.newest.alarm);
    let bad: String = (400..700).map(|number| line(number, number % 5 == 0)).collect();
    let found = reviewed(&profile, false, Some(&format!("id,label\n{bad}")));
    let said: Vec<&str> = found.newest.alarms().iter().map(|each| each.sentence.as_str()).collect();
    assert_eq!(said, ["80.0 % of 200 labelled answers are right, 98.0 % of the examples' are"]);
}

#[test]
fn numbers_have_errors() {
    let profile = profile(&[]);
    let line = |number: u64, error: f32| format!("r{number},{}\n", value(number) + error);
    let good: String = (0..700).map(|number| line(number, 0.1)).collect();
    let found = reviewed(&profile, false, Some(&format!("id,label\n{good}r9,many\n")));
    let labelled = found.labelled.expect("labels");
    assert!(labelled.mae.is_some_and(|mae| (mae - 0.1).abs() < 1e-6), "{labelled:?}");
    assert!(labelled.rmse.is_some_and(|rmse| (rmse - 0.1).abs() < 1e-6), "{labelled:?}");
    let bad: String = (0..700).map(|number| line(number, 0.5)).collect();
    let found = reviewed(&profile, false, Some(&format!("id,label\n{bad}")));
    assert!(found.newest.alarms().iter().any(|each| each.statistic == "error"), "{:?}", found.newest);
}
