//! One version of a model, ready to answer.

mod batcher;
mod plans;
mod queue;
mod served;

pub use batcher::Limits;
pub(crate) use served::Served;
