//! ReluGrad.

use tensor::Tensor;

use crate::*;

/// Gradient of the rectified linear unit.
pub struct ReluGrad;

static SCHEMA: Schema = Schema {
    name: "ReluGrad",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`dx_i = dy_i` where `y_i > 0`, else 0; `y` is the output of `Relu`.",
    inputs: &[Formal::required("dy", "gradient of `y`, any shape, float"), Formal::required("y", "as `dy`")],
    outputs: &[Formal::required("dx", "as `dy`")],
    attributes: &[],
};

impl Operator for ReluGrad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.float_input(0)?;
        let (dy, y) = (cx.input(0), cx.input(1));
        if dy != y {
            return Err(OpError::new(format!("y should be {dy} as dy, found {y}")));
        }
        Ok(vec![dy.clone()])
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let pass = |(dy, y): (f64, f64)| if y > 0.0 { dy } else { 0.0 };
        let dx: Vec<f64> = cx.f64(0).into_iter().zip(cx.f64(1)).map(pass).collect();
        cx.one(cx.input(0).shape(), &dx)
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("mask")
                .input(&[2], &[3.0, 4.0])
                .input(&[2], &[0.0, 1.0])
                .gives(&[2], &[0.0, 4.0])
                .no_gradient(),
            Case::new("shape").smooth(&[2], 0).smooth(&[1], 0).refused("y should be float32[2]"),
        ]
    }
}
