//! Flatten.

use tensor::{Dim, Shape, Tensor};

use crate::*;

/// Joining axes into a matrix.
pub struct Flatten;

static SCHEMA: Schema = Schema {
    name: "Flatten",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y` has the elements of `x` as a matrix: the axes before `axis` joined into rows, the others into columns.\n\nGradient: `dy` in the shape of `x`.",
    inputs: &[Formal::required("x", "any shape and type")],
    outputs: &[Formal::required("y", "`[product before axis, product from axis on]`")],
    attributes: &[AttributeDoc {
        name: "axis",
        default: Default::Int(1),
        doc: "the first axis of the columns, at most the rank, negative from the end",
    }],
};

/// `axis`, which may be one past the last.
fn split(axis: i64, rank: usize) -> Result<usize, OpError> {
    let index = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(index) {
        Ok(index) if index <= rank => Ok(index),
        _ => Err(OpError::new(format!("axis {axis} is out of range for rank {rank}"))),
    }
}

/// The length of `dims` joined; a symbolic length can stand only alone or beside ones.
fn joined(dims: &[Dim]) -> Result<Dim, OpError> {
    let mut length = Dim::Known(1);
    for dim in dims {
        length = match (length.known(), dim.known()) {
            (Some(1), _) => dim.clone(),
            (_, Some(1)) => length,
            (Some(a), Some(b)) => {
                Dim::Known(a.checked_mul(b).ok_or_else(|| OpError::new("the shape is too large"))?)
            }
            _ => return Err(OpError::new(format!("the length {length} times {dim} is not known"))),
        };
    }
    Ok(length)
}

impl Operator for Flatten {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let dims = &cx.input(0).shape.0;
        let (rows, columns) = dims.split_at(split(cx.int("axis"), dims.len())?);
        cx.one(cx.input(0).dtype, Shape(vec![joined(rows)?, joined(columns)?]))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = cx.input(0).shape();
        let (rows, columns) = shape.split_at(split(cx.int("axis"), shape.len())?);
        Ok(vec![cx.input(0).clone().reshaped([rows.iter().product(), columns.iter().product()])])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = cx.reshape_like(cx.dy(), cx.input(0))?;
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("image").input(&[2, 1, 2], &[1.0, 2.0, 3.0, 4.0]).gives(&[2, 2], &[1.0, 2.0, 3.0, 4.0]),
            Case::new("batch").smooth(&[2, 3, 2, 2], 0),
            Case::new("row").smooth(&[2, 3], 0).attribute("axis", 0),
            Case::new("last").smooth(&[2, 3, 4], 0).attribute("axis", -1),
            Case::new("scalar").input(&[], &[5.0]).attribute("axis", 0).gives(&[1, 1], &[5.0]),
            Case::new("range").smooth(&[2, 3], 0).attribute("axis", 3).refused("out of range"),
        ]
    }
}
