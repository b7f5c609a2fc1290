//! What a graph says of its values and nodes before they are lowered.

use std::borrow::Cow;
use std::collections::BTreeMap;

use graph::{Graph, Node, NodeId, ValueId};
use tensor::Tensor;

use crate::training_graph::state_pairs;

/// Nodes that something asked for depends on. Optimiser steps are asked for by being there.
pub(crate) fn live_nodes(graph: &Graph, keep: &[ValueId]) -> Vec<bool> {
    let mut wanted = vec![false; graph.values().count()];
    keep.iter().for_each(|id| wanted[id.0 as usize] = true);
    let mut live = vec![false; graph.nodes().len()];
    for (id, node) in graph.nodes().rev() {
        if is_update(node) || node.outputs.iter().any(|id| wanted[id.0 as usize]) {
            live[id.0 as usize] = true;
            node.inputs.iter().flatten().for_each(|id| wanted[id.0 as usize] = true);
        }
    }
    live
}

/// For each value: whether it depends on the gradient of a loss.
pub(crate) fn gradient_values(graph: &Graph) -> Vec<bool> {
    let mut gradients = vec![false; graph.values().count()];
    for (_, node) in graph.nodes() {
        let first = matches!(
            node.op_name(),
            "SoftmaxCrossEntropyLossGrad" | "MeanSquaredErrorGrad" | "DistillationLossGrad"
        );
        if first || node.inputs.iter().flatten().any(|id| gradients[id.0 as usize]) {
            node.outputs.iter().for_each(|id| gradients[id.0 as usize] = true);
        }
    }
    gradients
}

/// Whether a node is an optimiser step.
pub(crate) fn is_update(node: &Node) -> bool {
    node.op_name().ends_with("Update")
}

/// The values that nodes replace from step to step.
pub(crate) fn changed_values(graph: &Graph) -> Vec<ValueId> {
    graph.nodes().flat_map(|(_, node)| state_pairs(node)).map(|(before, _)| before).collect()
}

/// Constants, and what is computed from constants alone, except where an optimiser changes them.
pub(crate) fn fold_constants<'g>(graph: &'g Graph, live: &[bool]) -> BTreeMap<ValueId, Cow<'g, Tensor>> {
    let given = graph.values().filter_map(|(id, value)| Some((id, Cow::Borrowed(value.constant.as_ref()?))));
    let mut constants: BTreeMap<ValueId, Cow<'g, Tensor>> = given.collect();
    let changed = changed_values(graph);
    for (id, node) in graph.nodes() {
        let fixed = |value: &ValueId| constants.contains_key(value) && !changed.contains(value);
        if !live[id.0 as usize] || is_update(node) || !node.inputs.iter().flatten().all(fixed) {
            continue;
        }
        let inputs = node.inputs.iter().map(|input| input.map(|id| &*constants[&id])).collect();
        // What the reference refuses is left to the run, which reports it.
        if let Ok(outputs) = node.call(inputs) {
            constants.extend(node.outputs.iter().copied().zip(outputs.into_iter().map(Cow::Owned)));
        }
    }
    constants
}

/// For each value: whether it is a weight that lies better with its columns as rows: because dense layers read it with
/// `transB`, or because it is a convolution's, whose kernels want the output channels of one tap side by side. Its
/// gradient and moments lie alike.
pub(crate) fn transposed_weights(graph: &Graph, users: &[Vec<NodeId>]) -> Vec<bool> {
    let mut transposed = vec![false; users.len()];
    for (_, node) in graph.nodes().filter(|(_, node)| is_update(node)) {
        let Some(weight) = node.inputs[0] else { continue };
        let forward = users[weight.0 as usize].iter().map(|&user| graph.node(user)).find(|user| {
            user.op_name() == "Gemm" && user.inputs[1] == Some(weight) && user.inputs.len() == 3
        });
        if forward.is_some_and(|node| node.attribute("transB") == Some(graph::Attribute::Int(1))) {
            let alike = node.inputs.iter().flatten().chain(&node.outputs);
            alike
                .filter(|id| graph.ty(**id).shape.rank() == 2)
                .for_each(|id| transposed[id.0 as usize] = true);
        }
    }
    for (_, node) in graph.nodes() {
        let filters = match node.op_name() {
            "Conv" | "ConvGradInput" => node.inputs[1],
            "ConvGradWeight" => Some(node.outputs[0]),
            _ => None,
        };
        filters.into_iter().for_each(|id| transposed[id.0 as usize] = true);
    }
    for (_, node) in graph.nodes().filter(|(_, node)| is_update(node)) {
        let Some(weight) = node.inputs[0].filter(|id| transposed[id.0 as usize]) else { continue };
        let shape = &graph.ty(weight).shape;
        let all = node.inputs.iter().flatten().chain(&node.outputs);
        all.filter(|id| graph.ty(**id).shape == *shape).for_each(|id| transposed[id.0 as usize] = true);
    }
    for (_, node) in graph.nodes().filter(|(_, node)| node.op_name() == "Gemm") {
        let Some(weight) = node.inputs[1] else { continue };
        let only_products = users[weight.0 as usize].iter().all(|&user| graph.node(user).op_name() == "Gemm");
        let constant = graph.value(weight).constant.is_some();
        if constant && only_products && node.attribute("transB") == Some(graph::Attribute::Int(1)) {
            transposed[weight.0 as usize] = true;
        }
    }
    transposed
}
