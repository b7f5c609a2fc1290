//! `heirloom infer`.

use std::path::PathBuf;

use clap::Args;

use super::{Json, StoreChoice};

/// Answers for files: images (PNG, JPEG, IDX) or the rows of a table (CSV), as the model wants
#[derive(Debug, Args)]
pub(crate) struct Infer {
    /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) model: String,
    /// The files, plain or gzip where that is customary
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Threads to compute with [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Log each answer in this folder, for `heirloom monitor`; requests are called FILE, or FILE:INDEX where a file has
    /// several
    #[arg(long, value_name = "FOLDER")]
    pub(crate) log: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}
