//! ReduceMin.

use tensor::Tensor;

use crate::ops::reduction;
use crate::*;

/// Minimum along axes.
pub struct ReduceMin;

static SCHEMA: Schema = Schema {
    name: "ReduceMin",
    domain: DOMAIN_ONNX,
    since_version: 18,
    doc: "`y` is the smallest element of `x` over `axes`, NaN if any is; of nothing, infinity.\n\nGradient: `dy` shared equally among the elements that are the smallest.",
    inputs: reduction::INPUTS,
    outputs: &[Formal::required("y", "`x` with the reduced axes of length 1, or without them")],
    attributes: reduction::ATTRIBUTES,
};

impl Operator for ReduceMin {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        reduction::infer(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        reduction::reference(cx, |group| {
            -group.iter().fold(f64::NEG_INFINITY, |least, x| reduction::larger(least, -x))
        })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = reduction::extreme_gradient(cx)?;
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let square = |name| Case::new(name).input(&[2, 2], &[1.0, 4.0, -3.0, 2.0]);
        vec![
            square("rows").integers(&[1]).gives(&[2, 1], &[1.0, -3.0]),
            square("all").attribute("keepdims", 0).gives(&[], &[-3.0]),
            Case::new("image").smooth(&[2, 3, 2, 2], 0).integers(&[2, -1]).attribute("keepdims", 0),
            Case::new("batch").smooth(&[3, 2], 0).integers(&[0]),
            Case::new("empty").input(&[1, 0], &[]).integers(&[1]).gives(&[1, 1], &[f64::INFINITY]),
            Case::new("nan").input(&[3], &[f64::NAN, 1.0, 2.0]).gives(&[1], &[f64::NAN]).no_gradient(),
            square("range").integers(&[-3]).refused("out of range"),
        ]
    }
}
