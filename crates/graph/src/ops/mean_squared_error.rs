//! MeanSquaredError.

use tensor::{Shape, Tensor};

use crate::*;

/// Mean of the squared differences.
pub struct MeanSquaredError;

static SCHEMA: Schema = Schema {
    name: "MeanSquaredError",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`loss = sum_i (prediction_i - target_i)^2 / n` over all `n` elements; in squared units of the target.\n\nGradient `dprediction = 2 (prediction - target) / n * dloss`, `dtarget` its negative.\n\nSource: Goodfellow et al. 2016, section 5.1.4.",
    inputs: &[
        Formal::required("prediction", "any shape, float"),
        Formal::required("target", "as `prediction`"),
    ],
    outputs: &[Formal::required("loss", "scalar")],
    attributes: &[],
};

/// Refuses inputs `first` and `first + 1` unless they are of one type and shape.
pub(crate) fn check_pair(cx: &Inference<'_>, first: usize) -> Result<(), OpError> {
    let (prediction, target) = (cx.input(first), cx.input(first + 1));
    cx.float_input(first)?;
    if prediction == target {
        return Ok(());
    }
    Err(OpError::new(format!("the target should be {prediction} as the prediction, found {target}")))
}

impl Operator for MeanSquaredError {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        check_pair(cx, 0)?;
        cx.one(cx.input(0).dtype, Shape(Vec::new()))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let square = |(prediction, target): (f64, f64)| (prediction - target).powi(2);
        let sum: f64 = cx.f64(0).into_iter().zip(cx.f64(1)).map(square).sum();
        cx.one(&[], &[sum / cx.input(0).len() as f64])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let gradient = cx.op("MeanSquaredErrorGrad", &[cx.dy(), cx.input(0), cx.input(1)]);
        cx.set(0, gradient);
        if cx.needs(1) {
            let negative = cx.op("Neg", &[gradient]);
            cx.set(1, negative);
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("known").input(&[2, 1], &[1.0, 2.0]).input(&[2, 1], &[3.0, 1.0]).gives(&[], &[2.5]),
            Case::new("batch").smooth(&[3, 2], 0).smooth(&[3, 2], 1),
            Case::new("shape").smooth(&[3, 1], 0).smooth(&[3], 1).refused("as the prediction"),
        ]
    }
}
