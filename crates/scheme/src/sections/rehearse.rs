//! `[train.leave]` and `[train.rehearse]`: examples that a parent leaves for its children.

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Kind, Literal, RealRange, Section, Setting};

/// Training examples that are left for children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// Examples of each class, or all if there are fewer.
    pub examples_per_class: usize,
}

/// Learning again from examples of the parent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rehearse {
    /// Share of the examples of an epoch that are the parent's.
    pub share: f64,
}

/// `[train.leave]`.
pub(super) const LEAVE: Section = Section {
    title: "`[train.leave]`: examples for children",
    doc: "Keeps some *training* examples beside the registered model, for children that rehearse them: whoever has the model has \
          them. Nothing is left unless this says so, and never an example of the validation or test part.",
    settings: &[Setting::new(
        "examples_per_class",
        Kind::Integer { min: 1, max: 100_000 },
        Absent::Default(Literal::Integer(20)),
        "Examples of each class, or all if there are fewer.",
    )],
    family: None,
};

/// `[train.rehearse]`.
pub(super) const REHEARSE: Section = Section {
    title: "`[train.rehearse]`: examples of the parent",
    doc: "Mixes the examples that the parent leaves into each epoch, in turn. Those of classes that the child does not have, and \
          those among its own validation and test examples, are left out and counted. Needs `model.inherit`, a parent with \
          `[train.leave]`, and examples of the same form. (Robins 1995; Rebuffi et al. 2017, arXiv:1611.07725)",
    settings: &[Setting::new(
        "share",
        Kind::Real(RealRange { below_max: true, ..RealRange::above(0.0, 1.0) }),
        Absent::Default(Literal::Real(0.2)),
        "Share of the examples of an epoch that are the parent's.",
    )],
    family: None,
};
