//! Plans for few examples: their answers are those of plans for many, byte for byte, on any number of threads.

use std::sync::Arc;

use engine::{Feed, Level, Options, Predictor, Rows, Targets};
use graph::{Attribute, Attributes, Graph, ValueId, ValueType};
use tensor::{DType, Random, Shape, Tensor};

#[path = "support/networks.rs"]
mod networks;
mod support;

/// Examples that each network is asked about.
const EXAMPLES: usize = 8;

/// The rows a network is asked about, as the numbers its input takes.
fn rows(graph: &Graph) -> (Vec<f32>, usize) {
    let shape = graph.ty(graph.inputs[0]).shape.bind("batch", 1).lengths().expect("only the batch is open");
    let (row_len, random) = (shape.iter().product(), Random::new(2, "rows"));
    let number = |index: usize| 2.0 * random.uniform(0, index as u64) - 1.0;
    ((0..EXAMPLES * row_len).map(number).collect(), row_len)
}

/// The answers of a plan for batches of `batch` to all examples.
fn answers(graph: &Arc<Graph>, options: Options) -> Vec<Tensor> {
    let (rows, row_len) = rows(graph);
    let feed = Feed { rows: Rows::F32(&rows), row_len, targets: Targets::None };
    let order: Vec<u32> = (0..EXAMPLES as u32).collect();
    Predictor::shared(graph.clone(), options).expect("lowers").run(feed, &order).expect("runs")
}

/// Compares plans of few examples with the plan of a whole vector of them.
fn check(name: &str, graph: Graph) {
    let graph = Arc::new(graph);
    for level in Level::available() {
        let expected = answers(&graph, Options { batch: 16, threads: 1, level });
        for (batch, threads) in [(1, 1), (1, 2), (2, 3), (3, 2), (8, 2)] {
            let found = answers(&graph, Options { batch, threads, level });
            let bits = |tensors: &[Tensor]| -> Vec<u32> {
                let numbers = tensors.iter().flat_map(|tensor| tensor.values::<f32>());
                numbers.map(|number| number.to_bits()).collect()
            };
            let (found, expected) = (bits(&found), bits(&expected));
            let differing = found.iter().zip(&expected).filter(|(found, expected)| found != expected).count();
            let count = expected.len();
            assert_eq!(
                (found.len(), differing),
                (count, 0),
                "{name}, {level}, batch {batch}, {threads} threads: numbers that differ, of {count}"
            );
        }
    }
}

/// A network of the field.
fn check_network(name: &str, side: usize) {
    check(name, networks::network(name, side, 10).expect("a known network"));
}

#[test]
fn resnet18_answers_alike_alone_and_together() {
    check_network("resnet18", 40);
}

#[test]
fn resnet50_answers_alike_alone_and_together() {
    check_network("resnet50", 32);
}

#[test]
fn vgg11_answers_alike_alone_and_together() {
    check_network("vgg11", 32);
}

#[test]
fn alexnet_answers_alike_alone_and_together() {
    check_network("alexnet", 64);
}

#[test]
fn the_network_of_the_main_job_answers_alike_alone_and_together() {
    check("mnist", support::mnist_graph());
}

fn weight(graph: &mut Graph, shape: &[usize]) -> ValueId {
    let random = Random::new(3, &format!("{shape:?}"));
    let count = shape.iter().product::<usize>() as u64;
    let numbers = (0..count).map(|index| random.uniform(0, index) - 0.5).collect();
    graph.constant(&format!("weight{}", graph.nodes().len()), Tensor::new(shape, numbers))
}

fn push(graph: &mut Graph, op: &str, attributes: &[(&str, Attribute)], inputs: &[ValueId]) -> ValueId {
    let attributes: Attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    graph.push(&format!("{op}{}", graph.nodes().len()), op, attributes, inputs).expect("well formed")
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// A graph with one convolution after another, of every kind, with operators between them that no kernel for few examples knows.
fn mixed() -> Graph {
    let mut graph = Graph::new("mixed");
    let mut value = graph.input("input", ValueType::new(DType::F32, Shape::batched(&[3, 13, 11])));
    let scale = graph.constant("scale", Tensor::new([3, 1, 1], vec![0.5f32, 2.0, 3.0]));
    value = push(&mut graph, "Mul", &[], &[value, scale]);
    let w = weight(&mut graph, &[20, 3, 4, 3]);
    value =
        push(&mut graph, "Conv", &[("pads", ints(&[2, 1, 1, 2])), ("strides", ints(&[1, 1]))], &[value, w]);
    value = push(&mut graph, "Sigmoid", &[], &[value]);
    let (w, b) = (weight(&mut graph, &[20, 1, 3, 3]), weight(&mut graph, &[20]));
    let each = [("pads", ints(&[1, 1, 1, 1])), ("group", Attribute::Int(20)), ("strides", ints(&[2, 1]))];
    value = push(&mut graph, "Conv", &each, &[value, w, b]);
    value = push(&mut graph, "Relu", &[], &[value]);
    let w = weight(&mut graph, &[40, 5, 1, 1]);
    value = push(&mut graph, "Conv", &[("group", Attribute::Int(4))], &[value, w]);
    let w = weight(&mut graph, &[40, 40, 2, 2]);
    let apart = [("pads", ints(&[1, 0, 0, 1])), ("dilations", ints(&[1, 2]))];
    let branch = push(&mut graph, "Conv", &apart, &[value, w]);
    let w = weight(&mut graph, &[40, 40, 1, 1]);
    let other = push(&mut graph, "Conv", &[], &[value, w]);
    let pool = [("kernel_shape", ints(&[1, 2])), ("strides", ints(&[1, 1]))];
    let other = push(&mut graph, "AveragePool", &pool, &[other]);
    let branch = push(
        &mut graph,
        "MaxPool",
        &[("kernel_shape", ints(&[1, 2])), ("strides", ints(&[1, 1])), ("pads", ints(&[0, 1, 0, 0]))],
        &[branch],
    );
    value = push(&mut graph, "Add", &[], &[branch, other]);
    value = push(&mut graph, "Relu", &[], &[value]);
    graph.outputs = vec![value, other];
    graph
}

#[test]
fn weights_are_transformed_in_parts_of_any_length() {
    let mut graph = Graph::new("parts");
    let mut value = graph.input("input", ValueType::new(DType::F32, Shape::batched(&[20, 9, 7])));
    // As many input channels as are transformed together and some more, not in eights; a block of 16 output channels at the end.
    for (index, shape) in [[300, 20, 3, 3], [84, 300, 3, 3], [300, 84, 3, 3]].iter().enumerate() {
        let random = Random::new(5, &format!("{shape:?}"));
        let count = shape.iter().product::<usize>() as u64;
        let numbers: Vec<f32> = (0..count).map(|index| random.uniform(0, index) - 0.5).collect();
        let weight = graph.constant(&format!("weight{index}"), Tensor::new(*shape, numbers));
        let pads = Attributes::from([("pads".to_owned(), Attribute::Ints(vec![1; 4]))]);
        value = graph.push(&format!("conv{index}"), "Conv", pads, &[value, weight]).expect("well formed");
    }
    graph.outputs = vec![value];
    let options = Options { batch: 1, threads: 1, level: Level::Portable };
    let plan = Predictor::shared(Arc::new(graph.clone()), options).expect("lowers").describe();
    assert!(plan.contains("winograd tiles of 300") && plan.contains("winograd tiles of 20 at"), "{plan}");
    check("parts", graph);
}

#[test]
fn operators_without_a_kernel_for_few_examples_stand_between_those_with_one() {
    check("mixed", mixed());
}

/// A convolution with gates behind: one of itself, one for each channel, and limits.
fn gated() -> Graph {
    let mut graph = Graph::new("gated");
    let input = graph.input("input", ValueType::new(DType::F32, Shape::batched(&[3, 9, 7])));
    let (w, squeeze, excite) = (
        weight(&mut graph, &[20, 3, 2, 2]),
        weight(&mut graph, &[5, 20, 1, 1]),
        weight(&mut graph, &[20, 5, 1, 1]),
    );
    let (channels, batched) = (weight(&mut graph, &[20, 1, 1]), weight(&mut graph, &[1, 20, 1, 1]));
    let [low, high, three] = [-0.4f32, 0.3, 3.0].map(|value| graph.constant("number", Tensor::scalar(value)));
    let mut node = |op: &str, inputs: &[ValueId]| push(&mut graph, op, &[], inputs);
    let maps = node("Conv", &[input, w]);
    let gate = node("Sigmoid", &[maps]);
    let maps = node("Mul", &[maps, gate]);
    let mean = node("GlobalAveragePool", &[maps]);
    let squeezed = node("Conv", &[mean, squeeze]);
    let squeezed = node("Tanh", &[squeezed]);
    let excited = node("Conv", &[squeezed, excite]);
    let gate = node("Sigmoid", &[excited]);
    let maps = node("Mul", &[gate, maps]);
    let limited = node("Clip", &[maps, low, high]);
    let scaled = node("Mul", &[channels, limited]);
    let shifted = node("Sub", &[batched, scaled]);
    let power = node("Pow", &[shifted, three]);
    let large = node("Greater", &[power, high]);
    let chosen = node("Where", &[large, power, maps]);
    let cut = node("Div", &[chosen, channels]);
    let other = node("Conv", &[cut, squeeze]);
    graph.outputs = vec![other, cut];
    graph
}

#[test]
fn gates_and_limits_are_computed_in_maps() {
    let options = Options { batch: 1, threads: 1, level: Level::Portable };
    let plan = Predictor::shared(Arc::new(gated()), options).expect("lowers").describe();
    for step in ["Sigmoid + Mul 48", "Clip + Mul + Sub + Pow 48", "Greater + Where + Div 48"] {
        assert!(plan.contains(step), "no {step} in\n{plan}");
    }
    check("gated", gated());
}
