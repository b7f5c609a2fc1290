//! `heirloom data`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Json, StoreChoice};

/// Commands about data.
#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Takes a first look: kind, rows and columns, classes and shapes
    Inspect {
        /// A table (.csv, .csv.gz), a folder of images by class, or IDX files
        path: PathBuf,
        #[command(flatten)]
        json: Json,
    },
    /// Lists the data sets built in
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Tells which models have seen a record, and in which part of their data
    ///
    /// The record is a file as `heirloom infer` takes it, or the digest of one. Every model of the store is
    /// searched; those whose records are not known are named.
    WhoSaw {
        /// A file, or 64 hexadecimal digits
        #[arg(value_name = "FILE|DIGEST")]
        record: String,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
}
