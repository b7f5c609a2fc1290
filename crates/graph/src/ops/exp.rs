//! Exp.

use std::f64::consts::E;

use tensor::Tensor;

use crate::*;

/// Element-wise exponential.
pub struct Exp;

static SCHEMA: Schema = Schema {
    name: "Exp",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y_i = e^{x_i}`.\n\nGradient `dx = dy * y`.",
    inputs: &[Formal::required("x", "any shape, float")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Exp {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.float_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        cx.map(f64::exp)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = cx.op("Mul", &[cx.dy(), cx.output(0)]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("known").input(&[3], &[0.0, 1.0, -1.0]).gives(&[3], &[1.0, E, 0.367879441]),
            Case::new("batch").smooth(&[2, 3], 0),
            Case::new("integers").tensor(Tensor::new([1], vec![1i64])).refused("should be float32"),
        ]
    }
}
