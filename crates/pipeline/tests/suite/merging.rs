//! Runs that start from several parents.

use pipeline::RunReport;
use store::{By, Relation, Store};

use crate::support::{CONVOLUTIONAL, NOW_UNIX_MS, Project};

/// A convolution with a normalisation behind it, and one dense layer.
const NORMALISED: &str = r#"
[preprocess.scale]
op = "scale"
divide_by = 255
[model.layers.conv1]
op = "conv"
filters = 3
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
epochs = 1
batch_size = 32
"#;

/// A scheme without layers: they are the parents'.
const CHILD: &str = "[preprocess.scale]\nop = \"scale\"\ndivide_by = 255\n[train]\nepochs = 0\n";

/// A project with the models `base`, `a` and `b`, both trained on from it.
fn family(network: &str) -> (Project, String) {
    let project = Project::new();
    let data = project.digits();
    project.run(&project.scheme(&format!("name = \"base\"\n{data}{network}"), &[])).report();
    for (name, seed) in [("a", "seed=2"), ("b", "seed=3")] {
        let text = format!("name = \"{name}\"\n{data}{network}");
        project.run(&project.scheme(&text, &["model.inherit='base'", seed])).report();
    }
    (project, data)
}

fn values(project: &Project, model: &str) -> Vec<(String, Vec<f64>)> {
    let store = Store::open(&project.store()).unwrap();
    let tensors = store.tensors(&store.model(model).unwrap()).unwrap();
    tensors.into_iter().map(|(name, tensor)| (name, tensor.to_f64())).collect()
}

fn merge(project: &Project, data: &str, overrides: &[&str]) -> RunReport {
    project.run(&project.scheme(&format!("{data}{CHILD}"), overrides)).report().clone()
}

#[test]
fn a_soup_is_delivered_without_training() {
    let (project, data) = family(NORMALISED);
    let scheme = project.scheme(&format!("{data}{CHILD}"), &["model.merge.parents=['a', 'b@1']"]);
    let ran = project.run(&scheme);
    let report = ran.report();
    assert_eq!((report.epochs.len(), report.best_epoch), (0, 0));
    let (a, b) = (values(&project, "a"), values(&project, "b"));
    for (((name, found), (_, a)), (_, b)) in values(&project, "small").iter().zip(&a).zip(&b) {
        for ((found, a), b) in found.iter().zip(a).zip(b) {
            assert!((found - (a + b) / 2.0).abs() <= 1e-7 * found.abs().max(1.0), "{name}");
        }
    }
    let planned = ran.events.iter().find_map(|event| match event {
        pipeline::Event::ModelPlanned(model) => model.transfer.clone(),
        _ => None,
    });
    let planned = planned.unwrap();
    assert_eq!(planned.parent, "merge of a@1, b@1");
    assert!(planned.differences.iter().any(|text| text.contains("running statistics of norm1")));
    let store = Store::open(&project.store()).unwrap();
    let edges = store.parents(&store.resolve("small").unwrap()).unwrap();
    let edges: Vec<_> = edges.into_iter().map(|edge| (edge.relation, edge.parent.0)).collect();
    assert_eq!(edges, ["a", "b"].map(|name| (Relation::MergedFrom, name.to_owned())));
    // The order of its parents does not matter, and neither does where it was merged; it is cached like any run.
    let turned = ["name=\"turned\"", "model.merge.parents=['b', 'a']"];
    assert_eq!(tensor_values(&merge(&project, &data, &turned), &project), values(&project, "small"));
    assert!(project.run(&scheme).report().cached);
    // A grandchild finds the layers behind the merge.
    let text = format!("name = \"grandchild\"\n{data}{CHILD}");
    let grandchild = project.scheme(&text, &["model.inherit='small'", "train.epochs=1"]);
    assert_eq!(project.run(&grandchild).report().model, "grandchild@1");
}

fn tensor_values(report: &RunReport, project: &Project) -> Vec<(String, Vec<f64>)> {
    values(project, &report.model)
}

#[test]
fn a_base_gives_what_its_children_learnt_beyond_it() {
    let (project, data) = family(CONVOLUTIONAL);
    let parents = "model.merge.parents=['a', 'b']";
    let base = "model.merge.base='base'";
    // Nothing of what they learnt: the base.
    let none = ["model.merge.method='task_arithmetic'", parents, base, "model.merge.scale=0"];
    let report = merge(&project, &data, &none);
    assert_eq!(values(&project, &report.model), values(&project, "base"));
    // All of what one learnt: that one.
    let one = [
        "name='one'",
        "model.merge.method='ties'",
        "model.merge.parents=['a']",
        base,
        "model.merge.density=1.0",
    ];
    let report = merge(&project, &data, &one);
    for ((name, found), (_, a)) in values(&project, &report.model).iter().zip(&values(&project, "a")) {
        assert!(found.iter().zip(a).all(|(found, a)| (found - a).abs() < 1e-6), "{name}");
    }
    let both = ["name='both'", "model.merge.method='ties'", parents, base];
    let report = merge(&project, &data, &both);
    let store = Store::open(&project.store()).unwrap();
    let edges = store.parents(&store.resolve(&report.model).unwrap()).unwrap();
    assert_eq!(edges.iter().filter(|edge| edge.relation == Relation::MergedFrom).count(), 3);
    // A merge is where training starts.
    let trained = ["name='trained'", parents, "train.epochs=2"];
    assert_eq!(merge(&project, &data, &trained).epochs.len(), 2);
}

#[test]
fn what_cannot_be_merged_is_refused_before_training() {
    let (project, data) = family(CONVOLUTIONAL);
    let other = format!("name = \"other\"\n{data}{CONVOLUTIONAL}");
    project.run(&project.scheme(&other, &["model.layers.conv1.filters=5", "train.epochs=1"])).report();
    project
        .run(&project.scheme(&other, &["name='named'", "data.class_names=['a', 'x', 'c']", "train.epochs=1"]))
        .report();
    project
        .run(&project.scheme(&other, &["name='scaled'", "preprocess.scale.divide_by=100", "train.epochs=1"]))
        .report();
    let refused = |parents: &str| {
        let scheme = project.scheme(&format!("{data}{CHILD}"), &[&format!("model.merge.parents={parents}")]);
        let (codes, text) = project.run(&scheme).diagnostics();
        (codes[0], text)
    };
    for (parents, code, words) in [
        ("['a', 'other']", "models-do-not-align", "`conv1.weight` is float32[4, 1, 3, 3] in a@1"),
        ("['a', 'named']", "models-do-not-align", "class 2 is `b` in a@1 and `x` in named@1"),
        ("['a', 'scaled']", "models-do-not-align", "in a@1 and 100 in scaled@1"),
        ("['a', 'a@1']", "repeated-parent", "named already"),
        ("['a', 'stranger']", "unknown-model", "stranger"),
    ] {
        let (found, text) = refused(parents);
        assert!(found == code && text.contains(words), "{found}: {text}");
    }
    let by = By { actor: "tester".to_owned(), unix_ms: NOW_UNIX_MS };
    Store::open(&project.store()).unwrap().recall("b", "mislabelled", &by).unwrap();
    assert_eq!(refused("['a', 'b']").0, "recalled-parent");
}
