//! What can go wrong: a mistake of the user's, or a failure of the world.

use std::io;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Digest};

use crate::Store;

/// Why the store could not do what it was asked.
///
/// [`StoreError::mistake`] tells the user's mistakes (exit status 2) from failures of the world
/// (exit status 1).
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder could not be read or written.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried, as an infinitive: `read`, `write`.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The database refused.
    #[error("cannot {operation} in {place}: {source}")]
    Database {
        /// What was tried, as an infinitive.
        operation: &'static str,
        /// The database.
        place: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another run holds the store.
    #[error("the store {} is locked by another run{}", path.display(), of_process(*holder))]
    Locked {
        /// The store's folder.
        path: PathBuf,
        /// The process that holds it, if it left its number.
        holder: Option<u32>,
    },
    /// Another process watches in the store.
    #[error("another `heirloom watch` works in the store {}{}", path.display(), of_process(*holder))]
    Watched {
        /// The store's folder.
        path: PathBuf,
        /// The process, if it left its number.
        holder: Option<u32>,
    },
    /// There is no store at this path.
    #[error("{} is not a store", path.display())]
    NotAStore {
        /// The path that was given.
        path: PathBuf,
    },
    /// The database was made by a newer version of this program.
    #[error(
        "the store {place} has schema version {found}, and this program knows versions up to {known}; \
         use the newer program that made it"
    )]
    UnknownSchema {
        /// The store.
        place: String,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// A blob that the rows speak of is not there.
    #[error("blob {digest} is missing: {place} does not exist")]
    MissingBlob {
        /// Its name.
        digest: Digest,
        /// Where it should be.
        place: String,
    },
    /// A blob's bytes are not those it is named after.
    #[error("blob {digest} is damaged: the bytes of {place} have digest {found}")]
    DamagedBlob {
        /// Its name.
        digest: Digest,
        /// Where it is.
        place: String,
        /// What its bytes hash to.
        found: Digest,
    },
    /// A row or a file other than a blob holds something that was never written by this program.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// What is damaged.
        what: String,
        /// How it shows.
        reason: String,
    },
    /// Something is larger than the store accepts.
    #[error("{what} has {found}, and the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size.
        found: u64,
        /// The largest size accepted.
        limit: u64,
    },
    /// The user asked for something that is not there or cannot be.
    #[error("{0}")]
    Mistake(Box<Diagnostic>),
}

impl StoreError {
    /// The user's mistake, if it is one: wrong path, unknown or ill-formed name. `None` means that
    /// the world failed.
    pub fn mistake(&self) -> Option<Diagnostic> {
        match self {
            StoreError::Mistake(diagnostic) => Some((**diagnostic).clone()),
            StoreError::NotAStore { .. } => {
                Some(Diagnostic::new("not-a-store", self.to_string()).help(format!(
                    "name a folder `{}` that `heirloom run` made, or one that does not exist yet",
                    Store::FOLDER
                )))
            }
            _ => None,
        }
    }

    pub(crate) fn damaged(what: impl Into<String>, reason: impl ToString) -> Self {
        StoreError::Damaged { what: what.into(), reason: reason.to_string() }
    }
}

impl From<Diagnostic> for StoreError {
    fn from(diagnostic: Diagnostic) -> Self {
        StoreError::Mistake(Box::new(diagnostic))
    }
}

/// `map_err(io("read", path))`.
pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { operation, path: path.to_owned(), source }
}

/// Refuses `found` beyond `limit`.
pub(crate) fn within(what: impl FnOnce() -> String, found: u64, limit: u64) -> Result<(), StoreError> {
    if found <= limit { Ok(()) } else { Err(StoreError::TooLarge { what: what(), found, limit }) }
}

/// What may fail inside a transaction: a statement, which still lacks its operation and place, or
/// anything else.
pub(crate) enum RowError {
    Statement(Box<dyn std::error::Error + Send + Sync>),
    Store(StoreError),
}

impl RowError {
    pub(crate) fn damaged(what: impl Into<String>, reason: impl ToString) -> Self {
        RowError::Store(StoreError::damaged(what, reason))
    }
}

impl From<StoreError> for RowError {
    fn from(error: StoreError) -> Self {
        RowError::Store(error)
    }
}

impl From<Diagnostic> for RowError {
    fn from(mistake: Diagnostic) -> Self {
        RowError::Store(mistake.into())
    }
}

fn of_process(holder: Option<u32>) -> String {
    holder.map_or(String::new(), |process| format!(" (process {process})"))
}
