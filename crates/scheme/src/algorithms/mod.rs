//! Methods that a scheme chooses by name. Each file holds one method: its typed settings, their
//! ranges and defaults, and its documentation. A new one is a new file and a line in each of the
//! lists below.

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Family, Literal, Section};

mod adam;
mod adamw;
mod gradient_descent;
mod merge;
mod momentum;
mod sgd;

pub use adam::Adam;
pub use adamw::AdamW;
pub use gradient_descent::GradientDescent;
pub(crate) use merge::MERGE;
pub use merge::{Average, Merge, TaskArithmetic, Ties};
pub use momentum::Momentum;
pub use sgd::Sgd;

/// How the weights follow their gradients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "each variant's settings type documents it")]
pub enum Optimizer {
    Adam(Adam),
    #[serde(rename = "adamw")]
    AdamW(AdamW),
    Sgd(Sgd),
    Momentum(Momentum),
    GradientDescent(GradientDescent),
}

/// `[train.optimizer]`.
pub(crate) const OPTIMIZER: Section = Section {
    title: "`[train.optimizer]`: optimizers",
    doc: "How the weights follow their gradients. `optimizer = \"sgd\"` is short for `optimizer = { name = \"sgd\" }`. \
          A child that chooses another optimizer keeps the inherited settings that the new one has too; \
          the others drop out, and a note says so.",
    settings: &[],
    family: Some(Family {
        key: "name",
        what: "optimizer",
        absent: Absent::Default(Literal::Text("adam")),
        members: &[
            &adam::ALGORITHM,
            &adamw::ALGORITHM,
            &sgd::ALGORITHM,
            &momentum::ALGORITHM,
            &gradient_descent::ALGORITHM,
        ],
    }),
};
