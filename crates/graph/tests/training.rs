//! A small network as a whole: forward, gradient and optimiser steps are one kind of graph, and training by the
//! reference lowers the loss.

use graph::{Attributes, Graph, ValueId, ValueType, differentiate, evaluate};
use tensor::{DType, Shape, Tensor};

/// Two dense layers with Relu and softmax cross-entropy on a symbolic batch.
struct Network {
    graph: Graph,
    loss: ValueId,
    parameters: Vec<ValueId>,
}

fn network() -> Network {
    let mut graph = Graph::new("network");
    let x = graph.input("x", ValueType::new(DType::F32, Shape::batched(&[2])));
    let labels = graph.input("labels", ValueType::new(DType::I64, Shape::batched(&[])));
    let mut parameter = |name: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        let values: Vec<f64> = (0..count).map(|index| 0.7 * (1.0 + 2.3 * index as f64).sin()).collect();
        graph.constant(name, Tensor::from_f64(DType::F32, shape, &values))
    };
    let parameters = [("w1", &[2, 8][..]), ("b1", &[8]), ("w2", &[8, 2]), ("b2", &[2])];
    let parameters = parameters.map(|(name, shape)| parameter(name, shape));
    let [w1, b1, w2, b2] = parameters;
    let mut push = |name: &str, op: &str, inputs: &[ValueId]| {
        graph.push(name, op, Attributes::new(), inputs).expect("shapes fit")
    };
    let hidden = push("dense1", "Gemm", &[x, w1, b1]); // [batch, 8]
    let active = push("relu1", "Relu", &[hidden]);
    let scores = push("dense2", "Gemm", &[active, w2, b2]); // [batch, 2]
    let loss = push("loss", "SoftmaxCrossEntropyLoss", &[scores, labels]);
    Network { graph, loss, parameters: parameters.to_vec() }
}

/// Exclusive or.
fn examples() -> Vec<Tensor> {
    let x = Tensor::new([4, 2], vec![0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    vec![x, Tensor::new([4], vec![0i64, 1, 1, 0])]
}

#[test]
fn the_gradient_is_the_shortest_one() {
    let Network { mut graph, loss, parameters } = network();
    let forward = graph.nodes().len();
    differentiate(&mut graph, loss, &parameters).unwrap();
    let line = |node: &graph::Node| {
        let settings: Vec<_> =
            node.attributes.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        format!("{} {}", node.op_name(), settings.join(" ")).trim().to_owned()
    };
    let added: Vec<String> = graph.nodes().skip(forward).map(|(_, node)| line(node)).collect();
    // The gradient of the network's input, which nobody asked for, is not among them.
    let expected = [
        "SoftmaxCrossEntropyLossGrad",
        "Gemm transB=Int(1)",
        "Gemm transA=Int(1)",
        "ReduceSum keepdims=Int(1)",
        "Squeeze",
        "ReluGrad",
        "Gemm transA=Int(1)",
        "ReduceSum keepdims=Int(1)",
        "Squeeze",
    ];
    assert_eq!(added, expected);
}

/// Trains for `steps` steps with the update operator `update` that keeps `state` running values per parameter, and
/// returns the losses before and after.
fn train(update: &str, state: usize, learning_rate: f32, steps: i64) -> (f64, f64) {
    let Network { mut graph, loss, parameters } = network();
    let gradients = differentiate(&mut graph, loss, &parameters).unwrap();
    let rate = graph.constant("learning_rate", Tensor::scalar(learning_rate));
    let step = graph.constant("step", Tensor::scalar(1i64));
    let (mut kept, mut updated) = (Vec::new(), Vec::new());
    for (&w, gradient) in parameters.iter().zip(gradients) {
        let ty = graph.ty(w).clone();
        let zeros = Tensor::zeros(ty.dtype, ty.shape.lengths().unwrap());
        let states: Vec<ValueId> = (0..state).map(|_| graph.constant("state", zeros.clone())).collect();
        let mut inputs = vec![w, gradient.expect("the loss depends on it")];
        inputs.extend(states.iter().chain([&rate]));
        if update == "AdamUpdate" {
            inputs.push(step);
        }
        let inputs: Vec<_> = inputs.into_iter().map(Some).collect();
        let names = vec!["new"; 1 + state];
        updated.extend(graph.push_node("update", update, Attributes::new(), &inputs, &names).unwrap());
        kept.push(w);
        kept.extend(states);
    }
    graph.outputs = [loss].into_iter().chain(updated).collect();
    let mut losses = Vec::new();
    for count in 1..=steps {
        graph.set_constant(step, Tensor::scalar(count));
        let mut values = evaluate(&graph, &examples()).unwrap().into_iter();
        losses.push(values.next().expect("the loss comes first").to_f64()[0]);
        kept.iter().zip(values).for_each(|(&id, value)| graph.set_constant(id, value));
    }
    (losses[0], losses[losses.len() - 1])
}

#[test]
fn every_optimiser_learns_exclusive_or() {
    for (update, state, rate) in
        [("GradientDescentUpdate", 0, 0.5), ("MomentumUpdate", 1, 0.05), ("AdamUpdate", 2, 0.05)]
    {
        let (before, after) = train(update, state, rate, 300);
        assert!(before > 0.6 && after < 0.05, "{update}: from {before} to {after}");
    }
}
