//! TIES merging.

use serde::Deserialize;

use super::{BASE, PARENTS, SCALE};
use crate::settings::{Absent, Algorithm, Kind, Literal, RealRange, Setting};

/// What models learnt beyond a base, without what is small and where they disagree.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ties {
    /// The models.
    pub parents: Vec<String>,
    /// What they all started from.
    pub base: String,
    /// Share of each model's changes that counts, the largest.
    pub density: f64,
    /// Factor of what is added to the base.
    pub scale: f64,
}

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: "ties",
    doc: "Of what each model learnt beyond the base, `tᵢ = xᵢ - base`, only the share `density` of largest magnitude \
          stays; the sign of their sum is elected for each element; and the mean of those that have it is added: \
          `y = base + scale · mean{tᵢ : sign tᵢ = sign Σ t}`. Small and contradicting changes do not get into each other's way.",
    source: "Yadav et al. 2023, arXiv:2306.01708",
    settings: &[
        PARENTS,
        BASE,
        Setting::new(
            "density",
            Kind::Real(RealRange::above(0.0, 1.0)),
            Absent::Default(Literal::Real(0.2)),
            "Share of each model's elements whose change counts.",
        ),
        SCALE,
    ],
};
