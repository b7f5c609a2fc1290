//! Relu.

use tensor::Tensor;

use crate::*;

/// Rectified linear unit.
pub struct Relu;

static SCHEMA: Schema = Schema {
    name: "Relu",
    domain: DOMAIN_ONNX,
    since_version: 14,
    doc: "`y_i = max(x_i, 0)`; NaN stays NaN.\n\nGradient `dx = dy` where `y > 0`, else 0.\n\nSource: Nair and Hinton 2010.",
    inputs: &[Formal::required("x", "any shape, float")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Relu {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.float_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        cx.map(|x| if x < 0.0 { 0.0 } else { x })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = cx.op("ReluGrad", &[cx.dy(), cx.output(0)]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("sign").input(&[3], &[-2.0, 0.5, 3.0]).gives(&[3], &[0.0, 0.5, 3.0]),
            Case::new("batch").smooth(&[2, 3, 4, 4], 0),
        ]
    }
}
