//! Neg.

use tensor::Tensor;

use crate::*;

/// Element-wise negation.
pub struct Neg;

static SCHEMA: Schema = Schema {
    name: "Neg",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y_i = -x_i`.\n\nGradient `dx = -dy`.",
    inputs: &[Formal::required("x", "any shape, number")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Neg {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.number_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        cx.map(|x| -x)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = cx.op("Neg", &[cx.dy()]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("sign").input(&[3], &[-2.0, 0.0, 3.0]).gives(&[3], &[2.0, 0.0, -3.0]),
            Case::new("batch").smooth(&[2, 3], 0),
            Case::new("integers")
                .tensor(Tensor::new([2], vec![1i64, -5]))
                .gives_tensor(Tensor::new([2], vec![-1i64, 5]))
                .no_gradient(),
            Case::new("truth").tensor(Tensor::new([1], vec![true])).refused("should be a number"),
        ]
    }
}
