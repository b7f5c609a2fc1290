//! The architectures beside torchvision's: tensors by name, shape and order, and how many parameters they have.

use std::path::PathBuf;

use graph::Graph;
use scheme::{Architecture, MemoryFiles, ResolvedScheme};
use tensor::{DType, Tensor};

use super::builder::Builder;
use super::{Plan, input_name, input_type, layers};
use crate::architecture::preprocess;
use crate::events::DataSummary;
use crate::prepare::{Form, Prepared};

/// What torchvision has, with how it was written.
const EXPECTED: &str = include_str!("../../tests/data/torchvision.txt");

fn scheme(text: &str) -> ResolvedScheme {
    let name = PathBuf::from("test.toml");
    let text = format!(
        "inherits = ['vision/classifier']\ndata.source = 'x'\ndata.height = 8\ndata.width = 8\n{text}"
    );
    let files = MemoryFiles([(name.clone(), text.into_bytes())].into());
    scheme::resolve(&name, &[], &files).result.unwrap_or_else(|problems| panic!("{problems}"))
}

/// Images of this size, in so many classes.
fn prepared(size: usize, classes: usize) -> Prepared {
    let summary = DataSummary {
        name: "x".to_owned(),
        digest: String::new(),
        example_shape: vec![3, size, size],
        features: ["red", "green", "blue"].map(str::to_owned).to_vec(),
        classes: (0..classes).map(|class| class.to_string()).collect(),
        target: None,
        train: 10_000,
        validation: 0,
        test: 0,
        unused: 0,
    };
    let (steps, notices) = (Vec::new(), Vec::new());
    Prepared { summary, form: Form::Image, split: String::new(), steps, target: None, notices }
}

/// The network of `text` over images of `size`, all weights 0: what counts is their shape.
fn network(text: &str, size: usize, classes: usize) -> Result<Plan, base::Diagnostics> {
    let (scheme, prepared) = (scheme(text), prepared(size, classes));
    let Architecture::Layers(layers) = &scheme.model.architecture else { panic!("layers") };
    let mut graph = Graph::new("model");
    let input = graph.input(input_name(prepared.form), input_type(&prepared));
    let ready = preprocess::add(&scheme, &prepared, &mut graph, input)?;
    let mut builder = Builder::new(&scheme, &prepared, graph, ready);
    builder.start = |_, _, _, shape, _, _| Tensor::zeros(DType::F32, shape);
    layers::add(&mut builder, layers)?;
    builder.check_result()?;
    Ok(builder.finish())
}

/// Name and lengths of each tensor of the model's own, in order, as torchvision writes a dense layer's weight.
fn tensors(plan: &Plan) -> Vec<String> {
    let tensor = |name: &String| {
        let id = plan.graph.find_value(name).expect("a kept tensor is in the graph");
        let mut shape = plan.graph.ty(id).shape.lengths().expect("constants have fixed lengths");
        if shape.len() == 2 {
            shape.reverse(); // [features, units] here, [units, features] there
        }
        let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
        format!("{name}={}", lengths.join("x"))
    };
    plan.kept.iter().map(tensor).collect()
}

#[test]
fn tensors_are_those_of_torchvision() {
    let models: Vec<&str> = EXPECTED.split("\n= ").skip(1).collect();
    assert_eq!(models.len(), 12);
    for model in models {
        let (head, expect) = model.split_once('\n').expect("tensors");
        let (name, parameters) = head.split_once(' ').expect("a name and a number");
        let text = format!("model.architecture = '{name}'\ntrain.batch_size = 1");
        let plan = network(&text, 224, 1000).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        assert_eq!(plan.summary.parameters.to_string(), parameters, "{name}");
        let expect: Vec<&str> =
            expect.split([' ', '\n']).map(|tensor| tensor.trim_end_matches(';')).collect();
        let expect: Vec<&str> = expect.into_iter().filter(|tensor| !tensor.is_empty()).collect();
        assert_eq!(tensors(&plan), expect, "{name}");
    }
}

#[test]
fn a_perceptron_has_the_layers_that_are_asked_for() {
    for (text, expect) in [
        (
            "model.architecture = 'mlp'",
            "hidden1.weight=512x192 hidden1.bias=512 hidden2.weight=256x512 hidden2.bias=256 output.weight=10x256 output.bias=10",
        ),
        (
            "model.architecture = 'mlp'\nmodel.hidden = [5]",
            "hidden1.weight=5x192 hidden1.bias=5 output.weight=10x5 output.bias=10",
        ),
    ] {
        let plan = network(text, 8, 10).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(tensors(&plan).join(" "), expect);
    }
}

/// What `bench/` measures fits the limit of memory, and the smallest images that an architecture takes are as it says.
#[test]
fn sizes_that_networks_take() {
    for (name, size, batch, fits) in [
        ("resnet50", 64, 32, true),
        ("resnet50", 64, 256, true),
        ("resnet18", 224, 32, true),
        ("vgg11", 32, 256, true),
        ("vgg11", 31, 1, false),
        ("alexnet", 64, 256, true),
        ("alexnet", 63, 1, true),
        ("alexnet", 62, 1, false),
        ("alexnet", 200, 1, true), // a map of 5 × 5 under a grid of 6 × 6
        ("resnet34", 1, 1, true),
    ] {
        let text = format!("model.architecture = '{name}'\ntrain.batch_size = {batch}");
        let found = network(&text, size, 10);
        assert_eq!(
            found.is_ok(),
            fits,
            "{name} {size} {batch}: {:?}",
            found.err().map(|found| found.to_string())
        );
    }
}
