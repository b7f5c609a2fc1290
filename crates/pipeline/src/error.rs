//! Why a run did not come to its end.

use std::io;
use std::path::PathBuf;

use base::{Diagnostic, Diagnostics};
use data::DataError;
use store::StoreError;

/// Why a run, an export or an inference did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The user's scheme, data or model file is wrong: exit status 2.
    #[error(transparent)]
    Diagnostics(#[from] Diagnostics),
    /// A gate refused the model: exit status 3. Nothing was registered.
    #[error("{0}")]
    Refused(Diagnostics),
    /// The world failed: exit status 1.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The observer asked to stop: exit status 1. What was checkpointed can be resumed.
    #[error("the run was interrupted; go on with --resume")]
    Interrupted,
}

/// A failure of the world.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store could not do what it was asked; a store locked by another run is one case.
    #[error(transparent)]
    Store(StoreError),
    /// A data file could not be read.
    #[error(transparent)]
    Data(DataError),
    /// Any other file.
    #[error("cannot {operation} {}: {source}", path.display())]
    File {
        /// What was tried, as an infinitive.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
    /// A document in the store holds something that this program never wrote.
    #[error("{what} in the store cannot be used: {reason}")]
    Damaged {
        /// What is damaged.
        what: String,
        /// How it shows.
        reason: String,
    },
    /// The engine refused a graph that was checked before.
    #[error("the engine cannot run the model: {0}")]
    Engine(#[from] engine::EngineError),
    /// The finished model does not fit into an ONNX file.
    #[error("the model cannot be written: {0}")]
    Onnx(#[from] graph::onnx::WriteError),
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        match error.mistake() {
            Some(diagnostic) => RunError::Diagnostics(diagnostic.into()),
            None => RunError::Failed(Failure::Store(error)),
        }
    }
}

impl From<DataError> for RunError {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Invalid(diagnostics) => RunError::Diagnostics(diagnostics),
            failure => RunError::Failed(Failure::Data(failure)),
        }
    }
}

impl From<Diagnostic> for RunError {
    fn from(diagnostic: Diagnostic) -> Self {
        RunError::Diagnostics(diagnostic.into())
    }
}

impl From<engine::EngineError> for RunError {
    fn from(error: engine::EngineError) -> Self {
        RunError::Failed(error.into())
    }
}

impl From<graph::onnx::WriteError> for RunError {
    fn from(error: graph::onnx::WriteError) -> Self {
        RunError::Failed(error.into())
    }
}

impl RunError {
    pub(crate) fn damaged(what: impl Into<String>, reason: impl ToString) -> Self {
        RunError::Failed(Failure::Damaged { what: what.into(), reason: reason.to_string() })
    }

    pub(crate) fn file(operation: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        RunError::Failed(Failure::File { operation, path: path.to_owned(), source })
    }
}
