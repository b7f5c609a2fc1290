//! `heirloom inherit rank`.

use std::time::Duration;

use clap::Args;

use super::{Json, SchemeChoice, StoreChoice};

/// Says which registered model a scheme would best start from, or whether from scratch
///
/// The newest version of every model, and those that an alias points at, are asked what they make of the scheme's own
/// training examples, before anything is trained. Nothing is trained here either; scores are kept in the store. `inherit =
/// "auto"` in [model] takes what comes first.
#[derive(Debug, Args)]
pub(crate) struct Rank {
    #[command(flatten)]
    pub(crate) scheme: SchemeChoice,
    /// Begin no further model after this time, such as 60s or 2min; the cheapest come first, and who was not reached is
    /// listed [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) budget: Option<Duration>,
    /// Threads to compute with; the result does not depend on it [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}
