//! Numpy broadcasting, shared by the element-wise binary operators.

use std::cmp::Ordering;

use tensor::{Dim, Shape, Tensor};

use crate::{Call, Inference, OpError, ValueType};

/// The type of an element-wise binary operator's output: numbers of one element type, shapes broadcast.
pub(crate) fn infer(cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
    cx.number_input(0)?;
    cx.one(cx.same_dtype(0, 1)?, shape(&cx.input(0).shape, &cx.input(1).shape)?)
}

/// The shape two shapes broadcast to: aligned at the last axis, lengths equal or one of them 1.
pub(crate) fn shape(a: &Shape, b: &Shape) -> Result<Shape, OpError> {
    let rank = a.rank().max(b.rank());
    let one = Dim::Known(1);
    let dim = |shape: &'_ Shape, axis: usize| -> Dim {
        (axis + shape.rank()).checked_sub(rank).map_or(one.clone(), |axis| shape.0[axis].clone())
    };
    let dims = (0..rank).map(|axis| match (dim(a, axis), dim(b, axis)) {
        (x, y) if x == y || y == one => Ok(x),
        (x, y) if x == one => Ok(y),
        (x, y) => Err(OpError::new(format!("shapes {a} and {b} do not broadcast: {x} against {y}"))),
    });
    Ok(Shape(dims.collect::<Result<_, _>>()?))
}

/// The output of an element-wise binary operator: `f` of each pair of broadcast elements, in `f64`.
pub(crate) fn reference(cx: &Call<'_>, f: impl Fn(f64, f64) -> f64) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (cx.input(0), cx.input(1));
    let shape = shape(&Shape::known(a.shape()), &Shape::known(b.shape()))?;
    let lengths = shape.lengths().expect("known shapes broadcast to a known shape");
    let (x, y) = (a.to_f64(), b.to_f64());
    let (at_x, at_y) = (offsets(a.shape(), &lengths), offsets(b.shape(), &lengths));
    let values: Vec<f64> = at_x.into_iter().zip(at_y).map(|(i, j)| f(x[i], y[j])).collect();
    cx.one(&lengths, &values)
}

/// The truth values of an element-wise comparison: whether the elements are ordered as `holds` says. What cannot be
/// ordered (NaN) does not hold.
pub(crate) fn compare(cx: &Call<'_>, holds: impl Fn(Ordering) -> bool) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (cx.input(0), cx.input(1));
    let shape = shape(&Shape::known(a.shape()), &Shape::known(b.shape()))?;
    let lengths = shape.lengths().expect("known shapes broadcast to a known shape");
    let pairs = offsets(a.shape(), &lengths).into_iter().zip(offsets(b.shape(), &lengths));
    let truths = match (a.get::<i64>(), b.get::<i64>()) {
        (Some(x), Some(y)) => pairs.map(|(i, j)| holds(x[i].cmp(&y[j]))).collect(),
        _ => {
            let (x, y) = (a.to_f64(), b.to_f64());
            pairs.map(|(i, j)| x[i].partial_cmp(&y[j]).is_some_and(&holds)).collect::<Vec<bool>>()
        }
    };
    Ok(vec![Tensor::new(lengths, truths)])
}

/// For each element of the broadcast shape `to`, in row-major order, the offset of its element in `from`.
pub(crate) fn offsets(from: &[usize], to: &[usize]) -> Vec<usize> {
    let extra = to.len() - from.len();
    let mut offsets = vec![0];
    let mut stride: usize = from.iter().product();
    for (axis, &length) in to.iter().enumerate() {
        let own = axis.checked_sub(extra).map_or(1, |axis| from[axis]);
        if axis >= extra {
            stride /= own.max(1);
        }
        let step = if own == 1 { 0 } else { stride };
        offsets =
            offsets.iter().flat_map(|&start| (0..length).map(move |index| start + index * step)).collect();
    }
    offsets
}
