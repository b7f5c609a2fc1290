//! What can go wrong, and the collector of everything that did.

use std::io;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics};

use crate::limits::DIAGNOSTICS_MAX;

/// Why data could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The user's files or settings are wrong.
    #[error(transparent)]
    Invalid(#[from] Diagnostics),
    /// The machine failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
}

impl From<Diagnostic> for DataError {
    fn from(diagnostic: Diagnostic) -> Self {
        DataError::Invalid(diagnostic.into())
    }
}

impl DataError {
    pub(crate) fn file(operation: &'static str, path: &Path, source: io::Error) -> Self {
        DataError::File { operation, path: path.to_owned(), source }
    }
}

/// Collects what is wrong so that it is reported at once; beyond [`DIAGNOSTICS_MAX`] it counts.
#[derive(Default)]
pub(crate) struct Findings {
    found: Diagnostics,
    more: usize,
}

impl Findings {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.0.len() < DIAGNOSTICS_MAX {
            self.found.push(diagnostic);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn extend(&mut self, found: impl IntoIterator<Item = Diagnostic>) {
        found.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// The value, or `None` after taking note of what is wrong. A failure of the machine passes through.
    pub(crate) fn keep<T>(&mut self, result: Result<T, DataError>) -> Result<Option<T>, DataError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(DataError::Invalid(found)) => {
                self.extend(found.0);
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// An error if anything was found.
    pub(crate) fn finish(mut self) -> Result<(), Diagnostics> {
        if self.more > 0 {
            let text = format!("{} more mistakes like these are not shown", self.more);
            self.found.push(Diagnostic::new("more-mistakes", text));
        }
        self.found.or(())
    }
}
