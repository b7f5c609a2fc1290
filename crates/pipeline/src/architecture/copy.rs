//! Copying one graph into another.

use std::collections::{BTreeMap, BTreeSet};

use graph::{Graph, GraphError, Value, ValueId};
use tensor::Tensor;

/// What a constant or input of the source becomes.
pub(crate) enum Copied {
    /// This value of the target.
    Given(ValueId),
    /// A constant of this value.
    Constant(Tensor),
    /// An input of the same type.
    Input,
}

/// Copies into `into` what `results` of `from` depend on, and all inputs of `from`. `of` decides about each
/// constant and input. Returns the copies by their originals.
pub(crate) fn copy_into(
    into: &mut Graph,
    from: &Graph,
    results: &[ValueId],
    of: &mut dyn FnMut(ValueId, &Value) -> Copied,
) -> Result<BTreeMap<ValueId, ValueId>, GraphError> {
    let needed = needed(from, results);
    let mut made = BTreeMap::new();
    let constants = from.values().filter(|(id, value)| value.constant.is_some() && needed.contains(id));
    let inputs = from.inputs.iter().map(|&id| (id, from.value(id)));
    for (id, value) in inputs.chain(constants) {
        let copy = match of(id, value) {
            Copied::Given(given) => given,
            Copied::Constant(tensor) => into.constant(&value.name, tensor),
            Copied::Input => into.input(&value.name, value.ty.clone()),
        };
        made.insert(id, copy);
    }
    for (_, node) in from.nodes().filter(|(_, node)| node.outputs.iter().any(|id| needed.contains(id))) {
        // Topological order: what a node reads was copied before it.
        let inputs: Vec<Option<ValueId>> =
            node.inputs.iter().map(|input| input.map(|id| made[&id])).collect();
        let names: Vec<&str> = node.outputs.iter().map(|&id| from.value(id).name.as_str()).collect();
        let outputs = into.push_node(&node.name, node.op_name(), node.attributes.clone(), &inputs, &names)?;
        made.extend(node.outputs.iter().copied().zip(outputs));
    }
    Ok(made)
}

/// The values that `results` depend on, themselves included.
fn needed(graph: &Graph, results: &[ValueId]) -> BTreeSet<ValueId> {
    let mut needed: BTreeSet<ValueId> = results.iter().copied().collect();
    for (_, node) in graph.nodes().rev() {
        if node.outputs.iter().any(|id| needed.contains(id)) {
            needed.extend(node.inputs.iter().flatten());
        }
    }
    needed
}
