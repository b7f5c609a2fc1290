//! The scheme language: a TOML text, and everything it inherits, becomes a [`ResolvedScheme`].
//!
//! ```text
//! text --parse--> tree --inherits, --set--> merged tree --derive, check--> ResolvedScheme
//! ```
//!
//! The decision that shaped it: every setting is *declared once*, in a table beside its typed form
//! (key, kind, range, default, documentation). Checking, defaults, [`ResolvedScheme::to_toml`] and
//! the reference manual ([`reference()`]) all read that table, so they cannot disagree; and an
//! algorithm that a scheme chooses by name is one file in `algorithms/`. Every value keeps the place
//! it came from through the merge, so a mistake found late (a layer that does not fit its input)
//! still points at a line.
//!
//! This crate touches no disk: files come through [`SchemeFiles`]. It never stops at the first
//! mistake, and no input makes it panic.

mod algorithms;
mod architectures;
mod check;
mod child;
mod combinations;
mod combine;
mod derive;
mod diff;
mod dotted;
mod edit;
mod explain;
mod files;
mod format;
mod history;
mod layout;
mod load;
mod locate;
mod merge;
mod overrides;
mod parse;
mod parts;
mod placement;
mod rebase;
mod reference;
mod resolve;
mod resolved;
mod schema;
mod sections;
mod settings;
mod show;
mod suggest;
mod tree;
mod upgrade;
mod values;

pub use algorithms::{
    Adam, AdamW, Average, GradientDescent, Merge, Momentum, Optimizer, Sgd, TaskArithmetic, Ties,
};
pub use child::{ChildText, NewChild};
pub use diff::{Change, Difference, KeyValue, diff};
pub use explain::{Explanation, Overridden};
pub use files::{EMBEDDED, Embedded, MemoryFiles, RegisteredScheme, SchemeFiles};
pub use format::format;
pub use parts::{Parent, Part};
pub use rebase::{Decided, Decisions, Inherited, Rebase, Rebased, Rebasing, Stated, Winner};
pub use reference::reference;
pub use resolve::{Resolution, resolve};
pub use resolved::{Answer, Origin, ResolvedScheme};
pub use schema::json_schema;
pub use sections::{
    About, Activation, Add, Adjust, Against, Architecture, Baseline, BatchNorm, Canary, Conv, Convolution,
    CsvTable, Data, Dense, Deploy, Distill, Dropout, EarlyStopping, Evaluate, Ewc, Filter, Format, Fractions,
    Gate, Grid, Head, IdxFiles, ImageFolder, Inherit, Init, Keep, Layer, Leave, Lora, Loss, MeanDeviation,
    MemoryLimit, Metric, Model, Padding, Placed, Pool, Preprocess, Rate, Rehearse, Resize, RowImage, Scale,
    Slice, Source, Split, Step, Steps, TargetForm, Task, TensorNames, Train, Unfreeze, Units,
};
pub use upgrade::{FORMAT, FormatChange, upgrade};
