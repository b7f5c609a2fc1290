//! Failures of the world around the log of requests.

use std::io;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics};
use thiserror::Error;

/// Why a log or a file of labels could not be used.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// A disk or a file system failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was being done: `read the log of requests`.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
    /// What the user gave is wrong.
    #[error("{0}")]
    Invalid(Diagnostics),
}

impl MonitorError {
    /// A failing file system.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| MonitorError::Io { operation, path, source }
    }
}

impl From<Diagnostic> for MonitorError {
    fn from(found: Diagnostic) -> Self {
        MonitorError::Invalid(found.into())
    }
}

impl From<Diagnostics> for MonitorError {
    fn from(found: Diagnostics) -> Self {
        MonitorError::Invalid(found)
    }
}
