//! Adam.

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Algorithm, Kind, Literal, RealRange, Setting};

/// Adam: each weight's step is scaled by running averages of its gradient and squared gradient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the average gradient.
    pub beta1: f64,
    /// Decay of the average squared gradient.
    pub beta2: f64,
    /// Added to the root, so that nothing is divided by zero.
    pub epsilon: f64,
}

pub(super) const LEARNING_RATE: Setting = Setting::new(
    "learning_rate",
    Kind::Real(RealRange::above(0.0, 10.0)),
    Absent::Default(Literal::Real(1e-3)),
    "Step size.",
);
pub(super) const BETA1: Setting = Setting::new(
    "beta1",
    Kind::Real(RealRange::below(0.0, 1.0)),
    Absent::Default(Literal::Real(0.9)),
    "Decay per step of the average gradient.",
);
pub(super) const BETA2: Setting = Setting::new(
    "beta2",
    Kind::Real(RealRange::below(0.0, 1.0)),
    Absent::Default(Literal::Real(0.999)),
    "Decay per step of the average squared gradient.",
);
pub(super) const EPSILON: Setting = Setting::new(
    "epsilon",
    Kind::Real(RealRange::above(0.0, 1.0)),
    Absent::Default(Literal::Real(1e-8)),
    "Added to the root of the average squared gradient, so that nothing is divided by zero.",
);

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: "adam",
    doc: "Each weight's step is scaled by running averages of its gradient `g` and of `g²`: \
          `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g²`, \
          `w -= learning_rate · m̂ / (√v̂ + epsilon)` with `m̂ = m / (1 - beta1^t)`, `v̂ = v / (1 - beta2^t)` at step `t`.",
    source: "Kingma and Ba 2015, arXiv:1412.6980",
    settings: &[LEARNING_RATE, BETA1, BETA2, EPSILON],
};
