//! `[train.lora]`: low-rank updates of weights that stay.

use serde::{Deserialize, Serialize};

use super::model::PATTERN;
use crate::settings::{Absent, Kind, Literal, RealRange, Section, Setting};

/// Low-rank updates of weights that stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Rank of each update.
    pub rank: usize,
    /// The update counts `alpha / rank`.
    pub alpha: f64,
    /// Patterns of the layers that are updated so; none: those that come wholly from the parent.
    pub layers: Option<Vec<String>>,
}

/// `[train.lora]`.
pub(super) const LORA: Section = Section {
    title: "`[train.lora]`: low-rank updates",
    doc: "The weight `W` of a dense layer or convolution stays as it is inherited, its bias as well, and \
          `alpha / rank · A B` beside it learns, where `A` leads to `rank` numbers and `B` from there to the outputs; `B` \
          starts at 0. A convolution's `A` has its kernel, its `B` is of size 1. Other layers learn as ever. The delivered model has plain \
          weights: `W + alpha / rank · A B`. Needs `model.inherit`. (Hu et al. 2022, arXiv:2106.09685)",
    settings: &[
        Setting::new(
            "rank",
            Kind::Integer { min: 1, max: 4096 },
            Absent::Default(Literal::Integer(4)),
            "Rank of each update.",
        ),
        Setting::new(
            "alpha",
            Kind::Real(RealRange::above(0.0, 10_000.0)),
            Absent::Default(Literal::Real(8.0)),
            "Size of the update: it counts `alpha / rank`.",
        ),
        Setting::new(
            "layers",
            Kind::List { of: &PATTERN, min: 1, max: 1000 },
            Absent::Nothing,
            "Layers or tensors that are updated so; `*` stands for any text. Without it: those whose weight comes wholly from \
             the parent.",
        ),
    ],
    family: None,
};
