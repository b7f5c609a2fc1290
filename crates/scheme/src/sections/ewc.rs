//! `[train.ewc]`: elastic weight consolidation.

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Kind, Literal, RealRange, Section, Setting};

/// Elastic weight consolidation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ewc {
    /// Strength of the penalty.
    pub weight: f64,
    /// Examples that the importance of weights is estimated on.
    pub examples: usize,
}

/// `[train.ewc]`.
pub(super) const EWC: Section = Section {
    title: "`[train.ewc]`: elastic weight consolidation",
    doc: "Adds `weight / 2 · Σ F (w - w_parent)²` to the loss, over the elements that come from the parent: those that its answers \
          depend on are held fast, the others are free. `F` is the diagonal of the Fisher information, the mean of \
          `(d log q(y) / dw)²`, at the inherited weights. It is estimated on `examples` of the child's own training examples, \
          with one answer `y` each, drawn from what the inherited network `q` itself answers over the classes that both know: \
          the parent's data are not needed. Needs `model.inherit`, a classification and two classes in common. \
          (Kirkpatrick et al. 2017, arXiv:1612.00796)",
    settings: &[
        Setting::new(
            "weight",
            Kind::Real(RealRange::above(0.0, 1e9)),
            Absent::Default(Literal::Real(100.0)),
            "Strength of the penalty.",
        ),
        Setting::new(
            "examples",
            Kind::Integer { min: 1, max: 100_000 },
            Absent::Default(Literal::Integer(200)),
            "Examples that `F` is estimated on; all, if there are fewer.",
        ),
    ],
    family: None,
};
