//! `[train.distill]`: the parent's answers, learnt beside the labels.

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Kind, Literal, RealRange, Section, Setting};

/// The parent's answers, learnt beside the labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distill {
    /// What they count for beside the labels.
    pub weight: f64,
    /// Softens both answers.
    pub temperature: f64,
}

/// `[train.distill]`.
pub(super) const DISTILL: Section = Section {
    title: "`[train.distill]`: learning from the parent's answers",
    doc: "Adds `weight · T² · KL(p ‖ q)` to the loss: `p` is what the parent answers to an example over the classes that both \
          know, by their names, and `q` what the network answers over the same, both softened: \
          `softmax(scores / T)`. The parent is asked once, about the training part, by its own preprocessing; its \
          answers are kept in the store. Needs `model.inherit`, a classification, examples that the parent takes, and \
          two classes in common. (Hinton et al. 2015, arXiv:1503.02531; learning without forgetting: Li and Hoiem \
          2016, arXiv:1606.09282)",
    settings: &[
        Setting::new(
            "weight",
            Kind::Real(RealRange::above(0.0, 1000.0)),
            Absent::Default(Literal::Real(1.0)),
            "What the parent's answers count for beside the labels.",
        ),
        Setting::new(
            "temperature",
            Kind::Real(RealRange::closed(0.1, 100.0)),
            Absent::Default(Literal::Real(2.0)),
            "`T`: the greater, the more the small probabilities count.",
        ),
    ],
    family: None,
};
