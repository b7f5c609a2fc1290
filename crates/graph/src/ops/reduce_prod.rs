//! ReduceProd.

use tensor::Tensor;

use crate::ops::reduction;
use crate::*;

/// Product along axes.
pub struct ReduceProd;

static SCHEMA: Schema = Schema {
    name: "ReduceProd",
    domain: DOMAIN_ONNX,
    since_version: 18,
    doc: "`y = product of x` over `axes`; the product of nothing is 1.\n\nGradient: none.",
    inputs: reduction::INPUTS,
    outputs: &[Formal::required("y", "`x` with the reduced axes of length 1, or without them")],
    attributes: reduction::ATTRIBUTES,
};

impl Operator for ReduceProd {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        reduction::infer(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        reduction::reference(cx, |group| group.iter().product())
    }

    fn cases(&self) -> Vec<Case> {
        let square = |name| Case::new(name).input(&[2, 2], &[1.0, 4.0, -3.0, 2.0]);
        vec![
            square("rows").integers(&[1]).gives(&[2, 1], &[4.0, -6.0]).no_gradient(),
            square("all").attribute("keepdims", 0).gives(&[], &[-24.0]).no_gradient(),
            Case::new("empty").input(&[1, 0], &[]).integers(&[1]).gives(&[1, 1], &[1.0]).no_gradient(),
            square("range").integers(&[-3]).refused("out of range"),
        ]
    }
}
