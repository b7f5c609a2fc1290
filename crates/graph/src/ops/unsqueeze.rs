//! Unsqueeze.

use tensor::{Dim, Shape, Tensor};

use crate::ops::settings;
use crate::*;

/// Insertion of axes of length 1.
pub struct Unsqueeze;

static SCHEMA: Schema = Schema {
    name: "Unsqueeze",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y` is `x` with new axes of length 1 where `axes` says, counted in `y`.\n\nGradient: `dy` in the shape of `x`.",
    inputs: &[
        Formal::required("x", "any shape and type"),
        Formal::required("axes", "int64 constant, axes of `y`, negative from the end"),
    ],
    outputs: &[Formal::required("y", "more axes, same elements")],
    attributes: &[],
};

/// `shape` with `one` inserted where `axes` says.
fn inserted<T: Clone>(shape: &[T], axes: &[i64], one: T) -> Result<Vec<T>, OpError> {
    let rank = shape.len() + axes.len();
    let axes = settings::axes(axes, rank)?;
    let mut old = shape.iter().cloned();
    let entry = |axis: usize| if axes.contains(&axis) { Some(one.clone()) } else { old.next() };
    Ok((0..rank).filter_map(entry).collect())
}

impl Operator for Unsqueeze {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let axes = settings::integers(cx, 1)?.unwrap_or_default();
        let dims = inserted(&cx.input(0).shape.0, &axes, Dim::Known(1))?;
        cx.one(cx.input(0).dtype, Shape(dims))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let axes = settings::given(cx, 1).unwrap_or_default();
        let shape = inserted(cx.input(0).shape(), &axes, 1)?;
        Ok(vec![cx.input(0).clone().reshaped(shape)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = cx.op("Squeeze", &[cx.dy(), cx.input(1)]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("both_ends").input(&[2], &[1.0, 2.0]).integers(&[0, -1]).gives(&[1, 2, 1], &[1.0, 2.0]),
            Case::new("middle").smooth(&[2, 3], 0).integers(&[1]),
            Case::new("range").smooth(&[2, 3], 0).integers(&[3]).refused("out of range"),
            Case::new("twice").smooth(&[2, 3], 0).integers(&[1, 1]).refused("named twice"),
        ]
    }
}
