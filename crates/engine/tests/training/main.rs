//! Small networks trained for a few steps on the engine, against the same training graph computed in `f64` by the
//! references: every state agrees after every run, whatever the level, the threads, and the size of the last batch.

mod again;
mod few;
mod fused;
mod jobs;
mod operators;
#[path = "../reference/mod.rs"]
mod reference;
