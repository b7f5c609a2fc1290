//! Heads that are found from a few examples, and networks that grow.

use inherit::transfer::Action;
use pipeline::Event;
use store::{Store, StoreAddress};
use tensor::Tensor;

use crate::support::{CONVOLUTIONAL, Project, options};

/// A project with the model `parent`.
fn family() -> (Project, String) {
    let project = Project::new();
    let data = project.digits();
    project.run(&project.scheme(&format!("name = \"parent\"\n{data}{CONVOLUTIONAL}"), &[])).report();
    (project, data)
}

fn tensors(project: &Project, model: &str) -> Vec<(String, Tensor)> {
    let store = Store::open(&project.store()).unwrap();
    store.tensors(&store.model(model).unwrap()).unwrap()
}

const HEADS: [&str; 3] = ["prototype", "cosine", "logistic"];

#[test]
fn heads_are_found_without_an_epoch() {
    let (project, data) = family();
    let before = tensors(&project, "parent");
    for head in HEADS {
        let (name, how) = (format!("name='{head}'"), format!("train.head='{head}'"));
        // The classes are called in another way: nothing of the parent's own head can be taken over.
        let overrides =
            [&*name, &*how, "model.inherit='parent'", "train.epochs=0", "data.class_names=['p', 'q', 'r']"];
        let scheme = project.scheme(&format!("{data}{CONVOLUTIONAL}"), &overrides);
        let ran = project.run(&scheme);
        let report = ran.report();
        let found = report.head.as_ref().expect("the report says how");
        assert_eq!((found.method.as_str(), found.features, found.examples), (head, 36, report.data.train));
        assert!(found.train_accuracy > 0.9, "{head}: {found:?}");
        assert_eq!(found.strength.is_some(), head == "logistic");
        assert!(report.epochs.is_empty() && report.metrics.test.value("accuracy") > Some(0.9));
        // What stands before it is the parent's to the bit; the plan says that the head is found.
        for (name, tensor) in tensors(&project, head) {
            let same = before.iter().any(|(other, own)| *other == name && *own == tensor);
            assert_eq!(same, !name.starts_with("output"), "{name}");
        }
        let planned = ran.events.iter().find_map(|event| match event {
            Event::ModelPlanned(model) => model.transfer.clone(),
            _ => None,
        });
        let planned = planned.unwrap();
        let last = planned.tensors.iter().find(|tensor| tensor.name == "output.weight").unwrap();
        assert!(last.action == Action::Fresh && last.digest.is_empty() && last.reason.contains(head));
        assert!(project.run(&scheme).report().cached);
    }
}

#[test]
fn a_head_is_where_fine_tuning_starts() {
    let (project, data) = family();
    let run = |name: &str, more: &[&str]| {
        let name = format!("name='{name}'");
        let overrides = [
            &[
                &*name,
                "model.inherit='parent'",
                "model.fresh=['output']",
                "train.epochs=1",
                "train.optimizer='sgd'",
            ],
            more,
        ]
        .concat();
        project.run(&project.scheme(&format!("{data}{CONVOLUTIONAL}"), &overrides)).report().clone()
    };
    let (with, without) = (run("with", &["train.head='logistic'"]), run("without", &[]));
    assert!(with.epochs[0].train_loss < without.epochs[0].train_loss);
    assert!(with.head.is_some() && without.head.is_none());
    // Frozen before the head: found from the same features that it then learns from.
    let frozen = run("frozen", &["train.head='prototype'", "train.freeze=['conv1']"]);
    assert_eq!(frozen.epochs.len(), 1);
}

#[test]
fn a_head_does_not_depend_on_threads() {
    let (project, data) = family();
    for (head, seed) in [("logistic", "seed=1"), ("prototype", "seed=1"), ("cosine", "seed=5")] {
        let how = format!("train.head='{head}'");
        let scheme = project.scheme(
            &format!("{data}{CONVOLUTIONAL}"),
            &[&how, seed, "model.inherit='parent'", "train.epochs=2"],
        );
        let digest = |threads| {
            let other = Project::new();
            other.run(&project.scheme(&format!("name = \"parent\"\n{data}{CONVOLUTIONAL}"), &[])).report();
            let options = pipeline::RunOptions { threads, ..options() };
            other
                .run_with(&scheme, &other.store(), options, |_| pipeline::Flow::Continue)
                .report()
                .digest
                .clone()
        };
        assert_eq!(digest(1), digest(3), "{head}");
    }
}

#[test]
fn one_example_a_class_is_enough() {
    let (project, _) = family();
    let others = Project::new();
    let data = others.digits_of(3, 60);
    for head in HEADS {
        let how = format!("train.head='{head}'");
        let few =
            ["data.split.train=1.0", "data.split.validation=0.0", "train.epochs=0", "model.inherit='parent'"];
        let scheme = project.scheme(&format!("{data}{CONVOLUTIONAL}"), &[&few[..], &[&*how]].concat());
        let report = project.run(&scheme).report().clone();
        let accuracy = report.metrics.test.value("accuracy").unwrap();
        assert!(report.head.unwrap().examples == 3 && accuracy > 0.9, "{head}: {accuracy}");
    }
}

#[test]
fn a_network_without_a_place_for_a_head_is_refused() {
    let (project, data) = family();
    let refused = |overrides: &[&str]| {
        let overrides = [&["model.inherit='parent'"], overrides].concat();
        let ran = project.run(&project.scheme(&format!("{data}{CONVOLUTIONAL}"), &overrides));
        let (codes, text) = ran.diagnostics();
        assert_eq!(codes, ["no-head"], "{text}");
        text
    };
    let tanh = "model.layers.output.activation='tanh'";
    assert!(refused(&["train.head='cosine'", tanh]).contains("does not end in one"));
    let bare = "model.layers.output.bias=false";
    assert!(refused(&["train.head='prototype'", bare]).contains("has a bias"));
}

#[test]
fn a_deeper_child_answers_as_its_parent() {
    let (project, data) = family();
    let deeper = [
        "model.inherit='parent'",
        "model.identity=['conv1b']",
        "model.layers.conv1b={ op = 'conv', filters = 4, kernel = 3, padding = 'same', activation = 'relu', after = 'conv1' }",
    ];
    let text = format!("{data}{CONVOLUTIONAL}");
    let child = project.run(&project.scheme(&text, &[&deeper[..], &["train.epochs=0"]].concat()));
    let same = ["name='same'", "model.inherit='parent'", "train.epochs=0"];
    let parent = project.run(&project.scheme(&text, &same));
    let loss = |report: &pipeline::RunReport| report.metrics.test.value("loss").expect("a loss");
    assert!((loss(child.report()) - loss(parent.report())).abs() < 1e-6);
    assert_eq!(tensors(&project, "same"), tensors(&project, "parent"));
    let address = StoreAddress::Folder(project.store());
    let plan = pipeline::plan_transfer(&project.scheme(&text, &deeper), &address, &project.store());
    let deep = plan.unwrap().unwrap().tensors.into_iter().filter(|tensor| tensor.action == Action::Deepened);
    assert_eq!(deep.map(|tensor| tensor.name).collect::<Vec<_>>(), ["conv1b.weight", "conv1b.bias"]);
    // And it learns from there.
    let trained = project.scheme(&text, &[&deeper[..], &["name='trained'", "train.epochs=1"]].concat());
    assert_eq!(project.run(&trained).report().epochs.len(), 1);
}
