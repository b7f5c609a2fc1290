//! LogSoftmax.

use std::f64::consts::LN_2;

use tensor::Tensor;

use crate::ops::lanes;
use crate::*;

/// Logarithm of the softmax.
pub struct LogSoftmax;

static SCHEMA: Schema = Schema {
    name: "LogSoftmax",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "Over `axis`: `y_i = x_i - max x - ln sum_j e^{x_j - max x}`.\n\nUnits: logits to log-probabilities, both in nats.\n\nGradient `dx = dy - e^y * sum(dy)`.\n\nSource: Goodfellow et al. 2016, section 6.2.2.3.",
    inputs: &[Formal::required("x", "rank at least 1, float")],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[AttributeDoc {
        name: "axis",
        default: Default::Int(-1),
        doc: "the axis of the classes, negative from the end",
    }],
};

impl Operator for LogSoftmax {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.axis("axis", cx.input(0).shape.rank())?;
        cx.one(cx.float_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = cx.input(0).shape();
        let axis = cx.axis("axis", shape.len())?;
        cx.one(shape, &lanes::map(&cx.f64(0), shape, axis, lanes::log_softmax))
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let (dy, y) = (cx.dy(), cx.output(0));
        let axis = cx.integers(&[cx.int("axis")]);
        let sum = cx.op("ReduceSum", &[dy, axis]);
        let probability = cx.op("Exp", &[y]);
        let part = cx.op("Mul", &[probability, sum]);
        let dx = cx.op("Sub", &[dy, part]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("known")
                .input(&[2, 2], &[0.0, 0.0, 1.0, 0.0])
                .gives(&[2, 2], &[-LN_2, -LN_2, -0.313261688, -1.313261688]),
            Case::new("far").input(&[1, 2], &[1000.0, -1000.0]).gives(&[1, 2], &[0.0, -2000.0]),
            Case::new("middle").smooth(&[2, 3, 2], 0).attribute("axis", 1),
            Case::new("batch").smooth(&[4, 5], 0),
            Case::new("scalar").smooth(&[], 0).refused("out of range"),
            Case::new("integers").tensor(Tensor::new([1], vec![1i64])).refused("should be float32"),
        ]
    }
}
