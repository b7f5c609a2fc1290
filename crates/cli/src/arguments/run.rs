//! `heirloom run`.

use clap::Args;

use super::{Json, SchemeChoice, StoreChoice};

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
    /// Choose the algorithms of convolutions by the rates of the run that made this version, not by this machine's
    #[arg(long, value_name = "MODEL")]
    pub(crate) rates_of: Option<String>,
    /// Register the model although this gate refuses it; as often as needed
    #[arg(long, value_name = "GATE", requires = "reason")]
    pub(crate) override_gate: Vec<String>,
    /// Why the gates are overruled: kept with the version and in the history
    #[arg(long, value_name = "TEXT", requires = "override_gate")]
    pub(crate) reason: Option<String>,
    /// Say nothing on standard error but what is wrong
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}
