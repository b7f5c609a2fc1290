//! Div.

use tensor::Tensor;

use crate::ops::broadcast;
use crate::*;

/// Element-wise quotient.
pub struct Div;

static SCHEMA: Schema = Schema {
    name: "Div",
    domain: DOMAIN_ONNX,
    since_version: 14,
    doc: "`c = a / b`, with numpy broadcasting. Integers: truncated towards zero; a division by 0 saturates.\n\nGradient `da = dc / b`, `db = -dc * c / b`, each summed over the axes along which it was broadcast.",
    inputs: &[
        Formal::required("a", "any shape, number"),
        Formal::required("b", "broadcasts with `a`, same type"),
    ],
    outputs: &[Formal::required("c", "the broadcast shape")],
    attributes: &[],
};

impl Operator for Div {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        broadcast::infer(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        broadcast::reference(cx, |a, b| a / b)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let share = cx.op("Div", &[cx.dy(), cx.input(1)]);
        if cx.needs(0) {
            let da = cx.sum_to(share, cx.input(0));
            cx.set(0, da);
        }
        if cx.needs(1) {
            let product = cx.op("Mul", &[share, cx.output(0)]);
            let sum = cx.sum_to(product, cx.input(1));
            let db = cx.op("Neg", &[sum]);
            cx.set(1, db);
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("same").input(&[2], &[1.0, 2.0]).input(&[2], &[4.0, 5.0]).gives(&[2], &[0.25, 0.4]),
            Case::new("row").smooth(&[2, 3], 0).input(&[3], &[0.5, -2.0, 3.0]),
            Case::new("column").smooth(&[2, 1], 0).input(&[2, 2], &[0.5, -2.0, 3.0, 1.0]),
            Case::new("integers")
                .tensor(Tensor::new([2], vec![-7i64, 7]))
                .tensor(Tensor::new([], vec![2i64]))
                .gives_tensor(Tensor::new([2], vec![-3i64, 3]))
                .no_gradient(),
            Case::new("types")
                .smooth(&[1], 0)
                .tensor(Tensor::new([], vec![2i64]))
                .refused("one element type"),
        ]
    }
}
