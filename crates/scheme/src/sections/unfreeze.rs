//! `[train.unfreeze]`: layers that begin to learn later than others.

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Kind, Literal, Section, Setting};

/// Layers that begin to learn later than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfreeze {
    /// Epochs in which only the head learns.
    pub probe_epochs: usize,
    /// From then on, epochs after which one more layer begins to learn; none: all begin at once.
    pub every: Option<usize>,
}

/// `[train.unfreeze]`.
pub(super) const UNFREEZE: Section = Section {
    title: "`[train.unfreeze]`: one layer after the other",
    doc: "At first only the head learns: the layers of which something starts anew, or the last one if all is inherited. Behind \
          those epochs the other layers begin, all at once, or one by one from the output. A layer is what stands before the \
          last dot of its tensors' names. What begins later begins as in a first step: Adam's running means count from \
          there. What `train.freeze` names never learns. (Linear probing, then fine-tuning: Kumar et al. 2022, arXiv:2202.10054; \
          gradual unfreezing: Howard and Ruder 2018, arXiv:1801.06146)",
    settings: &[
        Setting::new(
            "probe_epochs",
            Kind::Integer { min: 1, max: 100_000 },
            Absent::Default(Literal::Integer(1)),
            "Epochs in which only the head learns.",
        ),
        Setting::new(
            "every",
            Kind::Integer { min: 1, max: 100_000 },
            Absent::Nothing,
            "Epochs from one layer to the next; without it all begin at once.",
        ),
    ],
    family: None,
};
