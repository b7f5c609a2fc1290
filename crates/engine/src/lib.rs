//! The engine: graph → plan → numbers, fast and the same bytes on any number of threads.
//!
//! The decision that shaped it: *the batch lies innermost*. Every value that exists once per example is stored
//! `[feature...][lane]`, one lane per example, so convolution, pooling, dense layers and their gradients are
//! all broadcast-times-vector products without shuffles, and reshapes cost nothing. A graph is compiled once
//! into a list of fused steps with one arena of memory; the steps of a batch are cut into pieces whose number
//! does not depend on the machine, and threads meet only where the plan says that they would clash.
//!
//! It computes on the processor it runs on and touches nothing else. Operators without a kernel are computed
//! by their reference in `graph`.

mod arrangement;
mod calibration;
mod costs;
mod cpu;
mod error;
mod feed;
mod independence;
mod kernels;
mod layout;
mod lower;
mod meeting;
mod operations;
mod peak;
mod predictor;
mod profile;
mod program;
mod recompute;
mod replicas;
mod step;
mod survey;
mod trainer;
mod training_graph;

pub use calibration::calibrate;
pub use costs::{Algorithm, Convolutions, Costs};
pub use cpu::{INSTRUCTIONS, Level, UnknownLevel};
pub use error::EngineError;
pub use feed::{Feed, Rows, Targets};
pub use peak::{Peak, READ_BYTES, peak};
pub use predictor::Predictor;
pub use profile::{Profile, Span, StepTime};
pub use program::Flow;
pub use trainer::{Again, BatchReport, Options, Planning, Trainer};
pub use training_graph::{
    Distillation, Loss, Objective, Optimizer, Parameter, Pull, TrainingGraph, Treatment, training_graph,
};
