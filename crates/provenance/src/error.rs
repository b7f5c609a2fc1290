//! Why a folder of a model could not be made, listed or read.

use std::io;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics, Digest, Location};
use store::StoreError;

/// A model's folder could not be made, listed or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user's mistakes: a target that exists, a folder that holds something else, a signature that
    /// does not hold.
    #[error("{0}")]
    Mistakes(Diagnostics),
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
    /// The user's mistakes, if it is that. `None` means that the world failed.
    pub fn mistakes(&self) -> Option<Diagnostics> {
        match self {
            FolderError::Mistakes(found) => Some(found.clone()),
            FolderError::Store(error) => error.mistake().map(Diagnostics::from),
            FolderError::Io { .. } | FolderError::Inconsistent { .. } => None,
        }
    }
}

impl From<Diagnostics> for FolderError {
    fn from(found: Diagnostics) -> Self {
        FolderError::Mistakes(found)
    }
}

/// A mistake at `path`.
pub(crate) fn mistake(code: &'static str, message: String, path: &Path, help: &str) -> FolderError {
    let diagnostic = Diagnostic::new(code, message).label(Location::file(path), "").help(help);
    FolderError::Mistakes(diagnostic.into())
}

/// `map_err(io_at("read", path))`.
pub(crate) fn io_at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError::Io { operation, path: path.to_owned(), source }
}
