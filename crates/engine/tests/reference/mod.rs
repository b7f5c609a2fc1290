//! What the engine should compute: graphs evaluated operator by operator, training step after training step.

use std::collections::BTreeMap;

use graph::{Attribute, Graph, GraphError, Node, ValueId};
use tensor::{Random, Tensor};

/// Every value of `graph` in training step `step`, counted from 1.
pub(crate) fn values(
    graph: &Graph,
    inputs: &[Tensor],
    step: u64,
) -> Result<BTreeMap<ValueId, Tensor>, GraphError> {
    let mut values: BTreeMap<ValueId, Tensor> =
        graph.inputs.iter().copied().zip(inputs.iter().cloned()).collect();
    for (id, value) in graph.values() {
        values.extend(value.constant.iter().map(|constant| (id, constant.clone())));
    }
    for (_, node) in graph.nodes() {
        let inputs: Vec<Option<&Tensor>> =
            node.inputs.iter().map(|input| input.map(|id| &values[&id])).collect();
        let outputs = match node.op_name() {
            "Dropout" => dropout(node, &inputs, step)?,
            _ => node.call(inputs)?,
        };
        values.extend(node.outputs.iter().copied().zip(outputs));
    }
    Ok(values)
}

/// `Dropout`, whose elements are drawn anew in every step: the operator's own reference is that of step 1.
fn dropout(node: &Node, inputs: &[Option<&Tensor>], step: u64) -> Result<Vec<Tensor>, GraphError> {
    let training = inputs.get(2).copied().flatten().is_some_and(|mode| mode.to_f64() == [1.0]);
    if !training || step == 1 {
        return node.call(inputs.to_vec());
    }
    let x = inputs[0].expect("required");
    let ratio = inputs[1].map_or(0.5, |ratio| ratio.to_f64()[0]);
    let Some(Attribute::Int(seed)) = node.attribute("seed") else { panic!("the seed is an integer") };
    let random = Random::new(seed as u64, "dropout");
    let kept = |index: usize| f64::from(random.uniform(step - 1, index as u64)) >= ratio;
    let mask: Vec<bool> = (0..x.len()).map(kept).collect();
    let pairs = x.to_f64().into_iter().zip(&mask);
    let y: Vec<f64> = pairs.map(|(x, &kept)| if kept { x / (1.0 - ratio) } else { 0.0 }).collect();
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &y), Tensor::new(x.shape(), mask)])
}

/// Puts what the nodes of `graph` made of its changing constants in their place.
pub(crate) fn advance(graph: &mut Graph, values: &BTreeMap<ValueId, Tensor>) {
    let pairs: Vec<(ValueId, ValueId)> = graph.nodes().flat_map(|(_, node)| replaced(node)).collect();
    for (before, after) in pairs {
        graph.set_constant(before, values[&after].clone());
    }
}

/// The inputs of a node that change from step to step, with the outputs that take their place.
fn replaced(node: &Node) -> Vec<(ValueId, ValueId)> {
    let places: &[(usize, usize)] = match node.op_name() {
        "BatchNormalization" if node.outputs.len() == 3 => &[(3, 1), (4, 2)],
        "GradientDescentUpdate" => &[(0, 0)],
        "MomentumUpdate" => &[(0, 0), (2, 1)],
        "AdamUpdate" => &[(0, 0), (2, 1), (3, 2)],
        _ => &[],
    };
    let pair =
        |&(input, output): &(usize, usize)| (node.inputs[input].expect("required"), node.outputs[output]);
    places.iter().map(pair).collect()
}
