//! The registry's database: transactions over rows, and the locks that go with them.
//!
//! Which database it is, only the files beside this one know.

pub(crate) mod packed;
pub(crate) mod postgres;
mod postgres_values;
pub(crate) mod rows;
pub(crate) mod sqlite;

use crate::error::{RowError, io};
use crate::{Store, StoreError};

pub(crate) use rows::{Row, Rows, Value, values};

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// One snapshot of the rows.
    Read,
    /// All changes or none; one writer at a time, others wait.
    Write,
}

/// Given back when dropped, or when the process dies.
pub(crate) trait Guard {}

/// A database that holds one store's rows.
pub(crate) trait Database: Send {
    /// Where it is, for messages. Holds no password.
    fn place(&self) -> String;

    /// Whether other machines use it too.
    fn is_shared(&self) -> bool {
        false
    }

    /// Refuses what would change something, if nothing can be.
    fn check_changeable(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Runs `body` in one transaction and commits if it succeeds. Writers take effect in the order
    /// in which they enter.
    fn transact(
        &self,
        access: Access,
        body: &mut dyn FnMut(&dyn Rows) -> Result<(), RowError>,
    ) -> Result<(), RowError>;

    /// Shared by everyone between writing a blob and committing the rows that speak of it.
    fn writing(&self) -> Result<Box<dyn Guard>, StoreError>;

    /// Held by whoever removes blobs or temporary files: nobody else is writing. Waits.
    fn alone(&self) -> Result<Box<dyn Guard>, StoreError>;

    /// As [`Database::alone`], but `None` if somebody is writing.
    fn try_alone(&self) -> Result<Option<Box<dyn Guard>>, StoreError>;

    /// What the database itself finds wrong: damaged pages, references that lead nowhere.
    fn problems(&self, rows: &dyn Rows) -> Result<Vec<crate::Problem>, RowError>;
}

impl Store {
    /// Reads from one snapshot of the rows.
    pub(crate) fn read<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&dyn Rows) -> Result<T, RowError>,
    ) -> Result<T, StoreError> {
        self.transact(operation, Access::Read, body)
    }

    /// Changes rows: all of what `body` does, or nothing. Waits for other writers first.
    pub(crate) fn write<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&dyn Rows) -> Result<T, RowError>,
    ) -> Result<T, StoreError> {
        self.transact(operation, Access::Write, |rows| {
            let value = body(rows)?;
            self.files.before_commit().map_err(io("commit rows to", &self.root))?;
            Ok(value)
        })
    }

    fn transact<T>(
        &self,
        operation: &'static str,
        access: Access,
        body: impl FnOnce(&dyn Rows) -> Result<T, RowError>,
    ) -> Result<T, StoreError> {
        let (mut body, mut value) = (Some(body), None);
        let outcome = self.database.transact(access, &mut |rows| {
            // A database runs the body once.
            if let Some(body) = body.take() {
                value = Some(body(rows)?);
            }
            Ok(())
        });
        match (outcome, value) {
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => Err(StoreError::damaged(operation, "the database did not run it")),
            (Err(RowError::Store(error)), _) => Err(error),
            (Err(RowError::Statement(source)), _) => {
                Err(StoreError::Database { operation, place: self.database.place(), source })
            }
        }
    }
}
