//! AdamW.

use serde::{Deserialize, Serialize};

use super::adam::{BETA1, BETA2, EPSILON, LEARNING_RATE};
use crate::settings::{Absent, Algorithm, Kind, Literal, RealRange, Setting};

/// AdamW: Adam with weight decay that bypasses the averages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamW {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the average gradient.
    pub beta1: f64,
    /// Decay of the average squared gradient.
    pub beta2: f64,
    /// Added to the root, so that nothing is divided by zero.
    pub epsilon: f64,
    /// Share of each weight taken away per unit of learning rate.
    pub weight_decay: f64,
}

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: "adamw",
    doc: "Adam whose weight decay bypasses the averages: before Adam's step, \
          `w -= learning_rate · weight_decay · w`.",
    source: "Loshchilov and Hutter 2019, arXiv:1711.05101",
    settings: &[
        LEARNING_RATE,
        BETA1,
        BETA2,
        EPSILON,
        Setting::new(
            "weight_decay",
            Kind::Real(RealRange::closed(0.0, 1.0)),
            Absent::Default(Literal::Real(0.01)),
            "Share of each weight taken away per unit of learning rate.",
        ),
    ],
};
