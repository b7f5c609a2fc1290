//! Networks of every layer, what is exported of them, and what becomes of an ONNX file.

use graph::onnx;
use pipeline::{export_onnx, infer, load_model, read_inputs};
use store::Store;

use crate::support::{CONVOLUTIONAL, Project};

const EVERY_LAYER: &str = r#"
[preprocess.first]
op = "normalize"
mean = 10
std = [200]
[preprocess.second]
op = "standardize"
[preprocess.third]
op = "min_max"
[model]
init = "he_normal"
[model.layers.conv1]
op = "conv"
filters = 4
kernel = [3, 2]
padding = "same"
activation = "tanh"
[model.layers.norm1]
op = "batch_norm"
[model.layers.pool1]
op = "average_pool"
size = 2
stride = 1
padding = 1
[model.layers.conv2]
op = "conv"
filters = 6
kernel = 3
stride = 2
padding = 1
dilation = 1
groups = 2
bias = false
[model.layers.relu2]
op = "relu"
[model.layers.pool2]
op = "global_average_pool"
[model.layers.flatten]
op = "flatten"
[model.layers.hidden]
op = "dense"
units = 12
activation = "sigmoid"
[model.layers.norm2]
op = "batch_norm"
[model.layers.drop]
op = "dropout"
rate = 0.2
[model.layers.output]
op = "dense"
units = "classes"
[train]
epochs = 8
batch_size = 10
l2 = 1e-4
optimizer = { name = "momentum", learning_rate = 0.1, nesterov = true }
early_stopping = { patience = 3 }
"#;

/// What is exported, inferred and evaluated by the reference agrees.
fn check_export(project: &Project, model: &str) {
    let store = Store::open(&project.store()).unwrap();
    let loaded = load_model(&store, model).unwrap();
    let inputs = read_inputs(&loaded, &[project.path("test-images")]).unwrap();
    let predictions = infer(&loaded, &inputs, 2).unwrap();
    assert_eq!(predictions.len(), 60);

    let bytes = export_onnx(&store, &store.model(model).unwrap()).unwrap();
    let read = onnx::read(&bytes, "model.onnx".as_ref()).unwrap();
    assert_eq!(read.metadata["labels"], r#"["a","b","c"]"#);
    let [answers] = &graph::evaluate(&read.graph, &[inputs[0].1.clone()]).unwrap()[..] else {
        panic!("one output")
    };
    for (row, prediction) in answers.values::<f32>().chunks(3).zip(&predictions) {
        for (expect, (label, found)) in row.iter().zip(&prediction.probabilities) {
            assert!((expect - found).abs() < 1e-5, "{label}: {expect} and {found}");
        }
        let best = (1..3).fold(0, |best, class| if row[class] > row[best] { class } else { best });
        assert_eq!(prediction.label.as_deref(), Some(["a", "b", "c"][best]));
    }
}

#[test]
fn what_is_exported_answers_as_the_model_does() {
    let project = Project::new();
    project.run(&project.scheme(&(project.digits() + CONVOLUTIONAL), &[])).report();
    check_export(&project, "small");
    let store = Store::open(&project.store()).unwrap();
    let model = store.model("small@1").unwrap();
    let names: Vec<&str> = model.manifest.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["conv1.weight", "conv1.bias", "output.weight", "output.bias"]);
    assert!(model.manifest.graph.bytes < 2000, "{} bytes: the weights are blobs", model.manifest.graph.bytes);
    assert!(!pipeline::export_safetensors(&store, &model).unwrap().is_empty());
}

#[test]
fn every_layer_learns() {
    let project = Project::new();
    let ran = project.run(&project.scheme(&(project.digits() + EVERY_LAYER), &[]));
    let report = ran.report();
    assert!(report.metrics.test.value("accuracy").unwrap() > 0.6, "{:?}", report.metrics.test);
    let first = &report.epochs[0];
    assert!(
        report.epochs.iter().any(|epoch| epoch.train_loss < first.train_loss * 0.9),
        "{:?}",
        report.epochs
    );
    check_export(&project, "small");
}

#[test]
fn an_onnx_file_is_a_start() {
    let project = Project::new();
    let data = project.digits();
    let first = project.run(&project.scheme(&(data.clone() + CONVOLUTIONAL), &[]));
    let store = Store::open(&project.store()).unwrap();
    let file = project.write("start.onnx", export_onnx(&store, &store.model("small").unwrap()).unwrap());
    let text = format!("{data}[model]\ngraph = '{}'\n[train]\nepochs = 1\nbatch_size = 16\n", file.display());
    let ran = project.run(&project.scheme(&text, &[]));
    let (before, after) = (first.report(), ran.report());
    assert_eq!(after.parameters, before.parameters);
    // It goes on where the other left off, with the preprocessing inside the file.
    assert!(after.epochs[0].train_loss < before.epochs[1].train_loss, "{:?}", after.epochs);
    check_export(&project, "small@2");
}

#[test]
fn gradient_descent_takes_all_examples_at_once() {
    let project = Project::new();
    let text = project.digits() + CONVOLUTIONAL;
    let overrides = ["train.optimizer={ name = 'gradient_descent', learning_rate = 0.1 }"];
    let ran = project.run(&project.scheme(&text, &overrides));
    let started = ran.events.iter().find_map(|event| match event {
        pipeline::Event::TrainingStarted { batch_size, batches, .. } => Some((*batch_size, *batches)),
        _ => None,
    });
    assert_eq!(started, Some((ran.report().data.train, 1)));
}

#[test]
fn predictions_are_json_objects() {
    let prediction = pipeline::Prediction {
        file: "x.png".into(),
        index: 0,
        label: Some("b".into()),
        probabilities: vec![("b".into(), 0.75), ("a".into(), 0.25)],
        value: None,
    };
    let text = serde_json::to_string(&prediction).unwrap();
    assert_eq!(text, r#"{"file":"x.png","index":0,"label":"b","probabilities":{"b":0.75,"a":0.25}}"#);
    assert_eq!(serde_json::from_str::<pipeline::Prediction>(&text).unwrap(), prediction);
}
