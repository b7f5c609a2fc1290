//! ReduceSum.

use tensor::Tensor;

use crate::ops::reduction;
use crate::*;

/// Sum along axes.
pub struct ReduceSum;

static SCHEMA: Schema = Schema {
    name: "ReduceSum",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y = sum of x` over `axes`; the sum of nothing is 0.\n\nGradient: `dy` broadcast to the shape of `x`.",
    inputs: reduction::INPUTS,
    outputs: &[Formal::required("y", "`x` with the reduced axes of length 1, or without them")],
    attributes: reduction::ATTRIBUTES,
};

impl Operator for ReduceSum {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        reduction::infer(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        reduction::reference(cx, |group| group.iter().sum())
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dy = reduction::unreduced(cx, cx.dy())?;
        let dx = cx.op("ExpandLike", &[dy, cx.input(0)]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let square = || Case::new("rows").input(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        vec![
            square().integers(&[1]).gives(&[2, 1], &[3.0, 7.0]),
            Case { name: "columns", ..square() }
                .integers(&[-2])
                .attribute("keepdims", 0)
                .gives(&[2], &[4.0, 6.0]),
            Case { name: "all", ..square() }.attribute("keepdims", 0).gives(&[], &[10.0]),
            Case { name: "none", ..square() }
                .attribute("noop_with_empty_axes", 1)
                .gives(&[2, 2], &[1.0, 2.0, 3.0, 4.0]),
            Case::new("outer").smooth(&[2, 3, 4], 0).integers(&[0, -1]).attribute("keepdims", 0),
            Case::new("empty").input(&[2, 0], &[]).integers(&[1]).gives(&[2, 1], &[0.0, 0.0]),
            Case::new("twice").smooth(&[2, 3], 0).integers(&[1, -1]).refused("named twice"),
            Case::new("range").smooth(&[2, 3], 0).integers(&[2]).refused("out of range"),
        ]
    }
}
