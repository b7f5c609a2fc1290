//! `heirloom init`.

use std::path::PathBuf;

use clap::Args;

use super::{Json, StoreChoice};

/// Makes a new project: a folder with a scheme that holds only what differs from its base
///
/// Takes a first look at the data, and sets what it finds there: the format, the columns or the size of
/// the images. What is a guess is said to be one.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The project's folder; it is made if it is missing
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) project: PathBuf,
    /// What the scheme inherits: a scheme (see `heirloom scheme list`), a file, or a model of the store
    #[arg(long, value_name = "BASE")]
    pub(crate) from: String,
    /// The data: a table (.csv, .csv.gz), a folder of images by class, or IDX files
    #[arg(long, value_name = "PATH")]
    pub(crate) data: PathBuf,
    /// The column to predict, in a table [default: guessed]
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}
