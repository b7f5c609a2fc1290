//! Sqrt.

use tensor::Tensor;

use crate::*;

/// Element-wise square root.
pub struct Sqrt;

static SCHEMA: Schema = Schema {
    name: "Sqrt",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y_i = sqrt(x_i)`; NaN below 0.\n\nGradient `dx = dy / 2y`.",
    inputs: &[Formal::required("x", "any shape, float, not negative")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Sqrt {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.float_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        cx.map(f64::sqrt)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let double = cx.op("Add", &[cx.output(0), cx.output(0)]);
        let dx = cx.op("Div", &[cx.dy(), double]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("known").input(&[3], &[0.0, 4.0, 2.25]).gives(&[3], &[0.0, 2.0, 1.5]).no_gradient(),
            Case::new("negative").input(&[1], &[-1.0]).gives(&[1], &[f64::NAN]).no_gradient(),
            Case::new("batch").input(&[2, 2], &[0.3, 2.0, 1.5, 7.0]),
            Case::new("integers").tensor(Tensor::new([1], vec![1i64])).refused("should be float32"),
        ]
    }
}
