//! The rows of packed models: SQLite in memory, filled once and never changed again.

use std::path::Path;

use base::Diagnostic;

use crate::blobs::insert_blob_rows;
use crate::database::sqlite::Sqlite;
use crate::database::{Access, Database, Guard, Rows};
use crate::error::RowError;
use crate::receive::insert_versions;
use crate::{By, Package, Problem, StoreError};

/// The rows of one package.
pub(crate) struct PackedRows {
    memory: Sqlite,
    place: String,
}

/// Nobody else can change it, so nobody has to wait.
struct Nobody;

impl Guard for Nobody {}

impl PackedRows {
    /// The rows of `package`, which was checked and comes from the file `path`.
    pub(crate) fn of(package: &Package, path: &Path) -> Result<Self, StoreError> {
        let memory = Sqlite::in_memory(path)?;
        let by = By { actor: "package".to_owned(), unix_ms: 0 };
        let place = path.display().to_string();
        let filled = memory.transact(Access::Write, &mut |rows| {
            insert_blob_rows(rows, &package.blobs)?;
            insert_blob_rows(rows, &package.left_out)?;
            insert_versions(rows, package, &by).map(|_| ())
        });
        match filled {
            Ok(()) => Ok(PackedRows { memory, place }),
            Err(RowError::Store(error)) => Err(error),
            Err(RowError::Statement(source)) => {
                Err(StoreError::Database { operation: "list packed models", place, source })
            }
        }
    }

    fn unchangeable(&self) -> StoreError {
        let message = format!("{} holds packed models, which cannot be changed", self.place);
        Diagnostic::new("read-only-store", message)
            .help("name the folder of a store with `--store DIR`; `heirloom model import FILE` takes a bundle into one")
            .into()
    }
}

impl Database for PackedRows {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn check_changeable(&self) -> Result<(), StoreError> {
        Err(self.unchangeable())
    }

    fn transact(
        &self,
        access: Access,
        body: &mut dyn FnMut(&dyn Rows) -> Result<(), RowError>,
    ) -> Result<(), RowError> {
        match access {
            Access::Read => self.memory.transact(access, body),
            Access::Write => Err(self.unchangeable().into()),
        }
    }

    fn writing(&self) -> Result<Box<dyn Guard>, StoreError> {
        Err(self.unchangeable())
    }

    fn alone(&self) -> Result<Box<dyn Guard>, StoreError> {
        Err(self.unchangeable())
    }

    fn try_alone(&self) -> Result<Option<Box<dyn Guard>>, StoreError> {
        Ok(Some(Box::new(Nobody)))
    }

    fn problems(&self, rows: &dyn Rows) -> Result<Vec<Problem>, RowError> {
        self.memory.problems(rows)
    }
}
