//! GlobalMaxPool.

use tensor::Tensor;

use crate::ops::global_average_pool::{infer_global, reference_global, whole_window};
use crate::ops::{max_pool, window};
use crate::*;

/// Maximum over all spatial axes.
pub struct GlobalMaxPool;

static SCHEMA: Schema = Schema {
    name: "GlobalMaxPool",
    domain: DOMAIN_ONNX,
    since_version: 1,
    doc: "`y[n, c, 0 ..]` is the maximum of `x[n, c, ..]`.\n\nGradient `MaxPoolGrad` with one window.",
    inputs: &[Formal::required("x", "[batch, channel, spatial ..], float")],
    outputs: &[Formal::required("y", "[batch, channel, 1 ..]")],
    attributes: &[],
};

impl Operator for GlobalMaxPool {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        infer_global(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        reference_global(cx, |plane, taps| plane[max_pool::first_maximum(plane, taps)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let window = whole_window(&window::spatial(&cx.shape(cx.input(0)))?)?;
        let inputs = [cx.dy(), cx.input(0), cx.output(0)];
        let dx = cx.op_with("MaxPoolGrad", &inputs, max_pool::gradient_attributes(&window));
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("square").input(&[1, 1, 2, 2], &[1.0, 6.0, 3.0, 2.0]).gives(&[1, 1, 1, 1], &[6.0]),
            Case::new("image").smooth(&[2, 3, 4, 5], 0),
            Case::new("flat").smooth(&[2, 3], 0).refused("rank 3 or more"),
        ]
    }
}
