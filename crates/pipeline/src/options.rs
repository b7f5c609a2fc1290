//! How a scheme is run.

use crate::convolutions::Rates;
use crate::occasion::Cause;
use crate::overrides::Override;

/// How a scheme is run. Nothing of it changes the model, except level and rates in the last digits.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Threads, at least 1.
    pub threads: usize,
    /// Whether to go on from the newest checkpoint of the same work.
    pub resume: bool,
    /// Vector instructions.
    pub level: engine::Level,
    /// At which rates the algorithms of convolutions are compared.
    pub rates: Rates,
    /// The present time, in milliseconds since 1970: the run's id and the model's date are made of it.
    pub now_unix_ms: i64,
    /// Who runs, for the history.
    pub actor: String,
    /// Gates that shall not stop the run, and why.
    pub overrides: Option<Override>,
    /// What the run is made for, if not for its scheme as it is.
    pub cause: Option<Cause>,
    /// The scheme's files as they were written, the root first, to be kept beside the model; none if it was
    /// built in.
    pub scheme_sources: Vec<store::SchemeSource>,
}
