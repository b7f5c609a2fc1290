//! Training in less memory.

use pipeline::{Event, Flow};

use crate::support::{Project, options};

/// A network whose maps are large beside its weights.
const WIDE: &str = r#"
[preprocess.scale]
op = "scale"
divide_by = 255
[model.layers.conv1]
op = "conv"
filters = 16
kernel = 3
padding = "same"
[model.layers.norm1]
op = "batch_norm"
[model.layers.relu1]
op = "relu"
[model.layers.conv2]
op = "conv"
filters = 16
kernel = 3
padding = "same"
activation = "tanh"
[model.layers.dropped]
op = "dropout"
rate = 0.25
[model.layers.conv3]
op = "conv"
filters = 16
kernel = 3
padding = "same"
[model.layers.norm3]
op = "batch_norm"
[model.layers.relu3]
op = "relu"
[model.layers.pool]
op = "global_average_pool"
[model.layers.flatten]
op = "flatten"
[model.layers.output]
op = "dense"
units = "classes"
[train]
epochs = 2
batch_size = 64
optimizer = { name = "adam", learning_rate = 0.01 }
"#;

#[test]
fn a_limit_of_memory_changes_no_weight() {
    let digits = Project::new();
    let text = digits.digits() + WIDE;
    let train = |limit: Option<&str>, threads: usize| {
        let project = Project::new();
        let limit = limit.map(|limit| format!("train.memory_limit='{limit}'"));
        let scheme = digits.scheme(&text, &limit.as_deref().into_iter().collect::<Vec<_>>());
        let options = pipeline::RunOptions { threads, ..options() };
        project.run_with(&scheme, &project.store(), options, |_| Flow::Continue)
    };
    let whole = train(None, 1);
    assert!(!whole.notices().iter().any(|text| text.contains("training step takes")));
    let refused = train(Some("1 kB"), 1);
    assert!(!refused.events.iter().any(|event| matches!(event, Event::TrainingStarted { .. })));
    let (codes, found) = refused.diagnostics();
    assert_eq!(codes, ["memory-limit"], "{found}");
    assert!(found.contains("in batches of 64, more than the 1.0 kB that it may"), "{found}");
    // What the refusal says is enough is enough.
    let (_, rest) = found.split_once("write `memory_limit = \\\"").expect("an amount");
    let (least, _) = rest.split_once("\\\"").expect("an amount");
    for threads in [1, 2, 3] {
        let small = train(Some(least), threads);
        assert_eq!(small.report().digest, whole.report().digest, "{least}, {threads} threads");
        let told = small.notices().into_iter().find(|text| text.contains("training step takes"));
        let told = told.expect("what is computed again is told");
        assert!(told.contains(least) && told.ends_with("are computed again for that"), "{told}");
    }
    let enough = train(Some("1 GB"), 1);
    assert_eq!(enough.report().digest, whole.report().digest);
    assert!(enough.notices().iter().any(|text| text.ends_with("of at most 1 GB; nothing is computed again")));
}

/// The head alone needs little; what learns later is too much, and that is said before anything learns.
#[test]
fn later_phases_are_planned_before_the_first() {
    let project = Project::new();
    let data = project.digits();
    project.run(&project.scheme(&format!("name = \"parent\"\n{data}{WIDE}"), &[])).report();
    let child = |limit: &str| {
        let limit = format!("train.memory_limit='{limit}'");
        let overrides = ["model.inherit='parent'", "train.unfreeze={ probe_epochs = 1 }", "seed=7", &limit];
        project.run(&project.scheme(&format!("{data}{WIDE}"), &overrides))
    };
    let refused = child("500 kB");
    assert!(!refused.events.iter().any(|event| matches!(event, Event::TrainingStarted { .. })));
    assert_eq!(refused.diagnostics().0, ["memory-limit"]);
    let ran = child("1 GB");
    let told: Vec<&str> =
        ran.notices().into_iter().filter(|text| text.contains("training step takes")).collect();
    assert_eq!(told.len(), 2, "one for each phase: {told:?}");
}
