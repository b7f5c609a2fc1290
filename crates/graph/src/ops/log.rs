//! Log.

use std::f64::consts::{E, LN_2};

use tensor::Tensor;

use crate::*;

/// Element-wise natural logarithm.
pub struct Log;

static SCHEMA: Schema = Schema {
    name: "Log",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y_i = ln x_i`; NaN below 0, negative infinity at 0.\n\nGradient `dx = dy / x`.",
    inputs: &[Formal::required("x", "any shape, float, positive")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Log {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.float_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        cx.map(f64::ln)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = cx.op("Div", &[cx.dy(), cx.input(0)]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("known").input(&[3], &[1.0, E, 0.5]).gives(&[3], &[0.0, 1.0, -LN_2]),
            Case::new("edges")
                .input(&[2], &[0.0, -1.0])
                .gives(&[2], &[f64::NEG_INFINITY, f64::NAN])
                .no_gradient(),
            Case::new("batch").input(&[2, 2], &[0.3, 2.0, 1.5, 7.0]),
            Case::new("integers").tensor(Tensor::new([1], vec![1i64])).refused("should be float32"),
        ]
    }
}
