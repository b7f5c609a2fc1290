//! Preprocessing as nodes.

use base::{Diagnostic, Diagnostics};
use graph::{Attributes, Graph, GraphError, ValueId};
use scheme::ResolvedScheme;
use tensor::{DType, Tensor};

use crate::prepare::{Form, Prepared};
use crate::preprocessing::{FittedOp, FittedStep};

/// ONNX's number of `float32`.
const FLOAT: i64 = 1;

/// Adds every step behind `input`; returns what the network sees: `float32`, in the input's shape but for `returns`.
pub(super) fn add(
    scheme: &ResolvedScheme,
    prepared: &Prepared,
    graph: &mut Graph,
    input: ValueId,
) -> Result<ValueId, Diagnostics> {
    let mut value = input;
    if graph.ty(input).dtype != DType::F32 {
        let to = Attributes::from([("to".to_owned(), FLOAT.into())]);
        // A cast takes any input.
        value = graph
            .push("preprocess.cast", "Cast", to, &[input])
            .map_err(|error| refused(scheme, None, &error))?;
    }
    for step in &prepared.steps {
        value = add_step(prepared.form, graph, value, step)
            .map_err(|error| refused(scheme, Some(step), &error))?;
    }
    Ok(value)
}

fn refused(scheme: &ResolvedScheme, step: Option<&FittedStep>, error: &GraphError) -> Diagnostics {
    let name = step.map_or("cast", |step| step.name.as_str());
    let diagnostic =
        Diagnostic::new("step-shape", format!("the step `{name}` cannot take its input: {}", error.message));
    match scheme.span_of(&format!("preprocess.{name}")) {
        Some(span) => diagnostic.at(span, "").into(),
        None => diagnostic.into(),
    }
}

fn add_step(form: Form, graph: &mut Graph, x: ValueId, step: &FittedStep) -> Result<ValueId, GraphError> {
    let name = format!("preprocess.{}", step.name);
    match &step.op {
        FittedOp::Returns => add_returns(graph, x, &name),
        FittedOp::Resize { size, pad } => add_resized(graph, x, &name, *size, *pad),
        FittedOp::Affine { subtract, divide } => {
            let mut value = x;
            if subtract.iter().any(|&number| number != 0.0) {
                let constant = graph.constant(&format!("{name}.subtract"), tensor(form, subtract));
                value =
                    graph.push(&format!("{name}.centred"), "Sub", Attributes::new(), &[value, constant])?;
            }
            if divide.iter().any(|&number| number != 1.0) {
                let constant = graph.constant(&format!("{name}.divide"), tensor(form, divide));
                value = graph.push(&name, "Div", Attributes::new(), &[value, constant])?;
            }
            Ok(value)
        }
    }
}

/// One number for all, or one for each channel `[channel, 1, 1]` or feature `[feature]`.
fn tensor(form: Form, constants: &[f64]) -> Tensor {
    let shape = match (constants.len(), form) {
        (1, _) => vec![],
        (count, Form::Image) => vec![count, 1, 1],
        (count, Form::Table | Form::Series) => vec![count],
    };
    Tensor::from_f64(DType::F32, shape, constants)
}

/// `x[t] / x[t - 1] - 1`: [batch, window, features] to [batch, window - 1, features].
fn add_returns(graph: &mut Graph, x: ValueId, name: &str) -> Result<ValueId, GraphError> {
    let after = slice(graph, x, &format!("{name}.after"), 1, 1, i64::MAX)?;
    let before = slice(graph, x, &format!("{name}.before"), 1, 0, -1)?;
    let ratio = graph.push(&format!("{name}.ratio"), "Div", Attributes::new(), &[after, before])?;
    let one = graph.constant(&format!("{name}.one"), Tensor::scalar(1.0f32));
    graph.push(name, "Sub", Attributes::new(), &[ratio, one])
}

/// Bilinear, within a border of zeros: [batch, channels, height, width] to [batch, channels, size].
fn add_resized(
    graph: &mut Graph,
    x: ValueId,
    name: &str,
    size: [usize; 2],
    pad: [usize; 2],
) -> Result<ValueId, GraphError> {
    let list = |graph: &mut Graph, part: &str, values: Vec<usize>| {
        let values: Vec<i64> = values.into_iter().map(|value| value as i64).collect(); // at most 4096 each
        graph.constant(&format!("{name}.{part}"), Tensor::new([values.len()], values))
    };
    let [above, left] = pad;
    let bordered = pad != [0, 0];
    let picture = if bordered { format!("{name}.picture") } else { name.to_owned() };
    // The scheme's own checks leave something of both lengths.
    let sizes = list(graph, "sizes", vec![size[0] - 2 * above, size[1] - 2 * left]);
    let linear = Attributes::from([
        ("axes".to_owned(), [2, 3].into()), // of [batch, channels, height, width]
        ("mode".to_owned(), "linear".into()),
    ]);
    let resized =
        graph.push_node(&picture, "Resize", linear, &[Some(x), None, None, Some(sizes)], &[&picture])?[0];
    if !bordered {
        return Ok(resized);
    }
    let pads = list(graph, "pads", vec![0, 0, above, left, 0, 0, above, left]); // before each axis, then behind
    graph.push(name, "Pad", Attributes::new(), &[resized, pads])
}

/// The elements `start..end` along `axis`.
pub(super) fn slice(
    graph: &mut Graph,
    x: ValueId,
    name: &str,
    axis: i64,
    start: i64,
    end: i64,
) -> Result<ValueId, GraphError> {
    let mut list =
        |part: &str, value: i64| graph.constant(&format!("{name}.{part}"), Tensor::new([1], vec![value]));
    let (starts, ends, axes) = (list("starts", start), list("ends", end), list("axes", axis));
    graph.push(name, "Slice", Attributes::new(), &[x, starts, ends, axes])
}
