//! The reference: a whole graph computed operator by operator.

use std::collections::BTreeMap;

use tensor::Tensor;

use crate::graph::ValueId;
use crate::operator::Call;
use crate::{Graph, GraphError, Node};

/// The graph's outputs for `inputs`, given in the order of [`Graph::inputs`].
/// Errors if an operator refuses its inputs. Panics if the number of inputs differs.
pub fn evaluate(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, GraphError> {
    let values = evaluate_values(graph, inputs)?;
    Ok(graph.outputs.iter().map(|id| values[id].clone()).collect())
}

/// Every value of the graph for `inputs`; constants included.
pub fn evaluate_values(graph: &Graph, inputs: &[Tensor]) -> Result<BTreeMap<ValueId, Tensor>, GraphError> {
    assert_eq!(inputs.len(), graph.inputs.len(), "one tensor per graph input");
    let mut values: BTreeMap<ValueId, Tensor> =
        graph.inputs.iter().copied().zip(inputs.iter().cloned()).collect();
    for (id, value) in graph.values() {
        if let Some(constant) = &value.constant {
            values.insert(id, constant.clone());
        }
    }
    for (_, node) in graph.nodes() {
        let inputs: Vec<_> = node.inputs.iter().map(|input| input.map(|id| &values[&id])).collect();
        let outputs = node.call(inputs)?;
        for (&id, tensor) in node.outputs.iter().zip(outputs) {
            values.insert(id, tensor);
        }
    }
    Ok(values)
}

impl Node {
    /// The node's outputs by its operator's reference.
    pub fn call(&self, inputs: Vec<Option<&Tensor>>) -> Result<Vec<Tensor>, GraphError> {
        let cx = Call { settings: self.settings(), inputs, output_count: self.outputs.len() };
        self.op.reference(&cx).map_err(|error| GraphError {
            node: self.name.clone(),
            op: self.op_name().to_owned(),
            message: error.0,
        })
    }
}
