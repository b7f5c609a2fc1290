//! Sign.

use tensor::Tensor;

use crate::*;

/// Element-wise sign.
pub struct Sign;

static SCHEMA: Schema = Schema {
    name: "Sign",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y_i` is -1, 0 or 1 as `x_i` is negative, zero or positive.\n\nGradient: none; it is 0 wherever it exists.",
    inputs: &[Formal::required("x", "any shape, number")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Sign {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.number_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        cx.map(|x| {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            }
        })
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("sign").input(&[3], &[-2.0, 0.0, 3.0]).gives(&[3], &[-1.0, 0.0, 1.0]).no_gradient(),
            Case::new("truth").tensor(Tensor::new([1], vec![true])).refused("should be a number"),
        ]
    }
}
