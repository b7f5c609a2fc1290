//! `heirloom model`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Compare, Json, StoreChoice};

/// Commands about models.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Lists every model of the store, or every version of one
    List {
        /// The model whose versions are listed [default: the newest version of every model]
        name: Option<String>,
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
    Import(Import),
    Compare(Compare),
    Lineage(Lineage),
    /// Shows who did what to a model and when: registrations, aliases, recalls, texts
    History {
        /// The model's or scheme's name [default: everything in the store]
        name: Option<String>,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    Promote(Promote),
    Rollback(Rollback),
    Rollout(RolloutOf),
    /// Says that a version should no longer be chosen, and why; it goes on working
    Deprecate {
        /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
        model: String,
        /// Why, and what to use instead
        #[arg(long, required_unless_present = "undo")]
        reason: Option<String>,
        /// It may be chosen again
        #[arg(long, conflicts_with = "reason")]
        undo: bool,
        #[command(flatten)]
        store: StoreChoice,
    },
    Recall(Recall),
    Annotate(Annotate),
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
    /// Where to write it [default: the model's NAME and the format's extension, in the working directory]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Compress the parts of a bundle with zstd
    #[arg(long)]
    pub(crate) compress: bool,
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
    /// The model with its whole lineage and schemes, for `heirloom model import`: a zip archive
    Bundle,
    /// A folder with every part of the model and its lineage; its signatures beside it, in FOLDER.sig
    Folder,
    /// A bill of materials with a model card: CycloneDX 1.6, JSON
    Bom,
}

impl ExportFormat {
    /// The word that chooses it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ExportFormat::Onnx => "onnx",
            ExportFormat::Safetensors => "safetensors",
            ExportFormat::Bundle => "bundle",
            ExportFormat::Folder => "folder",
            ExportFormat::Bom => "bom",
        }
    }

    /// The file's extension.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            ExportFormat::Onnx => "onnx",
            ExportFormat::Safetensors => "safetensors",
            ExportFormat::Bundle => "heirloom.zip",
            ExportFormat::Folder => "model",
            ExportFormat::Bom => "cdx.json",
        }
    }
}

/// Takes in the models of a bundle, with their lineage
///
/// Every part is checked against its digest first; nothing in a bundle is ever executed. The store is made if
/// there is none.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A file that `heirloom model export --format bundle` wrote
    #[arg(value_name = "BUNDLE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Shows what a model was made from: models, schemes, data
#[derive(Debug, Args)]
pub(crate) struct Lineage {
    /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) model: String,
    /// Show what was made from it instead
    #[arg(long)]
    pub(crate) descendants: bool,
    /// Print a Graphviz document: `| dot -Tsvg > lineage.svg` draws it
    #[arg(long, conflicts_with = "wanted")]
    pub(crate) dot: bool,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Lets an alias such as production point at a version
#[derive(Debug, Args)]
pub(crate) struct Promote {
    /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) model: String,
    /// The alias
    #[arg(long = "to", value_name = "ALIAS", default_value = "production")]
    pub(crate) alias: String,
    /// Let it take over step by step, with this share of the requests in percent first; 0: copies of requests only. Whoever
    /// serves carries that on, by the [deploy.canary] of the version's scheme
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=99))]
    pub(crate) canary: Option<u8>,
    /// Promote it although it is recalled, for this reason, which is written down
    #[arg(long, value_name = "REASON")]
    pub(crate) despite_recall: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Lets an alias point at what it pointed at before: what was last serving, not what was last made
///
/// While another version is taking over step by step, it ends that instead: the alias stays where it is.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The model's name
    pub(crate) name: String,
    /// The alias
    #[arg(long, visible_alias = "from", value_name = "ALIAS", default_value = "production")]
    pub(crate) alias: String,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Shows how an alias goes, or last went, from one version to another step by step
#[derive(Debug, Args)]
pub(crate) struct RolloutOf {
    /// The model and the alias [default alias: production]
    #[arg(value_name = "NAME@ALIAS")]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Says that a version must not be used, nor anything made from it
///
/// Lists every version that descends from it and every alias that points at one. None of them is promoted or
/// served from then on, unless somebody gives a reason.
#[derive(Debug, Args)]
pub(crate) struct Recall {
    /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) model: String,
    /// Why
    #[arg(long, required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
    /// Take the recall back
    #[arg(long)]
    pub(crate) withdraw: bool,
    /// Only list whom it would affect
    #[arg(long, conflicts_with_all = ["reason", "withdraw"])]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Says something about a version: description, licence, intended use, tags; an empty text takes it away
#[derive(Debug, Args)]
#[group(id = "said", required = true, multiple = true)]
pub(crate) struct Annotate {
    /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) model: String,
    /// What it is
    #[arg(long, group = "said", value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Under which terms it may be used, as an SPDX expression such as Apache-2.0
    #[arg(long, group = "said", value_name = "SPDX")]
    pub(crate) licence: Option<String>,
    /// What it is meant for
    #[arg(long, group = "said", value_name = "TEXT")]
    pub(crate) intended_use: Option<String>,
    /// A tag to add; as often as needed
    #[arg(long = "tag", group = "said", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// A tag to take away; as often as needed
    #[arg(long = "untag", group = "said", value_name = "TAG")]
    pub(crate) untags: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
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
