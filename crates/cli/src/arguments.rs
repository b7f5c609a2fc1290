//! What can be typed. Help, usage, completions and parsing all come from the definitions here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// One program that delivers machine-learning models end to end, and lets every new project inherit
/// what earlier ones left behind.
#[derive(Debug, Parser)]
#[command(name = "heirloom", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Results go to standard output, progress and messages to standard error.
Exit status: 0 done, 1 failed (disk, lock), 2 wrong usage or an invalid scheme, data or model file, \
130 interrupted.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Run),
    Infer(Infer),
    /// Checks and shows schemes
    #[command(subcommand)]
    Scheme(Scheme),
    /// Lists, shows and exports the models of the store
    #[command(subcommand)]
    Model(Model),
    /// Lists the data sets built in
    #[command(subcommand)]
    Data(Data),
    /// Lists and documents what a scheme can choose by name
    #[command(subcommand)]
    Algorithm(Algorithm),
    /// Writes a completion script for a shell to standard output
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Carries out a scheme: from data to a registered, evaluated model
///
/// Stages that are done already, and whose inputs and settings did not change, are not run again.
/// The store is made in the working directory at the first run.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) scheme: SchemeChoice,
    /// Threads to compute with; the result does not depend on it [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Go on from the last checkpoint of an interrupted run of this scheme
    #[arg(long)]
    pub(crate) resume: bool,
    /// Say nothing on standard error but what is wrong
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

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
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Commands about schemes.
#[derive(Debug, Subcommand)]
pub(crate) enum Scheme {
    /// Finds every mistake in a scheme and in what it inherits, without running it
    Check {
        #[command(flatten)]
        scheme: SchemeChoice,
        #[command(flatten)]
        json: Json,
    },
    /// Shows what a scheme comes to after inheritance and defaults, as TOML
    Show {
        #[command(flatten)]
        scheme: SchemeChoice,
        #[command(flatten)]
        json: Json,
    },
    /// Lists the schemes built in, to run or to inherit from
    List {
        #[command(flatten)]
        json: Json,
    },
}

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

/// Commands about data.
#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Lists the data sets built in
    List {
        #[command(flatten)]
        json: Json,
    },
}

/// Commands about what a scheme can choose by name.
#[derive(Debug, Subcommand)]
pub(crate) enum Algorithm {
    /// Lists optimizers, layers, preprocessing steps and data formats
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Shows what one of them computes, and its settings
    Show {
        /// Its name, as in a scheme
        name: String,
        #[command(flatten)]
        json: Json,
    },
}

/// A scheme, with what is set over it.
#[derive(Debug, Args)]
pub(crate) struct SchemeChoice {
    /// The scheme: a file that ends in .toml, or one built in (see `heirloom scheme list`)
    #[arg(value_name = "SCHEME")]
    pub(crate) path: PathBuf,
    /// Set a value over the scheme's, such as train.epochs=1; as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// Whether a program reads the answer.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Json {
    /// Print exactly one JSON document to standard output, nothing else there
    #[arg(long = "json")]
    pub(crate) wanted: bool,
}

/// Where the store is.
#[derive(Debug, Args)]
pub(crate) struct StoreChoice {
    /// The store's folder [default: .heirloom in the working directory or the nearest one above]
    #[arg(long = "store", value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
