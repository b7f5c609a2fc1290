//! `heirloom inherit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Json, Rank, SchemeChoice, StoreChoice};

/// What to do about a parent.
#[derive(Debug, Subcommand)]
pub(crate) enum Inherit {
    Rank(Rank),
    /// Says tensor by tensor what a scheme's network takes over from its parent
    ///
    /// Reads the data and the parent; trains nothing and writes nothing. A run makes the same plan before it trains,
    /// stops if a tensor is refused, and keeps the plan beside the model.
    Plan {
        #[command(flatten)]
        scheme: SchemeChoice,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    Prove(Prove),
}

/// Trains a scheme with and without its parent, and says whether inheriting pays
///
/// For each share of the training part and each seed the network is trained twice, on the same labels, by the scheme's
/// own [train]: from its parent, and from its own start. What is compared is the accuracy on the test part. Every single
/// training is kept in the store: an interrupted proof goes on, and a repeated one trains nothing.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    #[command(flatten)]
    pub(crate) scheme: SchemeChoice,
    /// Shares of the training part, each above 0 and at most 1; every class keeps at least one example
    #[arg(long, value_name = "SHARE,...", value_delimiter = ',', default_value = "0.01,0.05,0.2,1")]
    pub(crate) fractions: Vec<f64>,
    /// How many seeds, from the scheme's own on; intervals need two or more
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,
    /// Draw the curves to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Show the newest proof of this scheme that the store keeps, and train nothing
    #[arg(long, conflicts_with_all = ["fractions", "seeds"])]
    pub(crate) last: bool,
    /// Threads to compute with; nothing but the time depends on it [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Say nothing on standard error but what is wrong
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}
