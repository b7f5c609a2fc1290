//! Runs that start from a registered parent.

use inherit::transfer::Action;
use pipeline::{Event, plan_transfer};
use store::{By, Relation, Store, StoreAddress};
use tensor::Tensor;

use crate::support::{CONVOLUTIONAL, NOW_UNIX_MS, Project};

/// As [`CONVOLUTIONAL`], with a normalisation behind the convolution.
const NORMALISED: &str = r#"
[preprocess.scale]
op = "scale"
divide_by = 255
[model.layers.conv1]
op = "conv"
filters = 4
kernel = 3
[model.layers.norm1]
op = "batch_norm"
[model.layers.relu1]
op = "relu"
[model.layers.flatten]
op = "flatten"
[model.layers.output]
op = "dense"
units = "classes"
[train]
epochs = 2
batch_size = 16
"#;

/// With dropout behind what will be frozen, and a second convolution.
const DROPPING: &str = r#"
[preprocess.scale]
op = "scale"
divide_by = 255
[model.layers.conv1]
op = "conv"
filters = 4
kernel = 3
activation = "relu"
[model.layers.norm1]
op = "batch_norm"
[model.layers.pool1]
op = "max_pool"
[model.layers.conv2]
op = "conv"
filters = 5
kernel = 2
activation = "relu"
[model.layers.drop]
op = "dropout"
rate = 0.3
[model.layers.flatten]
op = "flatten"
[model.layers.output]
op = "dense"
units = "classes"
[train]
epochs = 3
batch_size = 16
"#;

/// A project with the model `parent`, made of `network`.
fn family(network: &str) -> (Project, String) {
    let project = Project::new();
    let data = project.digits();
    project.run(&project.scheme(&format!("name = \"parent\"\n{data}{network}"), &[])).report();
    (project, data)
}

fn tensors(project: &Project, model: &str) -> Vec<(String, Tensor)> {
    let store = Store::open(&project.store()).unwrap();
    store.tensors(&store.model(model).unwrap()).unwrap()
}

fn by() -> By {
    By { actor: "tester".to_owned(), unix_ms: NOW_UNIX_MS }
}

#[test]
fn a_child_without_layers_takes_the_parents() {
    let (project, data) = family(CONVOLUTIONAL);
    let scheme = project.scheme(
        &format!(
            "{data}[model]\ninherit = \"parent\"\n[preprocess.scale]\nop = \"scale\"\ndivide_by = 255\n"
        ),
        &["train.epochs=1"],
    );
    let ran = project.run(&scheme);
    let planned = ran.events.iter().find_map(|event| match event {
        Event::ModelPlanned(model) => model.transfer.clone(),
        _ => None,
    });
    let planned = planned.expect("the plan is told");
    assert_eq!((planned.parent.as_str(), planned.inherited_share), ("parent@1", 1.0));
    // It begins where the parent stopped.
    let loss = |report: &pipeline::RunReport| report.epochs[0].train_loss;
    let scratch = project
        .run(&project.scheme(&format!("name = \"scratch\"\n{data}{CONVOLUTIONAL}"), &["train.epochs=1"]));
    assert!(loss(ran.report()) < loss(scratch.report()), "{} {}", loss(ran.report()), loss(scratch.report()));

    let store = Store::open(&project.store()).unwrap();
    let child = store.resolve("small").unwrap();
    let edges = store.parents(&child).unwrap();
    assert_eq!(
        (edges[0].relation, edges[0].parent.clone()),
        (Relation::FineTunedFrom, ("parent".to_owned(), 1))
    );
    let kept = store.attachment(&child, "transfer_plan").unwrap().expect("the plan is kept");
    let kept: inherit::transfer::TransferPlan = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept, planned);
    // A grandchild finds the layers two generations up.
    let again = project.scheme(&format!("name = \"grandchild\"\n{data}[model]\ninherit = \"small\"\n[preprocess.scale]\nop = \"scale\"\ndivide_by = 255\n"), &["train.epochs=1"]);
    assert_eq!(project.run(&again).report().model, "grandchild@1");
}

#[test]
fn a_plan_is_made_without_a_trace() {
    let (project, data) = family(CONVOLUTIONAL);
    let address = StoreAddress::Folder(project.store());
    let plan = |overrides: &[&str]| {
        let scheme = project.scheme(&format!("{data}{CONVOLUTIONAL}"), overrides);
        plan_transfer(&scheme, &address, &project.store())
    };
    assert!(plan(&[]).unwrap().is_none());
    let found = plan(&["model.inherit='parent'", "model.fresh=['output']"]).unwrap().unwrap();
    assert_eq!(found.tensors.iter().filter(|tensor| tensor.action == Action::Fresh).count(), 2);
    assert_eq!(Store::open(&project.store()).unwrap().list_models().unwrap().len(), 1);
}

#[test]
fn frozen_tensors_stay_to_the_bit() {
    let (project, data) = family(NORMALISED);
    let before = tensors(&project, "parent");
    let scheme = project.scheme(
        &format!("{data}{NORMALISED}"),
        &["model.inherit='parent'", "train.freeze=['conv1', 'norm1']", "train.epochs=10"],
    );
    project.run(&scheme).report();
    for (name, after) in tensors(&project, "small") {
        let same = before.iter().any(|(other, tensor)| *other == name && *tensor == after);
        assert_eq!(same, !name.starts_with("output"), "{name}");
    }
    // Without freezing, the statistics move with the batches.
    let scheme = project.scheme(&format!("{data}{NORMALISED}"), &["model.inherit='parent'"]);
    project.run(&scheme).report();
    for (name, after) in tensors(&project, "small") {
        assert!(before.iter().all(|(other, tensor)| *other != name || *tensor != after), "{name}");
    }
}

#[test]
fn what_is_inherited_does_not_depend_on_threads_or_interruption() {
    let (project, data) = family(NORMALISED);
    let scheme =
        project.scheme(&format!("{data}{NORMALISED}"), &["model.inherit='parent'", "train.freeze=['conv1']"]);
    let digest = |threads| {
        let other = Project::new();
        let options = pipeline::RunOptions { threads, ..crate::support::options() };
        // The same parent, in another store.
        let parent = project.scheme(&format!("name = \"parent\"\n{data}{NORMALISED}"), &[]);
        other.run(&parent).report();
        other.run_with(&scheme, &other.store(), options, |_| pipeline::Flow::Continue).report().digest.clone()
    };
    assert_eq!(digest(1), digest(3));
}

#[test]
fn a_frozen_part_is_run_once_and_the_weights_are_the_same() {
    let (project, data) = family(DROPPING);
    let digest = |overrides: &[&str], expect_notice: Option<&str>| {
        let other = Project::new();
        other.run(&project.scheme(&format!("name = \"parent\"\n{data}{DROPPING}"), &[])).report();
        let frozen = ["model.inherit='parent'", "train.freeze=['conv1', 'norm1']"];
        let scheme = project.scheme(&format!("{data}{DROPPING}"), &[&frozen, overrides].concat());
        let ran = other.run(&scheme);
        let told = ran.notices().iter().any(|text| text.contains("frozen layers"));
        assert_eq!(told, expect_notice.is_some(), "{:?}", ran.notices());
        let digest = ran.report().digest.clone();
        if let Some(text) = expect_notice {
            // Another head on the same frozen layers finds what they give.
            let scheme = project
                .scheme(&format!("{data}{DROPPING}"), &[&frozen, overrides, &["train.epochs=1"]].concat());
            assert!(other.run(&scheme).notices().iter().any(|told| told.contains(text)));
        }
        digest
    };
    let cached = digest(&[], Some("taken from the store"));
    assert_eq!(cached, digest(&["train.cache_frozen=false"], None));
}

#[test]
fn a_run_stops_before_training_where_inheriting_falls_short() {
    let (project, data) = family(CONVOLUTIONAL);
    let run = |overrides: &[&str]| {
        let scheme = project.scheme(&format!("{data}{CONVOLUTIONAL}"), overrides);
        let ran = project.run(&scheme);
        assert!(!ran.events.iter().any(|event| matches!(event, Event::TrainingStarted { .. })));
        let (codes, text) = ran.diagnostics();
        (codes[0], text)
    };
    let (code, text) = run(&["model.inherit='parent'", "model.fresh=['output']", "model.min_inherited=0.9"]);
    assert_eq!(code, "too-little-inherited");
    assert!(text.contains("output.weight") && text.contains("model.fresh"), "{text}");
    // A layer of another kind of window has no tensor that fits.
    let (code, text) = run(&["model.inherit='parent'", "model.layers.conv1.kernel=2"]);
    assert_eq!(code, "refused-tensor");
    assert!(text.contains("model.fresh"), "{text}");
    assert_eq!(run(&["model.inherit='stranger'"]).0, "unknown-model");
    assert_eq!(run(&["model.inherit='parent'", "train.freeze=['conv9']"]).0, "unknown-tensor");
    assert_eq!(run(&["model.inherit='parent'", "train.freeze=['*']"]).0, "nothing-learns");
    assert_eq!(run(&["model.inherit='parent'", "model.rename=['conv1 = conv7']"]).0, "unknown-tensor");
    assert_eq!(run(&["model.inherit='parent'", "data.class_names=['A', 'b', 'c']"]).0, "classes-alike");
    Store::open(&project.store()).unwrap().recall("parent", "mislabelled", &by()).unwrap();
    let (code, text) = run(&["model.inherit='parent'"]);
    assert_eq!(code, "recalled-parent");
    assert!(text.contains("mislabelled"), "{text}");
}

#[test]
fn a_damaged_parent_is_told() {
    let (project, data) = family(CONVOLUTIONAL);
    let store = Store::open(&project.store()).unwrap();
    let weight = tensors(&project, "parent").into_iter().max_by_key(|(_, tensor)| tensor.len()).unwrap().1;
    drop(store);
    // Small tensors stand in the rows; the graph of this model too. Every copy of the weight is cut.
    let mut damaged = 0;
    let bytes = weight.to_bytes();
    for entry in walk(&project.store()) {
        if std::fs::read(&entry).unwrap() == bytes {
            std::fs::write(&entry, &bytes[1..]).unwrap();
            damaged += 1;
        }
    }
    let scheme = project.scheme(&format!("{data}{CONVOLUTIONAL}"), &["model.inherit='parent'"]);
    let ran = project.run(&scheme);
    match damaged {
        0 => assert!(ran.result.is_ok(), "the weight is small enough for a row"),
        _ => assert!(ran.result.unwrap_err().to_string().contains("damaged"), "it says so"),
    }
}

/// Every file below `folder`.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
