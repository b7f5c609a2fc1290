//! Task arithmetic.

use serde::Deserialize;

use super::{BASE, PARENTS, SCALE};
use crate::settings::{Absent, Algorithm, Kind, RealRange, Setting};

/// What each model learnt beyond a base, added up.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskArithmetic {
    /// The models.
    pub parents: Vec<String>,
    /// What they all started from.
    pub base: String,
    /// One for each of the models; 1 if there are none.
    pub weights: Option<Vec<f64>>,
    /// Factor of what is added to the base.
    pub scale: f64,
}

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: "task_arithmetic",
    doc: "What each model learnt beyond the base, added up: `y = base + scale Σ wᵢ (xᵢ - base)`. It suits models that \
          learnt different tasks; a weight below 0 makes the base forget one.",
    source: "Ilharco et al. 2023, arXiv:2212.04089",
    settings: &[
        PARENTS,
        BASE,
        Setting::new(
            "weights",
            Kind::List { of: &Kind::Real(RealRange::closed(-10.0, 10.0)), min: 1, max: super::PARENTS_MAX },
            Absent::Nothing,
            "One for each parent, in their order. By default 1.",
        ),
        SCALE,
    ],
};
