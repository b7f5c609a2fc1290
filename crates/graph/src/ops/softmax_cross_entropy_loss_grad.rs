//! SoftmaxCrossEntropyLossGrad.

use tensor::Tensor;

use crate::ops::cross_entropy::{self, REDUCTION};
use crate::*;

/// Gradient of softmax cross-entropy.
pub struct SoftmaxCrossEntropyLossGrad;

static SCHEMA: Schema = Schema {
    name: "SoftmaxCrossEntropyLossGrad",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`dscores_bc = (softmax(scores_b)_c - [c = labels_b]) * d_b`, where `d_b` is `dloss / batch` for the mean, `dloss` for the sum, `dloss_b` without reduction.",
    inputs: &[
        Formal::required("dloss", "gradient of the loss, in its shape"),
        Formal::required("scores", "`[batch, classes]`, float"),
        Formal::required("labels", "`[batch]`, int64 or int32"),
    ],
    outputs: &[Formal::required("dscores", "as `scores`")],
    attributes: &[REDUCTION],
};

impl Operator for SoftmaxCrossEntropyLossGrad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let loss = cross_entropy::infer(cx, 1)?;
        if *cx.input(0) != loss {
            return Err(OpError::new(format!("dloss should be {loss}, found {}", cx.input(0))));
        }
        Ok(vec![cx.input(1).clone()])
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (scores, dloss) = (cx.input(1), cx.f64(0));
        let [batch, classes] = [0, 1].map(|axis| scores.shape()[axis]);
        let reduction = cx.text("reduction");
        let scale = |row: usize| match reduction.as_str() {
            "none" => dloss[row],
            "sum" => dloss[0],
            _ => dloss[0] / batch as f64,
        };
        let mut dscores: Vec<f64> =
            cross_entropy::log_probabilities(scores).into_iter().map(f64::exp).collect();
        for (row, label) in cross_entropy::labels(cx.input(2), classes)?.into_iter().enumerate() {
            dscores[row * classes + label] -= 1.0;
            dscores[row * classes..][..classes].iter_mut().for_each(|value| *value *= scale(row));
        }
        cx.one(scores.shape(), &dscores)
    }

    fn cases(&self) -> Vec<Case> {
        let case = |name, dloss: &[f64], shape: &[usize]| {
            let case = Case::new(name).input(shape, dloss).input(&[2, 2], &[0.0, 0.0, 1.0, 0.0]);
            case.tensor(Tensor::new([2], vec![1i64, 0])).no_gradient()
        };
        let none = |case: Case| case.attribute("reduction", "none");
        vec![
            case("mean", &[1.0], &[]).gives(&[2, 2], &[0.25, -0.25, -0.134470711, 0.134470711]),
            case("sum", &[1.0], &[])
                .attribute("reduction", "sum")
                .gives(&[2, 2], &[0.5, -0.5, -0.268941421, 0.268941421]),
            none(case("none", &[2.0, 0.0], &[2])).gives(&[2, 2], &[1.0, -1.0, 0.0, 0.0]),
            none(case("shape", &[2.0], &[])).refused("dloss should be"),
        ]
    }
}
