//! `[model.merge]`: how several models become one.

use serde::Deserialize;

use crate::settings::{Absent, Algorithm, Family, Kind, Literal, RealRange, Section, Setting};

mod average;
mod task_arithmetic;
mod ties;

pub use average::Average;
pub use task_arithmetic::TaskArithmetic;
pub use ties::Ties;

/// How several models become one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "each variant's settings type documents it")]
pub enum Merge {
    Average(Average),
    TaskArithmetic(TaskArithmetic),
    Ties(Ties),
}

impl Merge {
    /// The models that are merged; at least one.
    pub fn parents(&self) -> &[String] {
        match self {
            Merge::Average(average) => &average.parents,
            Merge::TaskArithmetic(arithmetic) => &arithmetic.parents,
            Merge::Ties(ties) => &ties.parents,
        }
    }

    /// What they all started from, for methods that ask.
    pub fn base(&self) -> Option<&str> {
        match self {
            Merge::Average(_) => None,
            Merge::TaskArithmetic(arithmetic) => Some(&arithmetic.base),
            Merge::Ties(ties) => Some(&ties.base),
        }
    }

    /// The method's name in a scheme.
    pub fn method(&self) -> &'static str {
        let algorithm: &Algorithm = match self {
            Merge::Average(_) => &average::ALGORITHM,
            Merge::TaskArithmetic(_) => &task_arithmetic::ALGORITHM,
            Merge::Ties(_) => &ties::ALGORITHM,
        };
        algorithm.name
    }
}

/// A model in the registry.
const MODEL: Kind = Kind::Text { max: 300 };

const PARENTS: Setting = Setting::new(
    "parents",
    Kind::List { of: &MODEL, min: 1, max: PARENTS_MAX },
    Absent::Required,
    "The models: `NAME`, `NAME@N` or `NAME@ALIAS`. They must be the same network with the same classes; the first \
     says what layers and tensors are called.",
);

/// Most models in a merge.
const PARENTS_MAX: usize = 100;

const BASE: Setting =
    Setting::new("base", MODEL, Absent::Required, "The model that all of them were trained from.");

const SCALE: Setting = Setting::new(
    "scale",
    Kind::Real(RealRange::closed(-10.0, 10.0)),
    Absent::Default(Literal::Real(1.0)),
    "Factor of what is added to the base.",
);

/// `[model.merge]`.
pub(crate) const MERGE: Section = Section {
    title: "`[model.merge]`: one model from several",
    doc: "The network starts with the merged tensors of several models, as it would with those of one with `inherit`. \
          Models that were trained from one parent merge well, models that were trained apart do not. Running \
          statistics of a normalisation are averaged whatever the method. `train.epochs = 0` delivers the merged \
          model as it is.",
    settings: &[],
    family: Some(Family {
        key: "method",
        what: "way to merge",
        absent: Absent::Default(Literal::Text("average")),
        members: &[&average::ALGORITHM, &task_arithmetic::ALGORITHM, &ties::ALGORITHM],
    }),
};
