//! Equal.

use tensor::{DType, Tensor};

use crate::ops::broadcast;
use crate::*;

/// Element-wise equality.
pub struct Equal;

static SCHEMA: Schema = Schema {
    name: "Equal",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`c = (a = b)`, with numpy broadcasting; NaN equals nothing.\n\nGradient: none.",
    inputs: &[
        Formal::required("a", "any shape and type"),
        Formal::required("b", "broadcasts with `a`, same type"),
    ],
    outputs: &[Formal::required("c", "the broadcast shape, bool")],
    attributes: &[],
};

impl Operator for Equal {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.same_dtype(0, 1)?;
        cx.one(DType::Bool, broadcast::shape(&cx.input(0).shape, &cx.input(1).shape)?)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        broadcast::compare(cx, std::cmp::Ordering::is_eq)
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("row")
                .input(&[2, 2], &[1.0, 2.0, 2.0, f64::NAN])
                .input(&[2], &[1.0, f64::NAN])
                .gives_tensor(Tensor::new([2, 2], vec![true, false, false, false]))
                .no_gradient(),
            Case::new("large")
                .tensor(Tensor::new([2], vec![i64::MAX - 1, i64::MAX]))
                .tensor(Tensor::scalar(i64::MAX))
                .gives_tensor(Tensor::new([2], vec![false, true]))
                .no_gradient(),
            Case::new("types").smooth(&[1], 0).tensor(Tensor::scalar(1i64)).refused("one element type"),
        ]
    }
}
