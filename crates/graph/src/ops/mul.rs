//! Mul.

use tensor::Tensor;

use crate::ops::broadcast;
use crate::*;

/// Element-wise product.
pub struct Mul;

static SCHEMA: Schema = Schema {
    name: "Mul",
    domain: DOMAIN_ONNX,
    since_version: 14,
    doc: "`c = a * b`, with numpy broadcasting.\n\nGradient `da = dc * b`, `db = dc * a`, each summed over the axes along which it was broadcast.",
    inputs: &[
        Formal::required("a", "any shape, number"),
        Formal::required("b", "broadcasts with `a`, same type"),
    ],
    outputs: &[Formal::required("c", "the broadcast shape")],
    attributes: &[],
};

impl Operator for Mul {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        broadcast::infer(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        broadcast::reference(cx, |a, b| a * b)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        for (index, other) in [(0, 1), (1, 0)] {
            if cx.needs(index) {
                let product = cx.op("Mul", &[cx.dy(), cx.input(other)]);
                let gradient = cx.sum_to(product, cx.input(index));
                cx.set(index, gradient);
            }
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("same").input(&[2], &[1.0, 2.0]).input(&[2], &[3.0, 5.0]).gives(&[2], &[3.0, 10.0]),
            Case::new("scalar").smooth(&[3, 4], 0).smooth(&[], 1),
            Case::new("outer").smooth(&[3, 1], 0).smooth(&[1, 4], 1),
            Case::new("empty").input(&[0, 2], &[]).input(&[1, 2], &[3.0, 5.0]).gives(&[0, 2], &[]),
            Case::new("clash").smooth(&[3, 4], 0).smooth(&[3], 1).refused("do not broadcast"),
        ]
    }
}
