//! From what the network gives to what the user asked: probabilities, or a number in its own unit.

use base::{Diagnostic, Diagnostics};
use graph::{Attributes, Graph, GraphError, ValueId};
use tensor::Tensor;

use super::builder::Builder;
use super::preprocess::slice;
use crate::prepare::{Form, NumericTarget};

/// Adds the answer behind the builder's newest value, and makes it the graph's output. The newest value stays.
pub(super) fn add(builder: &mut Builder<'_>, input: ValueId) -> Result<(), Diagnostics> {
    let (prediction, form) = (builder.value, builder.prepared.form);
    let graph = &mut builder.graph;
    let answer = match &builder.prepared.target {
        None => graph.push("probabilities", "Softmax", Attributes::new(), &[prediction]),
        Some(target) => add_value(graph, prediction, input, form, target),
    };
    // What the network gives was checked: [batch, classes] or [batch, 1].
    let answer = answer.map_err(|error| Diagnostic::new("network-output", error.to_string()))?;
    builder.graph.outputs = vec![answer];
    Ok(())
}

/// `learnt = prediction * std + mean`; the value is it, or `last * (1 + learnt)`: [batch, 1].
fn add_value(
    graph: &mut Graph,
    prediction: ValueId,
    input: ValueId,
    form: Form,
    target: &NumericTarget,
) -> Result<ValueId, GraphError> {
    let std = graph.constant("target.std", Tensor::scalar(target.std as f32));
    let mean = graph.constant("target.mean", Tensor::scalar(target.mean as f32));
    let spread = graph.push("target.spread", "Mul", Attributes::new(), &[prediction, std])?;
    let Some(feature) = target.times_last else {
        return graph.push("value", "Add", Attributes::new(), &[spread, mean]);
    };
    let change = graph.push("target.change", "Add", Attributes::new(), &[spread, mean])?;
    let one = graph.constant("target.one", Tensor::scalar(1.0f32));
    let factor = graph.push("target.factor", "Add", Attributes::new(), &[change, one])?;
    let last = add_last(graph, input, form, feature as i64)?;
    graph.push("value", "Mul", Attributes::new(), &[last, factor])
}

/// The feature in the window's last row: [batch, 1].
fn add_last(graph: &mut Graph, input: ValueId, form: Form, feature: i64) -> Result<ValueId, GraphError> {
    if form == Form::Table {
        return slice(graph, input, "target.last", 1, feature, feature + 1);
    }
    let row = slice(graph, input, "target.last_row", 1, -1, i64::MAX)?; // [batch, 1, features]
    let cell = slice(graph, row, "target.last_cell", 2, feature, feature + 1)?; // [batch, 1, 1]
    graph.push("target.last", "Flatten", Attributes::new(), &[cell])
}
