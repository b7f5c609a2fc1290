//! Transpose.

use tensor::{Shape, Tensor};

use crate::ops::{movement, settings};
use crate::*;

/// Permutation of the axes.
pub struct Transpose;

static SCHEMA: Schema = Schema {
    name: "Transpose",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "Axis `i` of `y` is axis `perm[i]` of `x`.\n\nGradient: `dy` under the inverse permutation.",
    inputs: &[Formal::required("x", "any shape and type")],
    outputs: &[Formal::required("y", "lengths of `x` in the order of `perm`")],
    attributes: &[AttributeDoc {
        name: "perm",
        default: Default::Absent,
        doc: "a permutation of the axes; reversed order if absent",
    }],
};

/// The permutation of `rank` axes that the attribute says.
fn permutation(perm: Option<Attribute>, rank: usize) -> Result<Vec<usize>, OpError> {
    let named = match perm {
        None => return Ok((0..rank).rev().collect()),
        Some(Attribute::Ints(named)) => named,
        Some(other) => return Err(OpError::new(format!("perm should be integers, found {other:?}"))),
    };
    if settings::axes(&named, rank)?.len() != rank || named.iter().any(|&axis| axis < 0) {
        return Err(OpError::new(format!("perm {named:?} should hold each of {rank} axes once")));
    }
    Ok(named.iter().map(|&axis| axis as usize).collect())
}

impl Operator for Transpose {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let shape = &cx.input(0).shape;
        let perm = permutation(cx.attribute("perm"), shape.rank())?;
        cx.one(cx.input(0).dtype, Shape(perm.iter().map(|&axis| shape.0[axis].clone()).collect()))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = cx.input(0);
        let perm = permutation(cx.attribute("perm"), x.shape().len())?;
        let strides = movement::strides(x.shape());
        let shape: Vec<usize> = perm.iter().map(|&axis| x.shape()[axis]).collect();
        let steps: Vec<isize> = perm.iter().map(|&axis| strides[axis] as isize).collect();
        let from = movement::walk(0, &shape, &steps).into_iter().map(|offset| (0, offset));
        Ok(vec![movement::pick(&[x], &shape, from)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let perm = permutation(cx.attribute("perm"), cx.shape(cx.dy()).rank())?;
        let mut inverse = vec![0i64; perm.len()];
        perm.iter().enumerate().for_each(|(to, &from)| inverse[from] = to as i64);
        let dx = cx.op_with("Transpose", &[cx.dy()], Attributes::from([("perm".to_owned(), inverse.into())]));
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("matrix")
                .input(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
                .gives(&[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
            Case::new("cycle").smooth(&[2, 3, 4], 0).attribute("perm", [1, 2, 0]),
            Case::new("scalar").input(&[], &[1.0]).gives(&[], &[1.0]),
            Case::new("twice").smooth(&[2, 3], 0).attribute("perm", [1, 1]).refused("named twice"),
            Case::new("short").smooth(&[2, 3], 0).attribute("perm", [1]).refused("each of 2 axes"),
        ]
    }
}
