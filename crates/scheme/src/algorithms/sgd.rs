//! Stochastic gradient descent.

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Algorithm, Kind, Literal, RealRange, Setting};

/// Stochastic gradient descent: a step against the gradient of each batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Step size.
    pub learning_rate: f64,
}

pub(super) const LEARNING_RATE: Setting = Setting::new(
    "learning_rate",
    Kind::Real(RealRange::above(0.0, 10.0)),
    Absent::Default(Literal::Real(0.01)),
    "Step size.",
);

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: "sgd",
    doc: "A step against the gradient `g` of each batch: `w -= learning_rate · g`.",
    source: "Robbins and Monro 1951",
    settings: &[LEARNING_RATE],
};
