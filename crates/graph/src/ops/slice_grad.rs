//! SliceGrad.

use tensor::Tensor;

use crate::ops::strided::{FORMALS, Slices, scatter};
use crate::*;

/// Gradient of a slice.
pub struct SliceGrad;

static SCHEMA: Schema = Schema {
    name: "SliceGrad",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`dx` is `dy` at the places `Slice` took from `x`, 0 elsewhere.",
    inputs: &{
        let [starts, ends, axes, steps] = FORMALS;
        let dy = Formal::required("dy", "gradient of the slice, float");
        [
            dy,
            Formal::required("x", "the input of the slice; its values do not matter"),
            starts,
            ends,
            axes,
            steps,
        ]
    },
    outputs: &[Formal::required("dx", "as `x`")],
    attributes: &[],
};

impl Operator for SliceGrad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.float_input(0)?;
        let (dy, shape) = (&cx.input(0).shape, &cx.input(1).shape);
        let taken = Slices::infer(cx, 2)?.shape(shape)?;
        if taken != *dy {
            return Err(OpError::new(format!("dy should have shape {taken}, found {dy}")));
        }
        cx.one(cx.same_dtype(0, 1)?, shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (_, offsets) = Slices::given(cx, 2).offsets(cx.input(1).shape())?;
        Ok(vec![scatter(cx.input(1), &offsets, &cx.f64(0))])
    }

    fn cases(&self) -> Vec<Case> {
        let dy = |name| Case::new(name).input(&[2], &[1.0, 2.0]).smooth(&[4], 0).no_gradient();
        vec![
            dy("part").integers(&[1]).integers(&[3]).gives(&[4], &[0.0, 1.0, 2.0, 0.0]),
            dy("backwards")
                .integers(&[3])
                .integers(&[0])
                .integers(&[0])
                .integers(&[-2])
                .gives(&[4], &[0.0, 2.0, 0.0, 1.0]),
            dy("shape").integers(&[1]).integers(&[4]).refused("should have shape [3]"),
        ]
    }
}
