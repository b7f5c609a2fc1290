//! SoftmaxCrossEntropyLoss.

use std::f64::consts::LN_2;

use tensor::Tensor;

use crate::ops::cross_entropy::{self, REDUCTION};
use crate::*;

/// Cross-entropy of the softmax of scores against class labels.
pub struct SoftmaxCrossEntropyLoss;

static SCHEMA: Schema = Schema {
    name: "SoftmaxCrossEntropyLoss",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`log_prob = ln softmax(scores)` per row; `loss_b = -log_prob[b, labels_b]`, in nats, then the mean or the sum over the batch. A label that is no class is an error.\n\nGradient `(softmax(scores) - onehot(labels)) * dloss / batch` for the mean.\n\nSource: Goodfellow et al. 2016, section 6.2.2.3.",
    inputs: &[
        Formal::required("scores", "`[batch, classes]`, float"),
        Formal::required("labels", "`[batch]`, int64 or int32"),
    ],
    outputs: &[
        Formal::required("loss", "scalar, or `[batch]` without reduction"),
        Formal::optional("log_prob", "as `scores`"),
    ],
    attributes: &[REDUCTION],
};

impl Operator for SoftmaxCrossEntropyLoss {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        Ok(vec![cross_entropy::infer(cx, 0)?, cx.input(0).clone()])
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (scores, classes) = (cx.input(0), cx.input(0).shape()[1]);
        let labels = cross_entropy::labels(cx.input(1), classes)?;
        let log_prob = cross_entropy::log_probabilities(scores);
        let losses: Vec<f64> =
            labels.iter().enumerate().map(|(row, label)| -log_prob[row * classes + label]).collect();
        let sum: f64 = losses.iter().sum();
        let loss = match cx.text("reduction").as_str() {
            "none" => Tensor::from_f64(scores.dtype(), [losses.len()], &losses),
            "sum" => Tensor::from_f64(scores.dtype(), [], &[sum]),
            _ => Tensor::from_f64(scores.dtype(), [], &[sum / losses.len() as f64]),
        };
        Ok(vec![loss, Tensor::from_f64(scores.dtype(), scores.shape(), &log_prob)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        if let Some(dloss) = cx.output_gradient(0) {
            let inputs = [dloss, cx.input(0), cx.input(1)];
            let dscores = cx.op_with("SoftmaxCrossEntropyLossGrad", &inputs, cx.attributes().clone());
            cx.set(0, dscores);
        }
        if let Some(dlog_prob) = cx.output_gradient(1) {
            let axis = cx.integers(&[1]);
            let sum = cx.op("ReduceSum", &[dlog_prob, axis]);
            let probability = cx.op("Exp", &[cx.output(1)]);
            let part = cx.op("Mul", &[probability, sum]);
            let dscores = cx.op("Sub", &[dlog_prob, part]);
            cx.set(0, dscores);
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let known = |name| {
            let case = Case::new(name).input(&[2, 2], &[0.0, 0.0, 1.0, 0.0]);
            case.tensor(Tensor::new([2], vec![1i64, 0]))
        };
        let batch = |name| Case::new(name).smooth(&[3, 4], 0).tensor(Tensor::new([3], vec![3i64, 0, 2]));
        let clash = |labels: Tensor| Case::new("labels").smooth(&[3, 4], 0).tensor(labels);
        vec![
            known("mean").gives(&[], &[0.503204434]),
            known("sum").attribute("reduction", "sum").gives(&[], &[1.006408869]),
            known("none").attribute("reduction", "none").gives(&[2], &[LN_2, 0.313261688]),
            batch("log_prob").outputs(2),
            batch("sum_batch").attribute("reduction", "sum"),
            batch("none_batch").attribute("reduction", "none"),
            batch("reduction").attribute("reduction", "max").refused("mean, sum or none"),
            clash(Tensor::new([2], vec![0i64, 1])).refused("labels should be int64[3]"),
            Case::new("rank")
                .smooth(&[3], 0)
                .tensor(Tensor::new([3], vec![0i64; 3]))
                .refused("[batch, classes]"),
        ]
    }
}
