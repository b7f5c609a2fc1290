//! `heirloom engine`.

use clap::{Args, Subcommand};

use super::Json;

/// Commands about the engine and the machine under it.
#[derive(Debug, Subcommand)]
pub(crate) enum Engine {
    /// Shows the vector instructions, threads and caches of this machine, and what was measured of it
    Show {
        #[command(flatten)]
        json: Json,
    },
    Calibrate(Calibrate),
}

/// Measures this machine: its peak, for `heirloom profile`, and the rates by which a run chooses algorithms of convolutions
///
/// Rates decide last digits of what is trained on this machine from now on. They are recorded with every run and model; work
/// that was begun with others goes on with those, and no answer of a model depends on them.
#[derive(Debug, Args)]
pub(crate) struct Calibrate {
    /// Measure with this number of threads beside one thread [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Say nothing on standard error but what is wrong
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}
