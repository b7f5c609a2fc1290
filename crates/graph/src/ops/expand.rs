//! Expand.

use tensor::{Shape, Tensor};

use crate::ops::{broadcast, movement, settings};
use crate::*;

/// Broadcasting to a shape.
pub struct Expand;

static SCHEMA: Schema = Schema {
    name: "Expand",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y` is `x` repeated along the axes where it has length 1 and `shape` has not; a 1 in `shape` keeps the length of `x`.\n\nGradient: `dy` summed over the copies.",
    inputs: &[
        Formal::required("x", "any shape and type"),
        Formal::required("shape", "int64 constant that broadcasts with the shape of `x`"),
    ],
    outputs: &[Formal::required("y", "the broadcast shape")],
    attributes: &[],
};

/// The shape of `x` broadcast with `lengths`.
fn target(x: &Shape, lengths: &[i64]) -> Result<Shape, OpError> {
    let negative = |_| OpError::new(format!("shape {lengths:?} should not be negative"));
    let lengths: Vec<usize> =
        lengths.iter().map(|&length| usize::try_from(length)).collect::<Result<_, _>>().map_err(negative)?;
    broadcast::shape(x, &Shape::known(&lengths))
}

impl Operator for Expand {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let lengths = settings::integers(cx, 1)?.unwrap_or_default();
        cx.one(cx.input(0).dtype, target(&cx.input(0).shape, &lengths)?)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, lengths) = (cx.input(0), settings::given(cx, 1).unwrap_or_default());
        let shape = target(&Shape::known(x.shape()), &lengths)?.lengths().expect("made of known lengths");
        let from = broadcast::offsets(x.shape(), &shape).into_iter().map(|offset| (0, offset));
        Ok(vec![movement::pick(&[x], &shape, from)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = cx.sum_to(cx.dy(), cx.input(0));
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let column = |name| Case::new(name).input(&[2, 1], &[1.0, 2.0]);
        vec![
            column("columns").integers(&[2, 2]).gives(&[2, 2], &[1.0, 1.0, 2.0, 2.0]),
            column("keeps").integers(&[1]).gives(&[2, 1], &[1.0, 2.0]),
            column("leading").integers(&[3, 1, 2]),
            column("clash").integers(&[3, 1]).refused("do not broadcast"),
            column("negative").integers(&[-1]).refused("negative"),
            column("huge").integers(&[1 << 40, 1, 1 << 40]).refused("elements"),
        ]
    }
}
