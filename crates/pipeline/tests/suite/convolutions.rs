//! Rates of convolutions decide last digits, so what was begun with some is gone on with and made again with the same.

use engine::Costs;
use pipeline::{Event, Flow, Rates, RunError, RunOptions};
use scheme::Convolution;
use store::{Store, StoreAddress};

use crate::support::{Project, options};

/// A network whose second convolution is wide enough for every algorithm.
const WIDE: &str = r#"
[preprocess.scale]
op = "scale"
divide_by = 255
[model.layers.conv1]
op = "conv"
filters = 24
kernel = 3
padding = "same"
activation = "relu"
[model.layers.conv2]
op = "conv"
filters = 32
kernel = 3
padding = "same"
activation = "relu"
[model.layers.flatten]
op = "flatten"
[model.layers.output]
op = "dense"
units = "classes"
[train]
epochs = 2
batch_size = 16
optimizer = { name = "adam", learning_rate = 0.01 }
"#;

/// A machine whose transforms cost nothing to speak of.
fn quick() -> RunOptions {
    machine([50_000, 100_000, 1_000_000, 1_000_000])
}

/// A machine on which the direct sum is always the cheapest.
fn slow() -> RunOptions {
    machine([50_000, 1_000, 7_700, 7_100])
}

fn machine(rates: [u32; 4]) -> RunOptions {
    RunOptions { rates: Rates::Machine(Costs::new(rates).unwrap()), ..options() }
}

#[test]
fn another_machine_goes_on_with_the_rates_of_the_first() {
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + WIDE), &[]);
    let whole =
        |store: &str, options| project.run_with(&scheme, &project.path(store), options, |_| Flow::Continue);
    let (first, other) = (whole("quick", quick()), whole("slow", slow()));
    let report = first.report().convolutions.clone().unwrap();
    assert_eq!(report.chosen_by, Convolution::Auto);
    assert_eq!(report.rates.unwrap().products_mflops, 100_000);
    assert!(report.transformed.iter().all(|each| each.algorithm == "winograd_2x2"));
    assert_eq!(report.transformed.len(), 3, "forwards, to the input and to the weight: {report:?}");
    assert_eq!(other.report().convolutions.clone().unwrap().transformed, []);
    assert_ne!(first.report().digest, other.report().digest, "the choice decides last digits");

    // Killed on one machine, gone on with on another that shares the store.
    let store = project.store();
    let stopped = project.run_with(&scheme, &store, quick(), |event| match event {
        Event::BatchFinished { epoch: 2, .. } => Flow::Stop,
        _ => Flow::Continue,
    });
    assert!(matches!(stopped.result, Err(RunError::Interrupted)), "{:?}", stopped.result);
    let resume = RunOptions { resume: true, ..slow() };
    let resumed = project.run_with(&scheme, &store, resume, |_| Flow::Continue);
    assert!(resumed.notices().iter().any(|text| text.starts_with("resumed from")), "{:?}", resumed.notices());
    assert!(resumed.notices().iter().any(|text| text.contains("this machine's rates differ")));
    assert_eq!(resumed.report().digest, first.report().digest);
    assert_eq!(resumed.report().convolutions, first.report().convolutions);
    // Measuring a machine anew, or for the first time, makes no work.
    let plain = whole("plain", options());
    assert!(!plain.report().cached && whole("plain", quick()).report().cached);
    let again = project.run_with(&scheme, &store, slow(), |_| Flow::Continue);
    assert!(again.report().cached);
}

#[test]
fn a_model_is_made_again_with_its_own_rates() {
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + WIDE), &[]);
    let made = project.run_with(&scheme, &project.path("one"), quick(), |_| Flow::Continue);
    let store = Store::open_at(&StoreAddress::Folder(project.path("one")), &project.path("one")).unwrap();
    let costs = pipeline::rates_of(&store, &store.resolve("small").unwrap()).unwrap().unwrap();
    assert_eq!(costs.rates(), [50_000, 100_000, 1_000_000, 1_000_000]);
    let stated = RunOptions { rates: Rates::Stated(costs), ..slow() };
    let again = project.run_with(&scheme, &project.path("two"), stated, |_| Flow::Continue);
    assert_eq!(again.report().digest, made.report().digest);
}

#[test]
fn what_lengths_decide_no_machine_does() {
    let project = Project::new();
    for (setting, transformed) in [("direct", 0), ("winograd_2x2", 3), ("winograd_4x4", 3)] {
        let text = project.digits() + WIDE;
        let scheme = project.scheme(&text, &[&format!("train.convolution='{setting}'")]);
        let run = |place: &str, options: RunOptions| {
            let store = project.path(&format!("{setting}-{place}"));
            let ran = project.run_with(&scheme, &store, options, |_| Flow::Continue);
            let report = ran.report();
            let convolutions = report.convolutions.clone().unwrap();
            assert_eq!(
                (convolutions.rates, convolutions.transformed.len()),
                (None, transformed),
                "{setting}"
            );
            assert!(
                report.metrics.test.value("accuracy").unwrap() > 0.8,
                "{setting}: {:?}",
                report.metrics.test
            );
            report.digest.clone()
        };
        assert_eq!(run("quick", quick()), run("slow", RunOptions { threads: 2, ..slow() }), "{setting}");
    }
}

#[test]
fn frozen_convolutions_give_the_same_bytes_cached_or_not() {
    let project = Project::new();
    let data = project.digits();
    let parent = project.scheme(&format!("name = \"parent\"\n{data}{WIDE}"), &[]);
    let digest = |options: RunOptions, cached: &str| {
        let other = Project::new();
        other.run(&parent).report();
        let frozen = ["model.inherit='parent'", "train.freeze=['conv1', 'conv2']", cached];
        let scheme = project.scheme(&format!("{data}{WIDE}"), &frozen);
        other.run_with(&scheme, &other.store(), options, |_| Flow::Continue).report().digest.clone()
    };
    for options in [quick(), slow()] {
        let cached = digest(options.clone(), "train.cache_frozen=true");
        assert_eq!(cached, digest(options, "train.cache_frozen=false"));
    }
}
