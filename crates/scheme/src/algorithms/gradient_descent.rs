//! Gradient descent on the whole training part.

use serde::{Deserialize, Serialize};

use super::sgd::LEARNING_RATE;
use crate::settings::Algorithm;

/// Gradient descent: one step per epoch, against the gradient over the whole training part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientDescent {
    /// Step size.
    pub learning_rate: f64,
}

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: "gradient_descent",
    doc: "One step per epoch against the gradient `g` over the whole training part: `w -= learning_rate · g`. \
          The whole training part is one batch, which has to fit in memory; `train.batch_size` is not used.",
    source: "Cauchy 1847",
    settings: &[LEARNING_RATE],
};
