//! `heirloom model compare`.

use std::path::PathBuf;

use clap::Args;

use super::{Json, StoreChoice};

/// Compares a model with earlier ones, case by case
///
/// All of them answer the test cases that they and their ancestors left in the store.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The new model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) child: String,
    /// The earlier models, such as its parents
    #[arg(required = true, value_name = "PARENT")]
    pub(crate) parents: Vec<String>,
    /// Write a page with pictures of the cases that changed
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Of models that answer with numbers: errors that differ by no more count as equal, in the target's unit
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    pub(crate) tolerance: f64,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}
