//! Reductions along axes, shared by the Reduce operators.

use tensor::{Dim, Shape, Tensor};

use crate::ops::{broadcast, settings};
use crate::*;

/// The formal inputs of every reduction.
pub(crate) static INPUTS: &[Formal] = &[
    Formal::required("x", "any shape, number"),
    Formal::optional("axes", "int64 constant, negative from the end; all axes if absent or empty"),
];

/// The attributes of every reduction.
pub(crate) static ATTRIBUTES: &[AttributeDoc] = &[
    AttributeDoc {
        name: "keepdims",
        default: Default::Int(1),
        doc: "1 keeps the reduced axes with length 1",
    },
    AttributeDoc {
        name: "noop_with_empty_axes",
        default: Default::Int(0),
        doc: "1 reduces nothing if `axes` is absent or empty",
    },
];

/// The axes to reduce, in ascending order.
fn axes(input: Option<Vec<i64>>, noop: i64, rank: usize) -> Result<Vec<usize>, OpError> {
    let named = input.unwrap_or_default();
    match (named.is_empty(), noop) {
        (true, 0) => Ok((0..rank).collect()),
        (true, _) => Ok(Vec::new()),
        (false, _) => settings::axes(&named, rank),
    }
}

/// `shape` with the reduced axes of length 1, and without them unless they are kept.
fn reduced<T: Clone>(shape: &[T], axes: &[usize], one: T, keep: bool) -> Vec<T> {
    let entry = |axis: usize| match (axes.contains(&axis), keep) {
        (true, true) => Some(one.clone()),
        (true, false) => None,
        (false, _) => Some(shape[axis].clone()),
    };
    (0..shape.len()).filter_map(entry).collect()
}

/// The type of a reduction's output.
pub(crate) fn infer(cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
    let dtype = cx.number_input(0)?;
    let shape = &cx.input(0).shape;
    let noop = cx.int("noop_with_empty_axes");
    let axes = axes(settings::integers(cx, 1)?, noop, shape.rank())?;
    let dims = reduced(&shape.0, &axes, Dim::Known(1), cx.int("keepdims") != 0);
    cx.one(dtype, Shape(dims))
}

/// The output of a reduction: `f` of the elements that fall together, in row-major order.
pub(crate) fn reference(cx: &Call<'_>, f: impl Fn(&[f64]) -> f64) -> Result<Vec<Tensor>, OpError> {
    let shape = cx.input(0).shape();
    let noop = cx.int("noop_with_empty_axes");
    let axes = axes(settings::given(cx, 1), noop, shape.len())?;
    let kept = reduced(shape, &axes, 1, true);
    let mut groups = vec![Vec::new(); kept.iter().product()];
    for (at, value) in broadcast::offsets(&kept, shape).into_iter().zip(cx.f64(0)) {
        groups[at].push(value);
    }
    let values: Vec<f64> = groups.iter().map(|group| f(group)).collect();
    cx.one(&reduced(shape, &axes, 1, cx.int("keepdims") != 0), &values)
}

/// `value`, of the type of the reduction's output, with the reduced axes put back with length 1, so that it
/// broadcasts with the input.
pub(crate) fn unreduced(cx: &mut Gradient<'_>, value: ValueId) -> Result<ValueId, OpError> {
    let rank = cx.shape(cx.input(0)).rank();
    if cx.int("keepdims") != 0 {
        return Ok(value);
    }
    let named = cx.optional_input(1).and_then(|id| cx.constant_of(id)).map(settings::list);
    let axes = axes(named, cx.int("noop_with_empty_axes"), rank)?;
    let axes: Vec<i64> = axes.into_iter().map(|axis| axis as i64).collect();
    let axes = cx.integers(&axes);
    Ok(cx.op("Unsqueeze", &[value, axes]))
}

/// The larger of two numbers, NaN if either is.
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The gradient of a maximum or minimum: `dy` shared equally among the elements equal to the output.
pub(crate) fn extreme_gradient(cx: &mut Gradient<'_>) -> Result<ValueId, OpError> {
    let dy = unreduced(cx, cx.dy())?;
    let y = unreduced(cx, cx.output(0))?;
    let attained = cx.op("Equal", &[cx.input(0), y]);
    let code = crate::ops::cast::onnx_code(cx.dtype(dy));
    let mask = cx.op_with("Cast", &[attained], Attributes::from([("to".to_owned(), code.into())]));
    let count = cx.sum_to(mask, dy);
    let share = cx.op("Div", &[dy, count]);
    Ok(cx.op("Mul", &[mask, share]))
}
