//! Sigmoid.

use tensor::Tensor;

use crate::*;

/// Logistic sigmoid.
pub struct Sigmoid;

static SCHEMA: Schema = Schema {
    name: "Sigmoid",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y_i = 1 / (1 + e^{-x_i})`.\n\nGradient `dx = dy * y * (1 - y)`.\n\nSource: Goodfellow et al. 2016, section 3.10.",
    inputs: &[Formal::required("x", "any shape, float")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Sigmoid {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.float_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        cx.map(|x| 1.0 / (1.0 + (-x).exp()))
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let y = cx.output(0);
        let square = cx.op("Mul", &[y, y]);
        let slope = cx.op("Sub", &[y, square]);
        let dx = cx.op("Mul", &[cx.dy(), slope]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("known").input(&[3], &[0.0, 1.0, -1.0]).gives(&[3], &[0.5, 0.731058579, 0.268941421]),
            Case::new("far").input(&[2], &[1000.0, -1000.0]).gives(&[2], &[1.0, 0.0]),
            Case::new("batch").smooth(&[2, 3], 0),
            Case::new("integers").tensor(Tensor::new([1], vec![1i64])).refused("should be float32"),
        ]
    }
}
