//! Stochastic gradient descent with momentum.

use serde::{Deserialize, Serialize};

use super::sgd::LEARNING_RATE;
use crate::settings::{Absent, Algorithm, Kind, Literal, RealRange, Setting};

/// Stochastic gradient descent whose steps keep some of their direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Momentum {
    /// Step size.
    pub learning_rate: f64,
    /// Share of the previous step that is kept.
    pub momentum: f64,
    /// Whether the gradient counts as taken after the momentum's step.
    pub nesterov: bool,
}

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: "momentum",
    doc: "Steps that keep some of their direction: `v = momentum · v + g`, `w -= learning_rate · v`; \
          with `nesterov`, `w -= learning_rate · (g + momentum · v)`.",
    source: "Sutskever et al. 2013",
    settings: &[
        LEARNING_RATE,
        Setting::new(
            "momentum",
            Kind::Real(RealRange::below(0.0, 1.0)),
            Absent::Default(Literal::Real(0.9)),
            "Share of the previous step that is kept.",
        ),
        Setting::new(
            "nesterov",
            Kind::Bool,
            Absent::Default(Literal::Bool(false)),
            "Whether the gradient counts as taken after the momentum's step.",
        ),
    ],
};
