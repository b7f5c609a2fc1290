//! MeanSquaredErrorGrad.

use tensor::Tensor;

use crate::ops::mean_squared_error::check_pair;
use crate::*;

/// Gradient of the mean squared error.
pub struct MeanSquaredErrorGrad;

static SCHEMA: Schema = Schema {
    name: "MeanSquaredErrorGrad",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`dprediction_i = 2 (prediction_i - target_i) / n * dloss`, with `n` elements in all.",
    inputs: &[
        Formal::required("dloss", "gradient of the loss, scalar"),
        Formal::required("prediction", "any shape, float"),
        Formal::required("target", "as `prediction`"),
    ],
    outputs: &[Formal::required("dprediction", "as `prediction`")],
    attributes: &[],
};

impl Operator for MeanSquaredErrorGrad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        check_pair(cx, 1)?;
        if cx.input(0).shape.rank() != 0 {
            return Err(OpError::new(format!("dloss should be a scalar, found {}", cx.input(0))));
        }
        cx.one(cx.same_dtype(0, 1)?, cx.input(1).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let scale = 2.0 * cx.f64(0)[0] / cx.input(1).len() as f64;
        let slope = |(prediction, target): (f64, f64)| (prediction - target) * scale;
        let gradient: Vec<f64> = cx.f64(1).into_iter().zip(cx.f64(2)).map(slope).collect();
        cx.one(cx.input(1).shape(), &gradient)
    }

    fn cases(&self) -> Vec<Case> {
        let dloss = |name| Case::new(name).input(&[], &[3.0]).input(&[2, 1], &[1.0, 2.0]).no_gradient();
        vec![
            dloss("known").input(&[2, 1], &[3.0, 1.0]).gives(&[2, 1], &[-6.0, 3.0]),
            dloss("shape").input(&[1], &[3.0]).refused("as the prediction"),
        ]
    }
}
