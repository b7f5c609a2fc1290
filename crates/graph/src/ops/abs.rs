//! Abs.

use tensor::Tensor;

use crate::*;

/// Element-wise absolute value.
pub struct Abs;

static SCHEMA: Schema = Schema {
    name: "Abs",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y_i = |x_i|`.\n\nGradient `dx = dy * sign(x)`, 0 at 0.",
    inputs: &[Formal::required("x", "any shape, number")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Abs {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.number_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        cx.map(f64::abs)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let sign = cx.op("Sign", &[cx.input(0)]);
        let dx = cx.op("Mul", &[cx.dy(), sign]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("sign").input(&[3], &[-2.0, 0.5, 3.0]).gives(&[3], &[2.0, 0.5, 3.0]),
            Case::new("batch").smooth(&[2, 3], 0),
            Case::new("integers")
                .tensor(Tensor::new([2], vec![1i64, -5]))
                .gives_tensor(Tensor::new([2], vec![1i64, 5]))
                .no_gradient(),
            Case::new("truth").tensor(Tensor::new([1], vec![true])).refused("should be a number"),
        ]
    }
}
