//! What monitoring costs per request: the statistics of a picture, its code, the sliding window, the hand-over to the log;
//! and what reading a verdict costs.

use std::sync::Arc;

use monitor::{
    Answer, Answered, Inputs, Log, LogOptions, Observed, Profile, Raw, Record, Schema, Settings, Status,
    Window,
};

fn main() {
    divan::main();
}

const INPUTS: Inputs = Inputs::Picture { channels: 1, height: 28, width: 28 };

fn picture(number: usize) -> Vec<u8> {
    (0..784usize)
        .map(|pixel| if (pixel / 28).abs_diff(number % 28) < 4 { (pixel * 31 + number * 7) as u8 } else { 0 })
        .collect()
}

fn summary(number: usize) -> Vec<f32> {
    let mut summary = Vec::new();
    INPUTS.summarise(Raw::U8(&picture(number)), &mut summary);
    summary
}

fn examples(count: usize) -> (Vec<f32>, Vec<Observed>) {
    let observed = |number: usize| Observed::Class {
        answered: (number % 10) as u32,
        confidence: 1.0 - number as f32 / 20_000.0,
        expected: (number % 10) as u32,
    };
    ((0..count).flat_map(summary).collect(), (0..count).map(observed).collect())
}

fn profile() -> Profile {
    let (summaries, observed) = examples(10_000);
    let labels: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    Profile::of(INPUTS, &labels, &summaries, &observed)
}

#[divan::bench]
fn statistics_of_a_picture(bencher: divan::Bencher) {
    let (picture, mut summary) = (picture(9), Vec::new());
    bencher.bench_local(|| INPUTS.summarise(Raw::U8(divan::black_box(&picture)), &mut summary));
}

#[divan::bench]
fn code_and_push(bencher: divan::Bencher) {
    let (profile, summary) = (profile(), summary(9));
    let mut window = Window::new(&profile, 1000);
    bencher.bench_local(|| {
        window.push(profile.code_all(divan::black_box(&summary), Some(Answer::Class(3, 0.9))))
    });
}

#[divan::bench(sample_count = 10)]
fn verdict_of_a_window(bencher: divan::Bencher) {
    let profile = profile();
    let mut window = Window::new(&profile, 500);
    (0..500).for_each(|number| window.push(profile.code_all(&summary(number), Some(Answer::Class(3, 0.9)))));
    bencher.bench_local(|| window.verdict(&profile, &Settings::default()));
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn profile_of_10_000_pictures() -> Vec<u8> {
    profile().to_bytes()
}

#[divan::bench(sample_count = 20, sample_size = 200)]
fn hand_over_to_the_log(bencher: divan::Bencher) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = Log::open(folder.path(), LogOptions::default()).expect("a log");
    let profile = profile();
    let fields = profile.fields().map(str::to_owned).collect();
    let schema = Arc::new(Schema { model: "mnist".to_owned(), version: 1, fields });
    let (inputs, label): (Vec<_>, Arc<str>) = (summary(9).into_iter().map(Some).collect(), "3".into());
    bencher.bench_local(|| {
        log.record(Record {
            schema: Arc::clone(&schema),
            id: "018f2a3c-request".to_owned(),
            unix_ms: 1,
            inputs: inputs.clone(),
            answer: Some(Answered::Class(Arc::clone(&label), 0.9)),
            latency_us: 200,
            status: Status::Ok,
        });
    });
}
