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

/// Measures the peak of this machine, and keeps it for `heirloom profile`
///
/// What is measured decides nothing but what `heirloom profile` compares with: which kernels compute a network depends on
/// the vector instructions alone, and no result on either.
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
