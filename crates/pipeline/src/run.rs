//! A run: the stages in their order.

use std::path::Path;

use scheme::ResolvedScheme;

use crate::error::RunError;
use crate::events::Observer;
use crate::report::RunReport;

/// How a scheme is run. Nothing of it changes the model, except the level in the last digits.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Threads, at least 1.
    pub threads: usize,
    /// Whether to go on from the newest checkpoint of the same work.
    pub resume: bool,
    /// Vector instructions.
    pub level: engine::Level,
    /// The present time, in milliseconds since 1970: the run's id and the model's date are made of it.
    pub now_unix_ms: i64,
}

/// Carries out `scheme` in the store at `store`, which is made if it does not exist.
///
/// What is in the store already is not done again. Nothing is written before scheme, data and network have passed
/// every check, so a run that ends with [`RunError::Diagnostics`] of those leaves no trace. The whole run holds the
/// store's lock.
pub fn run(
    scheme: &ResolvedScheme,
    store: &Path,
    options: &RunOptions,
    observer: &mut Observer<'_>,
) -> Result<RunReport, RunError> {
    let _ = (scheme, store, options, observer);
    Err(RunError::Interrupted)
}
