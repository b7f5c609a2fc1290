//! How many floating-point operations a node asks for, however it is computed.

use std::collections::BTreeSet;

use graph::{Graph, Node, ValueId};

use crate::layout::BATCH;
use crate::profile::Profile;

/// Gives the steps of `profile` the operations that the convolutions and matrix products of `graph` ask for: two for each
/// product of their formulas, those with padding included, for `batch` examples. So a plan that computes more than it is
/// asked for, or saves some of it, shows by its rate. Steps that compute again what is there keep the number of their own.
///
/// A node of several steps is counted once, at the step that says to compute most or else takes longest; one that has no
/// step of its own was computed with a node before it, and is counted there.
pub(crate) fn attribute(graph: &Graph, batch: usize, profile: &mut Profile) {
    let used: BTreeSet<ValueId> = graph
        .nodes()
        .flat_map(|(_, node)| node.inputs.iter().flatten().copied())
        .chain(graph.outputs.clone())
        .collect();
    let mut counted = vec![0; profile.steps.len()];
    let mut at = None;
    for (_, node) in graph.nodes() {
        at = heaviest(profile, &node.name).or(at);
        let wanted = node.outputs.iter().any(|output| used.contains(output));
        if let (Some(at), true, Some(operations)) = (at, wanted, operations(graph, node, batch)) {
            counted[at] += operations;
        }
    }
    for (step, operations) in profile.steps.iter_mut().zip(counted).filter(|(_, operations)| *operations > 0)
    {
        step.operations = operations;
    }
}

/// The step that computes most of the node called `name`.
fn heaviest(profile: &Profile, name: &str) -> Option<usize> {
    let own = profile.steps.iter().enumerate().filter(|(_, step)| step.node == name && !step.again);
    let heaviest =
        own.max_by(|(_, a), (_, b)| a.operations.cmp(&b.operations).then(a.seconds.total_cmp(&b.seconds)));
    heaviest.map(|(index, _)| index)
}

/// The operations of a convolution, one of its gradients, or a matrix product; `None` of anything else.
fn operations(graph: &Graph, node: &Node, batch: usize) -> Option<u64> {
    let lengths = |id: ValueId| graph.ty(id).shape.bind(BATCH, batch).lengths();
    let input = |index: usize| lengths(node.inputs.get(index).copied().flatten()?);
    let output = lengths(node.outputs[0])?;
    let (sums, products) = match node.op_name() {
        "Conv" => (output, input(1)?.get(1..)?.to_vec()),
        // `dy` has as many sums as `y`.
        "ConvGradInput" => (input(0)?, input(1)?.get(1..)?.to_vec()),
        "ConvGradWeight" => (input(0)?, output.get(1..)?.to_vec()),
        "Gemm" => {
            let inner = if node.attribute("transA") == Some(graph::Attribute::Int(1)) { 0 } else { 1 };
            (output, vec![*input(0)?.get(inner)?])
        }
        "MatMul" => (output, vec![*input(0)?.last()?]),
        _ => return None,
    };
    let product = |lengths: &[usize]| lengths.iter().map(|&length| length as u64).product::<u64>();
    Some(2 * product(&sums) * product(&products))
}

#[cfg(test)]
mod tests {
    use graph::{Attribute, Attributes, ValueType};
    use tensor::{DType, Shape, Tensor};

    use super::*;

    #[test]
    fn convolutions_and_products_are_counted_by_their_formulas() {
        let mut graph = Graph::new("counted");
        let x = graph.input("x", ValueType::new(DType::F32, Shape::batched(&[3, 8, 8])));
        let w = graph.constant("w", Tensor::zeros(DType::F32, [5, 3, 3, 3]));
        let conv = graph.push("conv", "Conv", Attributes::new(), &[x, w]).unwrap(); // [batch, 5, 6, 6]
        let flat = graph.push("flat", "Flatten", Attributes::new(), &[conv]).unwrap(); // [batch, 180]
        let m = graph.constant("m", Tensor::zeros(DType::F32, [7, 180]));
        let transposed = Attributes::from([("transB".to_owned(), Attribute::Int(1))]);
        graph.push("dense", "Gemm", transposed, &[flat, m]).unwrap(); // [batch, 7]
        let counted = |name: &str| {
            let (_, node) = graph.nodes().find(|(_, node)| node.name == name).unwrap();
            operations(&graph, node, 2)
        };
        assert_eq!(counted("conv"), Some(2 * (2 * 5 * 6 * 6) * (3 * 3 * 3)));
        assert_eq!(counted("dense"), Some(2 * (2 * 7) * 180));
        assert_eq!(counted("flat"), None);
    }
}
