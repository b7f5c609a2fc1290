//! Why a model could not be packaged.

use std::io;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics};
use pipeline::RunError;
use provenance::FolderError;
use store::StoreError;

/// A model could not be packaged.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The user's mistakes: an output that exists, a system for which there is no such form.
    #[error("{0}")]
    Mistakes(Diagnostics),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model could not be loaded or written as ONNX.
    #[error(transparent)]
    Model(#[from] RunError),
    /// Its signed form could not be made, or the folder not written.
    #[error(transparent)]
    Folder(#[from] FolderError),
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
    /// A document could not be written as JSON.
    #[error("cannot write a document: {0}")]
    Document(#[from] serde_json::Error),
}

impl From<Diagnostic> for PackageError {
    fn from(mistake: Diagnostic) -> Self {
        PackageError::Mistakes(mistake.into())
    }
}

/// `map_err(io_at("read", path))`.
pub(crate) fn io_at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PackageError {
    move |source| PackageError::Io { operation, path: path.to_owned(), source }
}
