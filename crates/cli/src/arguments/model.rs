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
    Sign(Sign),
    Verify(Verify),
}

/// Writes a model in a form that other programs read
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) model: String,
    /// What to write
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// Where to write it [default: NAME.onnx, .safetensors, .model or .cdx.json in the working directory]
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
    /// A folder with every part of the model and its lineage; its signatures beside it, in FOLDER.sig
    Folder,
    /// A bill of materials with a model card: CycloneDX 1.6, JSON
    Bom,
}

impl ExportFormat {
    /// The name, as it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ExportFormat::Onnx => "onnx",
            ExportFormat::Safetensors => "safetensors",
            ExportFormat::Folder => "folder",
            ExportFormat::Bom => "bom",
        }
    }

    /// What the written file's name ends with.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            ExportFormat::Onnx => "onnx",
            ExportFormat::Safetensors => "safetensors",
            ExportFormat::Folder => "model",
            ExportFormat::Bom => "cdx.json",
        }
    }
}

/// Signs a model and its lineage; the signature is kept in the store
///
/// The form is OpenSSF Model Signing 1.0, so other tools verify it on the folder that
/// `heirloom model export --format folder` writes.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) model: String,
    /// The private key, as `heirloom key new` wrote it
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Checks that a model is, byte for byte, what was signed with a known key
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The model, as for `model show`; or a folder that exists
    #[arg(value_name = "MODEL|FOLDER")]
    pub(crate) subject: String,
    /// The public key [default: the keys that the store trusts]
    #[arg(long, value_name = "FILE.pub")]
    pub(crate) key: Option<PathBuf>,
    /// The signature [default: those in the store, or of a folder those in FOLDER.sig]
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}
