//! `heirloom profile`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::Level;

use super::{Json, StoreChoice};

/// Measures where the time goes: the training step of a scheme, or one answer of a model or ONNX file
///
/// Nothing is kept: no run, no model. A scheme is measured on its own data, or with `--input` on random examples, so that the
/// data need not be there. A name that a scheme and a model share means the scheme; `NAME@ALIAS` or `--answers` means the
/// model.
#[derive(Debug, Args)]
pub(crate) struct Profile {
    /// A scheme (a file that ends in .toml, or a name), a model of the store, or a file that ends in .onnx
    #[arg(value_name = "SCHEME|MODEL|FILE.onnx")]
    pub(crate) subject: PathBuf,
    /// Take the name for a model's and not a scheme's
    #[arg(long)]
    pub(crate) answers: bool,
    /// Set a value over the scheme's, such as train.optimizer.name=adam; as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Examples at a time [default: the scheme's train.batch_size; of models 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(crate) batch: Option<u32>,
    /// Random examples in place of the scheme's data: CHANNELS,HEIGHT,WIDTH of pictures, or FEATURES
    #[arg(long, value_name = "LENGTHS", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(crate) input: Option<Vec<u32>>,
    /// Classes of the random examples
    #[arg(long, value_name = "N", requires = "input", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(crate) classes: Option<u32>,
    /// Threads to compute with [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Vector instructions to compute with [default: the best that the processor has]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<LevelName>,
    /// How long to measure undisturbed; the time of each step of the plan is measured after that
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Show every step in the plan's order, not only those that take longest
    #[arg(long)]
    pub(crate) all: bool,
    /// Write what each thread did when, in one step, for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Write one batch as inputs.npy and its answers as answers-0.npy and so on, to compare them with another program's; of
    /// models and ONNX files
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Say nothing on standard error but what is wrong
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelName {
    /// AVX-512F
    Avx512,
    /// AVX2 with FMA
    Avx2,
    /// Every processor's
    Portable,
}

impl LevelName {
    /// The level, if this processor has it.
    pub(crate) fn level(self) -> Option<Level> {
        let name = match self {
            LevelName::Avx512 => "avx512",
            LevelName::Avx2 => "avx2",
            LevelName::Portable => "portable",
        };
        Level::available().into_iter().find(|level| level.name() == name)
    }
}

/// A length of time that is worth measuring and worth waiting for.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds from 0.01 to 3600".to_owned()),
    }
}
