//! Whether what a graph answers about an example depends on that example alone, so that a batch may be taken apart.

use std::collections::BTreeSet;

use graph::{Attribute, Graph, Node, ValueId};
use tensor::Dim;

use crate::layout::BATCH;

/// Whether every output has a row per example that follows from the example's row of the inputs. It is said only of operators that
/// are known here; of others it is not known, which counts as no.
pub(crate) fn examples_are_independent(graph: &Graph) -> bool {
    let mut rows: BTreeSet<ValueId> = graph.inputs.iter().copied().collect();
    if !rows.iter().all(|&input| has_rows(graph, input)) {
        return false;
    }
    for (_, node) in graph.nodes() {
        if !node.inputs.iter().flatten().any(|input| rows.contains(input)) {
            continue;
        }
        if !keeps_rows(graph, node, &rows) || !node.outputs.iter().all(|&output| has_rows(graph, output)) {
            return false;
        }
        rows.extend(&node.outputs);
    }
    graph.outputs.iter().all(|output| rows.contains(output))
}

/// Whether the first axis of a value is the batch.
fn has_rows(graph: &Graph, value: ValueId) -> bool {
    matches!(graph.ty(value).shape.0.first(), Some(Dim::Symbol(name)) if name == BATCH)
}

/// Whether each row of a node's outputs follows from the same row of those inputs that are among `rows`.
fn keeps_rows(graph: &Graph, node: &Node, rows: &BTreeSet<ValueId>) -> bool {
    let rank = |value: ValueId| graph.ty(value).shape.rank();
    let is_row =
        |index: usize| node.inputs.get(index).copied().flatten().is_some_and(|value| rows.contains(&value));
    let only_first = || is_row(0) && (1..node.inputs.len()).all(|index| !is_row(index));
    let int = |name: &str| match node.attribute(name) {
        Some(Attribute::Int(value)) => Some(value),
        _ => None,
    };
    // Counted from the front, whether it is not the batch.
    let inner_axis = |rank: usize| int("axis").is_some_and(|axis| axis != 0 && axis != -(rank as i64));
    match node.op_name() {
        "Abs" | "Cast" | "Exp" | "Identity" | "Log" | "Neg" | "Relu" | "Sigmoid" | "Sign" | "Sqrt"
        | "Tanh" => true,
        "Clip" | "Conv" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" => only_first(),
        "MaxPool" => only_first() && node.outputs.len() == 1,
        "BatchNormalization" => only_first() && int("training_mode").is_none_or(|training| training == 0),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Equal" | "Greater" => {
            let whole = rank(node.outputs[0]);
            node.inputs.iter().flatten().all(|&input| {
                let (rank, first) = (rank(input), graph.ty(input).shape.0.first());
                match rows.contains(&input) {
                    true => rank == whole,
                    false => rank < whole || first == Some(&Dim::Known(1)),
                }
            })
        }
        "Gemm" => {
            let bias = node.inputs.get(2).copied().flatten();
            let one = |bias: ValueId| rank(bias) < 2 || graph.ty(bias).shape.0[0] == Dim::Known(1);
            only_first() && int("transA") == Some(0) && bias.is_none_or(one)
        }
        "MatMul" => {
            only_first()
                && rank(node.inputs[0].expect("required")) >= 2
                && node.inputs[1].map(rank) == Some(2)
        }
        "Softmax" | "LogSoftmax" => inner_axis(rank(node.outputs[0])),
        "Concat" => inner_axis(rank(node.outputs[0])) && (0..node.inputs.len()).all(is_row),
        "Transpose" => {
            matches!(node.attribute("perm"), Some(Attribute::Ints(axes)) if axes.first() == Some(&0))
        }
        // Rows of a table, as the rows of the indices say.
        "Gather" => !is_row(0) && int("axis") == Some(0),
        // The numbers stay in their order, and there are as many in each row as before.
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => only_first(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use graph::{Attributes, ValueType};
    use tensor::{DType, Shape, Tensor};

    use super::*;

    /// Whether examples are independent in a graph of one node: of an input with rows of 2 × 2 numbers and constants.
    fn independent(op: &str, attributes: &[(&str, Attribute)], constants: &[Tensor]) -> bool {
        let mut graph = Graph::new("one");
        let x = graph.input("x", ValueType::new(DType::F32, Shape::batched(&[2, 2])));
        let named = constants.iter().enumerate().map(|(index, tensor)| (format!("c{index}"), tensor.clone()));
        let inputs: Vec<ValueId> =
            [x].into_iter().chain(named.map(|(name, tensor)| graph.constant(&name, tensor))).collect();
        let attributes: Attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let y = graph.push("y", op, attributes, &inputs).unwrap();
        graph.outputs.push(y);
        examples_are_independent(&graph)
    }

    #[test]
    fn rows_stay_apart_or_do_not() {
        let ints = |numbers: &[i64]| Attribute::Ints(numbers.to_vec());
        let numbers = |shape: &[usize]| Tensor::zeros(DType::F32, shape.to_vec());
        assert!(independent("Relu", &[], &[]));
        assert!(independent("Add", &[], &[numbers(&[2, 2])]));
        assert!(independent("Add", &[], &[numbers(&[1, 2, 2])]));
        assert!(independent("MatMul", &[], &[numbers(&[2, 3])]));
        assert!(!independent("MatMul", &[], &[numbers(&[1, 2, 3])]), "a product for each row is not known");
        assert!(independent("Flatten", &[], &[]));
        assert!(independent("Transpose", &[("perm", ints(&[0, 2, 1]))], &[]));
        assert!(!independent("Transpose", &[("perm", ints(&[1, 0, 2]))], &[]));
        for (axis, apart) in [(2, true), (-1, true), (-2, true), (0, false), (-3, false)] {
            assert_eq!(independent("Softmax", &[("axis", Attribute::Int(axis))], &[]), apart, "{axis}");
        }
        assert!(!independent("ReduceSum", &[], &[]));
        assert!(!independent("ArgMax", &[("axis", Attribute::Int(0))], &[]));
    }

    #[test]
    fn every_node_on_the_way_counts() {
        let mut graph = Graph::new("two");
        let x = graph.input("x", ValueType::new(DType::F32, Shape::batched(&[2])));
        let row = graph.push("row", "Relu", Attributes::new(), &[x]).unwrap();
        let sum = graph.push("sum", "ReduceSum", Attributes::new(), &[x]).unwrap();
        let shifted = graph.push("shifted", "Add", Attributes::new(), &[row, sum]).unwrap();
        graph.outputs.push(row);
        assert!(!examples_are_independent(&graph), "the sum counts even where nobody reads it");
        graph.outputs.push(shifted);
        assert!(!examples_are_independent(&graph));
    }
}
