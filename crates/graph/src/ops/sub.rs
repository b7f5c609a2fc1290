//! Sub.

use tensor::Tensor;

use crate::ops::broadcast;
use crate::*;

/// Element-wise difference.
pub struct Sub;

static SCHEMA: Schema = Schema {
    name: "Sub",
    domain: DOMAIN_ONNX,
    since_version: 14,
    doc: "`c = a - b`, with numpy broadcasting.\n\nGradient `da = dc`, `db = -dc`, each summed over the axes along which it was broadcast.",
    inputs: &[
        Formal::required("a", "any shape, number"),
        Formal::required("b", "broadcasts with `a`, same type"),
    ],
    outputs: &[Formal::required("c", "the broadcast shape")],
    attributes: &[],
};

impl Operator for Sub {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        broadcast::infer(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        broadcast::reference(cx, |a, b| a - b)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        if cx.needs(0) {
            let da = cx.sum_to(cx.dy(), cx.input(0));
            cx.set(0, da);
        }
        if cx.needs(1) {
            let sum = cx.sum_to(cx.dy(), cx.input(1));
            let db = cx.op("Neg", &[sum]);
            cx.set(1, db);
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("same").input(&[2], &[1.0, 2.0]).input(&[2], &[3.0, 5.0]).gives(&[2], &[-2.0, -3.0]),
            Case::new("row").smooth(&[3, 4], 0).smooth(&[4], 1),
            Case::new("column").smooth(&[3, 1], 0).smooth(&[3, 4], 1),
            Case::new("clash").smooth(&[3, 4], 0).smooth(&[3], 1).refused("do not broadcast"),
        ]
    }
}
