//! Identity.

use tensor::Tensor;

use crate::*;

/// The value itself.
pub struct Identity;

static SCHEMA: Schema = Schema {
    name: "Identity",
    domain: DOMAIN_ONNX,
    since_version: 16,
    doc: "`y = x`.\n\nGradient `dx = dy`.",
    inputs: &[Formal::required("x", "any shape and type")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Identity {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.input(0).dtype, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        Ok(vec![cx.input(0).clone()])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = cx.dy();
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("batch").smooth(&[2, 3], 0),
            Case::new("labels")
                .tensor(Tensor::new([2], vec![i64::MAX, -5]))
                .gives_tensor(Tensor::new([2], vec![i64::MAX, -5]))
                .no_gradient(),
        ]
    }
}
