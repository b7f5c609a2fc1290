//! `heirloom model`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Json, StoreChoice};

/// Commands about models.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Lists every model of the store
    List {
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// Shows where a model comes from, what it takes and answers, and how well
    Show {
        /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest; or an .onnx file
        model: String,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    Export(Export),
}

/// Writes a model to a file that other programs read
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) model: String,
    /// What to write
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// Where to write it [default: NAME.onnx or NAME.safetensors in the working directory]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Forms of an exported model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// The whole model: raw input to labelled answer
    Onnx,
    /// The tensors alone
    Safetensors,
}

impl ExportFormat {
    /// The name, which is the file's extension too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ExportFormat::Onnx => "onnx",
            ExportFormat::Safetensors => "safetensors",
        }
    }
}
