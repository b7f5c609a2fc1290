//! Squeeze.

use tensor::{Dim, Shape, Tensor};

use crate::ops::settings;
use crate::*;

/// Removal of axes of length 1.
pub struct Squeeze;

static SCHEMA: Schema = Schema {
    name: "Squeeze",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y` is `x` without the axes of length 1 that `axes` names (all of them if absent).\n\nGradient: `dy` in the shape of `x`.",
    inputs: &[
        Formal::required("x", "any shape and type"),
        Formal::optional("axes", "int64 constant, negative from the end"),
    ],
    outputs: &[Formal::required("y", "fewer axes, same elements")],
    attributes: &[],
};

/// The axes in `named`, or all of length 1, in ascending order.
fn axes(named: Option<Vec<i64>>, shape: &Shape) -> Result<Vec<usize>, OpError> {
    let Some(named) = named else {
        if let Some(dim) = shape.0.iter().find(|dim| dim.known().is_none()) {
            return Err(OpError::new(format!("axes should be given where length {dim} is not known")));
        }
        return Ok((0..shape.rank()).filter(|&axis| shape.0[axis] == Dim::Known(1)).collect());
    };
    let found = settings::axes(&named, shape.rank())?;
    match found.iter().find(|&&axis| shape.0[axis] != Dim::Known(1)) {
        Some(axis) => Err(OpError::new(format!("axis {axis} of {shape} should have length 1"))),
        None => Ok(found),
    }
}

impl Operator for Squeeze {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let shape = &cx.input(0).shape;
        let gone = axes(settings::integers(cx, 1)?, shape)?;
        let kept = (0..shape.rank()).filter(|axis| !gone.contains(axis)).map(|axis| shape.0[axis].clone());
        cx.one(cx.input(0).dtype, Shape(kept.collect()))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = cx.input(0);
        let gone = axes(settings::given(cx, 1), &Shape::known(x.shape()))?;
        let kept: Vec<usize> =
            (0..x.shape().len()).filter(|axis| !gone.contains(axis)).map(|axis| x.shape()[axis]).collect();
        Ok(vec![x.clone().reshaped(kept)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = cx.reshape_like(cx.dy(), cx.input(0))?;
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("leading").smooth(&[1, 3], 0).integers(&[0]),
            Case::new("all").smooth(&[1, 3, 1], 0),
            Case::new("not_one").smooth(&[2, 3], 0).integers(&[0]).refused("length 1"),
        ]
    }
}
