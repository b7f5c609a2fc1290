//! The sections of a scheme. Each file holds one: its typed form beside the table of its keys.

use crate::settings::{Absent, Kind, Literal, Section, Setting};

mod about;
mod data;
mod deploy;
mod distill;
mod evaluate;
mod ewc;
mod gate;
mod head;
mod init;
mod layers;
mod lora;
mod memory_limit;
mod model;
mod placed;
mod preprocess;
mod rates;
mod rehearse;
mod split;
mod steps;
mod train;
mod unfreeze;

pub use about::About;
pub use data::{
    Adjust, CsvTable, Data, Filter, Format, IdxFiles, ImageFolder, RowImage, Source, TargetForm, Task,
};
pub use deploy::{Canary, Deploy};
pub use distill::Distill;
pub use evaluate::{Baseline, Evaluate, Metric};
pub use ewc::Ewc;
pub use gate::{Against, Gate, Slice};
pub use head::Head;
pub use init::Init;
pub use layers::{
    Activation, Add, BatchNorm, Conv, Dense, Dropout, Grid, Layer, Padding, Pool, TensorNames, Units,
};
pub use lora::Lora;
pub use memory_limit::MemoryLimit;
pub use model::{Architecture, Inherit, Model};
pub use placed::Placed;
pub use preprocess::{MeanDeviation, Preprocess, Resize, Scale};
pub use rates::Rate;
pub use rehearse::{Leave, Rehearse};
pub use split::{Fractions, Split};
pub use steps::{Step, Steps};
pub use train::{Convolution, EarlyStopping, Keep, Loss, Train};
pub use unfreeze::Unfreeze;

pub(crate) use deploy::STEPS;
pub(crate) use gate::{BATCH, BY_CLASS, SLICE_EXAMPLES_MIN};
pub(crate) use placed::{INPUT, WITH};
pub(crate) use split::{FRACTION_KEYS, FROM_KEYS};

/// The whole scheme.
pub(crate) const SCHEME: Section = Section {
    title: "The scheme",
    doc: "Keys outside of any table.",
    settings: &[
        Setting::new(
            "name",
            Kind::Name,
            Absent::Derived("the file's name without `.toml`"),
            "The model's name in the registry.",
        ),
        Setting::new(
            "seed",
            Kind::Integer { min: 0, max: i64::MAX },
            Absent::Default(Literal::Integer(1)),
            "All randomness (initial weights, order of the examples, dropout) is a function of it.",
        ),
        Setting::new(
            "about",
            Kind::Table(&about::ABOUT),
            Absent::Default(Literal::Table),
            "What it is for, and what may be done with its models.",
        ),
        Setting::new("data", Kind::Table(&data::DATA), Absent::Required, "What the model learns from."),
        Setting::new(
            "preprocess",
            Kind::Steps(&preprocess::PREPROCESS),
            Absent::Default(Literal::Table),
            "What happens to an example before the first layer. It is part of the model's graph.",
        ),
        Setting::new("model", Kind::Table(&model::MODEL), Absent::Required, "The network."),
        Setting::new(
            "train",
            Kind::Table(&train::TRAIN),
            Absent::Default(Literal::Table),
            "How the network learns.",
        ),
        Setting::new(
            "evaluate",
            Kind::Table(&evaluate::EVALUATE),
            Absent::Default(Literal::Table),
            "What is measured on the test part.",
        ),
        Setting::new(
            "deploy",
            Kind::Table(&deploy::DEPLOY),
            Absent::Nothing,
            "What becomes of a model that passed its gates.",
        ),
    ],
    family: None,
};

/// Tables of named steps, whose order counts and where `after`, `before` and `remove` are understood.
pub(crate) const STEP_TABLES: [&str; 3] = ["preprocess", "model.layers", "evaluate.gate"];
