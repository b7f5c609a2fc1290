//! Logs: written, sampled, cut short, taken away.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use monitor::{
    Answered, FieldPolicy, Log, LogOptions, LogStats, ReadReport, Record, Schema, Status, read_log,
};

fn schema(version: u32) -> Arc<Schema> {
    let fields = ["age", "zip", "name"].map(str::to_owned).to_vec();
    Arc::new(Schema { model: "m".to_owned(), version, fields })
}

fn record(schema: &Arc<Schema>, number: i64) -> Record {
    Record {
        schema: Arc::clone(schema),
        id: format!("r{number}"),
        unix_ms: number * 1000,
        inputs: vec![Some(number as f32 + 0.1), Some(5.0), None],
        answer: Some(Answered::Class("yes \"so\"".into(), 0.75)),
        latency_us: 12,
        status: Status::Ok,
    }
}

fn read(folder: &Path) -> (Vec<Record>, ReadReport) {
    let mut records = Vec::new();
    let report = read_log(folder, |record| records.push(record)).expect("a log");
    (records, report)
}

fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (schema(1), schema(2));
    let mut wanted = Vec::new();
    for round in 0..2 {
        let log = Log::open(folder.path(), LogOptions::default()).expect("a log");
        for number in 0..100 {
            let record = record(if number % 3 == 0 { &two } else { &one }, round * 100 + number);
            wanted.push(record.clone());
            log.record_waiting(record);
        }
        log.flush();
        assert_eq!(log.stats(), LogStats { written: 100, ..LogStats::default() });
    }
    let (mut records, report) = read(folder.path());
    // What was not known is written as `null`, which is read as no number.
    for record in &mut records {
        assert!(record.inputs.pop().flatten().is_some_and(f32::is_nan));
        record.inputs.push(None);
    }
    assert_eq!(records, wanted);
    assert_eq!(report, ReadReport { segments: 2, records: 200, torn: 0, damaged: 0 });
    assert_eq!(read(&folder.path().join("none")).1, ReadReport::default());
}

#[test]
fn fields_are_hashed_and_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let fields = [("zip", FieldPolicy::Hash), ("age", FieldPolicy::Drop)];
    let fields: BTreeMap<String, FieldPolicy> =
        fields.into_iter().map(|(name, policy)| (name.to_owned(), policy)).collect();
    let options = LogOptions { fields, hash_key: b"secret".to_vec(), ..LogOptions::default() };
    let log = Log::open(folder.path(), options).expect("a log");
    (0..3).for_each(|number| log.record_waiting(record(&schema(1), number)));
    drop(log);
    let (records, _) = read(folder.path());
    assert_eq!(records[0].schema.fields, ["zip", "name"]);
    assert_eq!(records[0].inputs[0], None);
    let text = fs::read_to_string(&segments(folder.path())[0]).expect("text");
    assert!(!text.contains("age") && !text.contains("5.0"), "{text}");
    let hash = |line: &str| line.split('"').find(|part| part.len() == 16).map(str::to_owned);
    let hashes: Vec<_> = text.lines().filter_map(hash).collect();
    assert!(hashes.len() == 3 && hashes.iter().all(|each| *each == hashes[0]), "{text}");
}

#[test]
fn the_sample_is_the_ids() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = Log::open(folder.path(), LogOptions { sample: 0.25, ..LogOptions::default() }).expect("a log");
    let taken: Vec<bool> = (0..4000).map(|number| log.wants(&format!("r{number}"))).collect();
    let count = taken.iter().filter(|taken| **taken).count();
    assert!((900..1100).contains(&count), "{count}");
    assert!((0..4000).all(|number| log.wants(&format!("r{number}")) == taken[number]));
    for (sample, wanted) in [(0.0, false), (1.0, true)] {
        let log = Log::open(folder.path(), LogOptions { sample, ..LogOptions::default() }).expect("a log");
        assert!((0..100).all(|number| log.wants(&number.to_string()) == wanted));
    }
}

#[test]
fn every_cut_leaves_the_whole_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = Log::open(folder.path(), LogOptions::default()).expect("a log");
    (0..5).for_each(|number| log.record_waiting(record(&schema(1), number)));
    drop(log);
    let path = segments(folder.path()).remove(0);
    let whole = fs::read(&path).expect("bytes");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("a file");
        let (records, report) = read(folder.path());
        let lines = whole[..length].iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(records.len(), lines.saturating_sub(2), "{length}");
        assert_eq!(report.torn, u64::from(length > 0 && whole[length - 1] != b'\n'), "{length}");
        assert_eq!(report.damaged, 0, "{length}");
    }
    // A damaged line costs itself only; a file of another kind is counted once.
    let text = String::from_utf8(whole).expect("text").replace("\"id\":\"r2\"", "\"id\":\"r2");
    fs::write(&path, text).expect("a file");
    fs::write(folder.path().join("requests-00000002-0000000000000.jsonl"), vec![0xff; 3_000_000])
        .expect("a file");
    fs::write(
        folder.path().join("requests-00000003-0000000000000.jsonl"),
        "{\"heirloom_request_log\":2}\n{}\n",
    )
    .expect("a file");
    fs::write(folder.path().join("notes.txt"), "mine").expect("a file");
    let (records, report) = read(folder.path());
    assert_eq!(records.len(), 4);
    assert_eq!(report, ReadReport { segments: 3, records: 4, torn: 0, damaged: 3 });
}

#[test]
fn old_segments_go_by_bytes_and_by_age() {
    let folder = tempfile::tempdir().expect("a folder");
    let options =
        LogOptions { segment_bytes_max: 2000, bytes_max: 10_000, age_ms_max: None, ..LogOptions::default() };
    let log = Log::open(folder.path(), options).expect("a log");
    (0..500).for_each(|number| log.record_waiting(record(&schema(1), number)));
    log.flush();
    let bytes: u64 =
        segments(folder.path()).iter().map(|path| fs::metadata(path).expect("a file").len()).sum();
    assert!(bytes <= 13_000, "{bytes}");
    assert!(log.stats().segments_gone > 10, "{:?}", log.stats());
    let (records, _) = read(folder.path());
    assert_eq!(records.last().map(|record| record.id.as_str()), Some("r499"));
    drop(log);

    let aged = tempfile::tempdir().expect("a folder");
    let options = LogOptions { age_ms_max: Some(50_000), ..LogOptions::default() };
    let log = Log::open(aged.path(), options).expect("a log");
    (0..500).for_each(|number| log.record_waiting(record(&schema(1), number)));
    log.flush();
    let (records, _) = read(aged.path());
    let oldest = records.first().map_or(0, |record| record.unix_ms);
    assert!((420_000..=450_000).contains(&oldest), "{oldest}");
}

#[test]
fn a_full_queue_drops_and_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = Log::open(folder.path(), LogOptions { queue: 1, ..LogOptions::default() }).expect("a log");
    let schema = schema(1);
    (0..20_000).for_each(|number| log.record(record(&schema, number)));
    log.flush();
    let stats = log.stats();
    assert_eq!(stats.written + stats.dropped, 20_000);
    assert!(stats.dropped > 0 && stats.written > 0, "{stats:?}");
    assert_eq!(read(folder.path()).1.records, stats.written);
}

#[test]
fn a_folder_that_cannot_be_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let told = Log::open(&file.join("log"), LogOptions::default()).err().expect("no folder").to_string();
    assert!(told.contains("folder of requests"), "{told}");
    assert!(read_log(&file.join("log"), |_| {}).is_err());
}
