//! Opening the registry's database, its schema versions, and its transactions.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{RowError, io};
use crate::lock::WritingLock;
use crate::{Store, StoreError};

/// Marks a SQLite file as ours: `Heir` in ASCII.
const APPLICATION_ID: i64 = 0x4865_6972;

/// Statements that lead from schema version `index` to `index + 1`. Only ever appended to.
const MIGRATIONS: [&str; 1] = [include_str!("schema_1.sql")];

/// The schema version that this program writes.
const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether a missing database is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Refuse,
}

/// Opens the database of the store `root` and brings it to [`SCHEMA_VERSION`].
pub(crate) fn open(root: &Path, missing: Missing) -> Result<Connection, StoreError> {
    let failed = |operation| database_error(root, operation);
    let create = if missing == Missing::Create { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let connection = Connection::open_with_flags(root.join(Store::DATABASE), flags)
        .map_err(failed("open the registry"))?;
    configure(&connection).map_err(failed("open the registry"))?;
    if schema_version(&connection, root)? < SCHEMA_VERSION {
        let _alone = WritingLock::alone(root)?;
        migrate(&connection, root)?;
    }
    Ok(connection)
}

/// Durable at each commit; references checked; nothing in the file may run code of its own.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")
}

/// The schema version of a database of ours; 0 if it is still empty.
fn schema_version(connection: &Connection, root: &Path) -> Result<i64, StoreError> {
    let (version, application, objects) =
        header(connection).map_err(database_error(root, "read the schema version"))?;
    if version == 0 && application == 0 && objects == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(StoreError::NotAStore { path: root.to_owned() });
    }
    if !(1..=SCHEMA_VERSION).contains(&version) {
        return Err(StoreError::UnknownSchema {
            path: root.to_owned(),
            found: version,
            known: SCHEMA_VERSION,
        });
    }
    Ok(version)
}

fn header(connection: &Connection) -> rusqlite::Result<(i64, i64, i64)> {
    let snapshot = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let version = snapshot.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application = snapshot.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let objects = snapshot.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    Ok((version, application, objects))
}

/// Runs the missing migrations in one transaction: a kill leaves the old schema or the new one.
fn migrate(connection: &Connection, root: &Path) -> Result<(), StoreError> {
    let failed = || database_error(root, "update the schema");
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed())?;
    let version = schema_version(connection, root)?; // another process may have been first
    let transaction =
        Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(failed())?;
    for migration in &MIGRATIONS[version as usize..] {
        transaction.execute_batch(migration).map_err(failed())?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed())?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(failed())?;
    transaction.commit().map_err(failed())
}

impl Store {
    /// Reads from one snapshot of the rows.
    pub(crate) fn read<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Connection) -> Result<T, RowError>,
    ) -> Result<T, StoreError> {
        self.transact(operation, TransactionBehavior::Deferred, |transaction| {
            body(&transaction).map_err(|error| self.row_error(operation, error))
        })
    }

    /// Changes rows: all of what `body` does, or nothing. Waits for other writers first.
    pub(crate) fn write<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Connection) -> Result<T, RowError>,
    ) -> Result<T, StoreError> {
        self.transact(operation, TransactionBehavior::Immediate, |transaction| {
            let value = body(&transaction).map_err(|error| self.row_error(operation, error))?;
            self.files.before_commit().map_err(io("commit rows to", &self.root))?;
            transaction.commit().map_err(database_error(&self.root, operation))?;
            Ok(value)
        })
    }

    fn transact<T>(
        &self,
        operation: &'static str,
        behavior: TransactionBehavior,
        body: impl FnOnce(Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        body(
            Transaction::new_unchecked(&self.database, behavior)
                .map_err(database_error(&self.root, operation))?,
        )
    }

    fn row_error(&self, operation: &'static str, error: RowError) -> StoreError {
        match error {
            RowError::Statement(source) => database_error(&self.root, operation)(source),
            RowError::Store(error) => error,
        }
    }
}

fn database_error(root: &Path, operation: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    let path = root.join(Store::DATABASE);
    move |source| StoreError::Database { operation, path, source }
}
