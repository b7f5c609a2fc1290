//! Tanh.

use tensor::Tensor;

use crate::*;

/// Hyperbolic tangent.
pub struct Tanh;

static SCHEMA: Schema = Schema {
    name: "Tanh",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y_i = tanh x_i`.\n\nGradient `dx = dy * (1 - y^2)`.\n\nSource: Goodfellow et al. 2016, section 6.3.2.",
    inputs: &[Formal::required("x", "any shape, float")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Tanh {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.float_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        cx.map(f64::tanh)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let (dy, y) = (cx.dy(), cx.output(0));
        let square = cx.op("Mul", &[y, y]);
        let loss = cx.op("Mul", &[dy, square]);
        let dx = cx.op("Sub", &[dy, loss]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("known").input(&[3], &[0.0, 1.0, -1.0]).gives(&[3], &[0.0, 0.761594156, -0.761594156]),
            Case::new("batch").smooth(&[2, 3], 0),
            Case::new("integers").tensor(Tensor::new([1], vec![1i64])).refused("should be float32"),
        ]
    }
}
