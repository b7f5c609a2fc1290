//! Concat.

use tensor::{Dim, Tensor};

use crate::operator::axis_of;
use crate::ops::movement;
use crate::*;

/// Joining values along an axis.
pub struct Concat;

static SCHEMA: Schema = Schema {
    name: "Concat",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y` is the inputs one after the other along `axis`.\n\nGradient: each input's slice of `dy`.",
    inputs: &[Formal::variadic("x", "equal types, and equal shapes but for `axis`, of known length there")],
    outputs: &[Formal::required("y", "lengths along `axis` added")],
    attributes: &[AttributeDoc {
        name: "axis",
        default: Default::Absent,
        doc: "the axis to join along, negative from the end; must be given",
    }],
};

/// The axis the attribute says.
fn axis(attribute: Option<Attribute>, rank: usize) -> Result<usize, OpError> {
    match attribute {
        Some(Attribute::Int(axis)) => axis_of(axis, rank),
        other => Err(OpError::new(format!("attribute axis should be an integer, found {other:?}"))),
    }
}

impl Operator for Concat {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let mut shape = cx.input(0).shape.clone();
        let axis = axis(cx.attribute("axis"), shape.rank())?;
        for index in 1..cx.len() {
            let next = cx.optional(index).ok_or_else(|| OpError::new(format!("input {index} is missing")))?;
            cx.same_dtype(0, index)?;
            let misfit =
                || OpError::new(format!("{} does not continue {shape} along axis {axis}", next.shape));
            let lengths = shape.0[axis].known().zip(next.shape.0.get(axis).and_then(Dim::known));
            let (sofar, more) = lengths.ok_or_else(misfit)?;
            let length = Dim::Known(sofar.checked_add(more).ok_or_else(misfit)?);
            let mut expected = shape.clone();
            expected.0[axis] = Dim::Known(more);
            if next.shape != expected {
                return Err(misfit());
            }
            shape.0[axis] = length;
        }
        cx.one(cx.input(0).dtype, shape)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let inputs: Vec<&Tensor> = (0..cx.len()).map(|index| cx.input(index)).collect();
        let mut shape = inputs[0].shape().to_vec();
        let axis = axis(cx.attribute("axis"), shape.len())?;
        shape[axis] = inputs.iter().map(|input| input.shape()[axis]).sum();
        let outer: usize = shape[..axis].iter().product();
        let run = |input: &Tensor| input.shape()[axis..].iter().product::<usize>();
        let from = (0..outer).flat_map(|row| {
            inputs.iter().enumerate().flat_map(move |(which, input)| {
                (0..run(input)).map(move |index| (which, row * run(input) + index))
            })
        });
        Ok(vec![movement::pick(&inputs, &shape, from)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let axis = axis(cx.attribute("axis"), cx.shape(cx.dy()).rank())?;
        if cx.input_count() == 1 {
            cx.set(0, cx.dy());
            return Ok(());
        }
        let mut start = 0;
        for index in 0..cx.input_count() {
            let length = cx.shape(cx.input(index)).0[axis].known();
            let end = start + length.expect("inference accepts only known lengths") as i64;
            if cx.needs(index) {
                let [from, to, axes] = [start, end, axis as i64].map(|number| cx.integers(&[number]));
                let dx = cx.op("Slice", &[cx.dy(), from, to, axes]);
                cx.set(index, dx);
            }
            start = end;
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let pair = |name| Case::new(name).input(&[1, 2], &[1.0, 2.0]).input(&[1, 2], &[3.0, 4.0]);
        vec![
            pair("rows").attribute("axis", 0).gives(&[2, 2], &[1.0, 2.0, 3.0, 4.0]),
            pair("columns").attribute("axis", -1).gives(&[1, 4], &[1.0, 2.0, 3.0, 4.0]),
            Case::new("middle")
                .smooth(&[2, 3, 2], 0)
                .smooth(&[2, 1, 2], 1)
                .smooth(&[2, 2, 2], 2)
                .attribute("axis", 1),
            Case::new("single").smooth(&[2, 3], 0).attribute("axis", 1),
            Case::new("clash")
                .smooth(&[2, 3], 0)
                .smooth(&[3, 3], 1)
                .attribute("axis", 1)
                .refused("does not continue"),
            Case::new("rank")
                .smooth(&[2, 3], 0)
                .smooth(&[2], 1)
                .attribute("axis", 1)
                .refused("does not continue"),
            pair("no_axis").refused("should be an integer"),
        ]
    }
}
