//! Why a folder of a model could not be made, listed or read.

use std::io;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Digest, Location};
use store::StoreError;

/// A model's folder could not be made, listed or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user's mistake: a target that exists, a folder that holds something else.
    #[error("{0}")]
    Mistake(Box<Diagnostic>),
    /// A file operation failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried, as an infinitive.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What the store holds contradicts itself.
    #[error("model {model} cannot be written down: {reason}")]
    Inconsistent {
        /// The model's digest.
        model: Digest,
        /// How it shows.
        reason: String,
    },
}

impl FolderError {
    /// The user's mistake, if it is one. `None` means that the world failed.
    pub fn mistake(&self) -> Option<Diagnostic> {
        match self {
            FolderError::Mistake(diagnostic) => Some((**diagnostic).clone()),
            FolderError::Store(error) => error.mistake(),
            FolderError::Io { .. } | FolderError::Inconsistent { .. } => None,
        }
    }
}

/// A mistake at `path`.
pub(crate) fn mistake(code: &'static str, message: String, path: &Path, help: &str) -> FolderError {
    let diagnostic = Diagnostic::new(code, message).label(Location::file(path), "").help(help);
    FolderError::Mistake(Box::new(diagnostic))
}

/// `map_err(io_at("read", path))`.
pub(crate) fn io_at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError::Io { operation, path: path.to_owned(), source }
}
