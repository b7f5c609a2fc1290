//! What is wrong with a scheme or its data is a diagnostic, and nothing is written.

use crate::support::{CONVOLUTIONAL, Project};

/// The layers of [`CONVOLUTIONAL`], one setting changed, end with this code and these words.
fn check_layer(change: &str, code: &str, words: &[&str]) {
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + CONVOLUTIONAL), &[change]);
    let (codes, text) = project.run(&scheme).diagnostics();
    assert_eq!(codes, [code], "{change}: {text}");
    for word in words {
        assert!(text.contains(word), "{change}: `{word}` is not in {text}");
    }
    assert!(!project.store().exists(), "{change}");
}

#[test]
fn layers_that_cannot_fit() {
    let check = check_layer;
    check("model.layers.conv1.kernel=9", "layer-shape", &["`conv1`", "at most [8, 8]", "same"]);
    check("model.layers.conv1.groups=2", "layer-shape", &["1 channels", "2 groups"]);
    check("model.layers.pool1.size=7", "layer-shape", &["`pool1`", "at most [6, 6]"]);
    check("model.layers.flatten.remove=true", "layer-shape", &["flatten"]);
    check("model.layers.conv1.after=flatten", "layer-shape", &["images [batch, channels, height, width]"]);
    check("model.layers.output.units=4", "network-output", &["[batch, 4]", "3 classes", "classes"]);
    check("model.layers.output.remove=true", "network-output", &["3 classes"]);
}

#[test]
fn networks_that_would_need_absurd_memory() {
    let layer = "model.layers.output.units=1000000";
    let check = |more: &str| {
        let project = Project::new();
        let text = project.digits() + CONVOLUTIONAL;
        let (codes, text) = project.run(&project.scheme(&text, &[layer, more])).diagnostics();
        assert_eq!(codes, ["model-too-large"], "{text}");
        assert!(text.contains("GiB"), "{text}");
    };
    check("model.layers.conv1={ op = 'conv', filters = 65536, kernel = 3 }");
    check("train.batch_size=65536");
}

#[test]
fn diverging_training_names_the_learning_rate() {
    let project = Project::new();
    let text = project.digits() + CONVOLUTIONAL;
    let overrides = [
        "train.optimizer={ name = 'sgd', learning_rate = 10.0 }",
        "preprocess.scale.divide_by=1e-20",
        "model.layers.conv1.activation=none", // a ReLU would hide it
    ];
    let (codes, text) = project.run(&project.scheme(&text, &overrides)).diagnostics();
    assert_eq!(codes, ["training-diverged"], "{text}");
    assert!(text.contains("learning rate 10") && text.contains("train.optimizer.learning_rate"), "{text}");
}

#[test]
fn data_and_model_files() {
    let project = Project::new();
    let data = project.digits();
    let check = |text: String, code: &str| {
        let (codes, found) = project.run(&project.scheme(&text, &[])).diagnostics();
        assert_eq!(codes, [code], "{found}");
        assert!(!project.store().exists(), "{code}");
    };
    let graph = |name: &str| {
        let path = project.path(name);
        format!("{data}[model]\ngraph = '{}'\n", path.display())
    };
    check(graph("missing.onnx"), "missing-file");
    project.write("garbage.onnx", b"\x08\x07garbage that is no model");
    check(graph("garbage.onnx"), "not-onnx");
    project.write("train-images", b"\x00\x00\x08\x03\x00\x00\x00\xff\x00\x00\x00\x08\x00\x00\x00\x08");
    let (codes, _) = project.run(&project.scheme(&(data.clone() + CONVOLUTIONAL), &[])).diagnostics();
    assert!(!codes.is_empty());
    assert!(!project.store().exists());
}

#[test]
fn changes_since_zero_are_refused() {
    let project = Project::new();
    let rows: String =
        (0..60).map(|row| format!("{row},{}\n", if row == 40 { 0 } else { row + 1 })).collect();
    let file = project.write("series.csv", format!("time,price\n{rows}"));
    let text = format!(
        "inherits = ['tabular/regressor']\n[data]\nsource = '{}'\norder = 'time'\nfeatures = ['price']\ntarget = 'price'\n\
         window = 2\nhorizon = 1\nsplit = {{ by = 'order', train = 0.6, validation = 0.2, test = 0.2 }}\n\
         [preprocess.returns]\nop = 'returns'\nbefore = 'standardize'\n",
        file.display()
    );
    let (codes, found) = project.run(&project.scheme(&text, &[])).diagnostics();
    assert_eq!(codes, ["not-finite"], "{found}");
    assert!(found.contains("`returns`"), "{found}");
}
