//! Weight averaging: model soups.

use serde::Deserialize;

use super::PARENTS;
use crate::settings::{Absent, Algorithm, Kind, RealRange, Setting};

/// The mean of models, element by element.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Average {
    /// The models.
    pub parents: Vec<String>,
    /// One for each of them; equal ones if there are none.
    pub weights: Option<Vec<f64>>,
}

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: "average",
    doc: "The weighted mean of each element, a soup: `y = Σ wᵢ xᵢ / Σ wᵢ`. It suits models that were trained on one \
          task with other seeds or settings.",
    source: "Wortsman et al. 2022, arXiv:2203.05482",
    settings: &[
        PARENTS,
        Setting::new(
            "weights",
            Kind::List { of: &Kind::Real(RealRange::closed(0.0, 1e6)), min: 1, max: super::PARENTS_MAX },
            Absent::Nothing,
            "One for each parent, in their order; only how they stand to each other counts. By default equal ones.",
        ),
    ],
};
