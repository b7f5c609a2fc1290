//! Networks that branch, small ones and a whole ResNet: they learn, are exported, and answer as they were trained.

use graph::{Graph, onnx};
use pipeline::{export_onnx, infer, load_model, read_inputs};
use store::Store;
use tensor::Random;

use crate::support::Project;

/// A block with a shortcut that changes its shape, and one whose shortcut is what it reads.
const RESIDUAL: &str = r#"
[preprocess.scale]
op = "scale"
divide_by = 255
[model.layers.stem]
op = "conv"
filters = 4
kernel = 3
padding = 1
activation = "relu"
[model.layers.block.0.conv]
op = "conv"
filters = 6
kernel = 3
stride = 2
padding = 1
bias = false
[model.layers.block.0.norm]
op = "batch_norm"
tensor_names = "pytorch"
[model.layers.block.0.shortcut]
op = "conv"
input = "stem"
filters = 6
kernel = 1
stride = 2
init = "he_normal_fan_out"
[model.layers.block.0.add]
op = "add"
input = "block.0.norm"
with = "block.0.shortcut"
activation = "relu"
[model.layers.block.1.conv]
op = "conv"
filters = 6
kernel = 3
padding = 1
init = "pytorch_uniform"
[model.layers.block.1.add]
op = "add"
with = "block.0.add"
activation = "relu"
[model.layers.grid]
op = "adaptive_average_pool"
size = [3, 2]
[model.layers.flatten]
op = "flatten"
[model.layers.output]
op = "dense"
units = "classes"
[train]
epochs = 4
batch_size = 16
optimizer = { name = "adam", learning_rate = 0.01 }
"#;

/// The exported file, read anew.
fn exported(project: &Project, model: &str) -> Graph {
    let store = Store::open(&project.store()).unwrap();
    let bytes = export_onnx(&store, &store.model(model).unwrap()).unwrap();
    onnx::read(&bytes, "model.onnx".as_ref()).unwrap().graph
}

/// The sums of two values that both depend on the input.
fn residual_sums(graph: &Graph) -> usize {
    let computed = |id: &Option<graph::ValueId>| id.is_some_and(|id| graph.value(id).constant.is_none());
    let sums = graph.nodes().filter(|(_, node)| node.op_name() == "Add" && node.inputs.iter().all(computed));
    sums.count()
}

/// The registered model, its exported file and the reference give the same probabilities for the examples of `file`.
fn check_answers(project: &Project, model: &str, file: &str) {
    let store = Store::open(&project.store()).unwrap();
    let loaded = load_model(&store, model).unwrap();
    let inputs = read_inputs(&loaded, &[project.path(file)]).unwrap();
    let predictions = infer(&loaded, &inputs, 2).unwrap();
    let answers = graph::evaluate(&exported(project, model), &[inputs[0].1.clone()]).unwrap();
    let expected = answers[0].values::<f32>();
    let found = predictions.iter().flat_map(|prediction| &prediction.probabilities);
    let labels = loaded.labels.len();
    assert_eq!(expected.len(), predictions.len() * labels);
    for (index, (label, probability)) in found.enumerate() {
        // Probabilities are told from the greatest down.
        let class = loaded.labels.iter().position(|name| name == label).unwrap();
        let expect = expected[index / labels * labels + class];
        assert!((expect - probability).abs() < 1e-5, "{label} of {index}: {expect} and {probability}");
    }
}

#[test]
fn a_residual_network_learns_and_is_inherited() {
    let project = Project::new();
    let text = project.digits_of(120, 30) + RESIDUAL;
    let ran = project.run(&project.scheme(&text, &["name=parent"]));
    let epochs = &ran.report().epochs;
    assert!(epochs[3].train_loss < 0.8 * epochs[0].train_loss, "{epochs:?}");
    assert_eq!(residual_sums(&exported(&project, "parent")), 2);
    check_answers(&project, "parent", "test-images");
    let store = Store::open(&project.store()).unwrap();
    let names: Vec<String> =
        store.model("parent").unwrap().manifest.tensors.into_iter().map(|tensor| tensor.name).collect();
    let norm = ["weight", "bias", "running_mean", "running_var"].map(|name| format!("block.0.norm.{name}"));
    assert_eq!(names[3..7], norm, "{names:?}");

    // Half of it stays, what a branch reads included, and one layer learns by a low-rank update.
    let child = [
        "model.inherit='parent'",
        "train.freeze=['stem', 'block.0.*']",
        "train.rates=['output = 2.0']",
        "train.epochs=1",
    ];
    let child = project.run(&project.scheme(&text, &child));
    let (first, begun) = (epochs[0].train_loss, child.report().epochs[0].train_loss);
    assert!(begun < 0.5 * first, "it begins where the parent stopped: {begun} {first}");
    let tensors = |model: &str| store.tensors(&store.model(model).unwrap()).unwrap();
    for ((name, parent), (_, child)) in tensors("parent").iter().zip(&tensors("small")) {
        let stays = name.starts_with("stem") || name.starts_with("block.0");
        assert_eq!(parent == child, stays, "{name}");
    }
    let adapted = [
        "model.inherit='parent'",
        "train.lora={ rank = 2, layers = ['block.1.*'] }",
        "train.epochs=1",
        "name=adapted",
    ];
    project.run(&project.scheme(&text, &adapted)).report();
    check_answers(&project, "adapted", "test-images");
}

#[test]
fn shapes_that_differ_are_both_named() {
    let project = Project::new();
    let text = project.digits_of(30, 6) + RESIDUAL;
    let (codes, text) =
        project.run(&project.scheme(&text, &["model.layers.block.0.shortcut.stride=1"])).diagnostics();
    assert_eq!(codes, ["layer-shape"], "{text}");
    for words in ["`block.0.add`", "[batch, 6, 4, 4]", "[batch, 6, 8, 8]", "`block.0.shortcut`"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
}

/// Every way in which a grid is laid over 8 × 8 pixels, and over one.
#[test]
fn grids_that_an_image_is_laid_on() {
    let project = Project::new();
    let data = project.digits_of(30, 6);
    let head = "[model.layers.flatten]\nop = 'flatten'\n[model.layers.output]\nop = 'dense'\nunits = 'classes'\n[train]\nepochs = 1\nbatch_size = 15\n";
    for (name, before, size) in [
        ("same", "", "8"),
        ("multiple", "", "[4, 2]"),
        ("uneven", "", "[3, 5]"),
        ("larger", "", "[16, 9]"),
        ("single", "[model.layers.mean]\nop = 'global_average_pool'\n", "3"),
    ] {
        let grid = format!("[model.layers.grid]\nop = 'adaptive_average_pool'\nsize = {size}\n");
        let stem = "[model.layers.stem]\nop = 'conv'\nfilters = 2\nkernel = 1\n";
        let scheme = project.scheme(&format!("name = '{name}'\n{data}{stem}{before}{grid}{head}"), &[]);
        project.run(&scheme).report();
        check_answers(&project, name, "test-images");
    }
}

/// A whole ResNet-18 on a few pictures of 3 × 32 × 32, rows of a table.
#[test]
fn resnet18_learns_and_answers() {
    let project = Project::new();
    let random = Random::new(3, "pictures");
    let row = |image: usize| {
        let pixel = |at: usize| {
            let bright = at / 1024 == image % 3; // the class is the brightest channel
            (random.below(image as u64, at as u64, 120) + if bright { 100 } else { 0 }).to_string()
        };
        let pixels: Vec<String> = (0..3072).map(pixel).collect();
        format!("{},{}\n", pixels.join(","), ["red", "green", "blue"][image % 3])
    };
    let table = project.write("pictures.csv", (0..24).map(row).collect::<String>());
    project.write("two.csv", (24..26).map(row).collect::<String>());
    let text = format!(
        "inherits = ['vision/classifier']\n[data]\nsource = '{}'\nheader = false\ntarget = '3073'\n\
         task = 'classification'\nimage = {{ channels = 3, height = 32, width = 32 }}\n\
         split = {{ train = 0.7, validation = 0.0, test = 0.3, by = 'content' }}\n\
         [model]\narchitecture = 'resnet18'\n[train]\nepochs = 1\nbatch_size = 8\n",
        table.display()
    );
    let ran = project.run(&project.scheme(&text, &[]));
    assert_eq!(ran.report().parameters, 11_689_512 - 513 * 1000 + 513 * 3);
    let graph = exported(&project, "small");
    assert_eq!(residual_sums(&graph), 8);
    assert!(graph.find_value("layer2.0.downsample.0.weight").is_some());
    check_answers(&project, "small", "two.csv");
}
