//! SQLite: one file in the store's folder, in WAL mode, durable at each commit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, Transaction, TransactionBehavior};

use crate::database::{Access, Database, Guard, Row, Rows, Value};
use crate::error::RowError;
use crate::lock::WritingLock;
use crate::{Problem, Store, StoreError};

/// Marks a SQLite file as ours: `Heir` in ASCII.
const APPLICATION_ID: i64 = 0x4865_6972;

/// Statements that lead from schema version `index` to `index + 1`. Only ever appended to.
const MIGRATIONS: [&str; 2] = [include_str!("sqlite_1.sql"), include_str!("sqlite_2.sql")];

/// The schema version that this program writes.
const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(120);

/// Whether a missing database is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Refuse,
}

/// The open database of the store in one folder.
pub(crate) struct Sqlite {
    root: PathBuf,
    connection: Connection,
}

impl Sqlite {
    /// Opens the database of the store `root` and brings it to [`SCHEMA_VERSION`].
    pub(crate) fn open(root: &Path, missing: Missing) -> Result<Self, StoreError> {
        let failed = |operation| database_error(root, operation);
        let create =
            if missing == Missing::Create { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
        let connection = Connection::open_with_flags(root.join(Store::DATABASE), flags)
            .map_err(failed("open the registry"))?;
        configure(&connection).map_err(failed("open the registry"))?;
        if schema_version(&connection, root)? < SCHEMA_VERSION {
            let _alone = WritingLock::alone(root)?;
            migrate(&connection, root)?;
        }
        Ok(Sqlite { root: root.to_owned(), connection })
    }

    /// An empty database in memory; messages say that it is at `root`.
    pub(crate) fn in_memory(root: &Path) -> Result<Self, StoreError> {
        let failed = |operation| database_error(root, operation);
        let connection = Connection::open_in_memory().map_err(failed("make a registry in memory"))?;
        configure(&connection).map_err(failed("make a registry in memory"))?;
        migrate(&connection, root)?;
        Ok(Sqlite { root: root.to_owned(), connection })
    }
}

impl Database for Sqlite {
    fn place(&self) -> String {
        self.root.join(Store::DATABASE).display().to_string()
    }

    fn transact(
        &self,
        access: Access,
        body: &mut dyn FnMut(&dyn Rows) -> Result<(), RowError>,
    ) -> Result<(), RowError> {
        let behavior = match access {
            Access::Read => TransactionBehavior::Deferred,
            Access::Write => TransactionBehavior::Immediate,
        };
        let transaction = Transaction::new_unchecked(&self.connection, behavior)?;
        body(&transaction)?;
        Ok(transaction.commit()?)
    }

    fn writing(&self) -> Result<Box<dyn Guard>, StoreError> {
        Ok(Box::new(WritingLock::shared(&self.root)?))
    }

    fn alone(&self) -> Result<Box<dyn Guard>, StoreError> {
        Ok(Box::new(WritingLock::alone(&self.root)?))
    }

    fn try_alone(&self) -> Result<Option<Box<dyn Guard>>, StoreError> {
        Ok(WritingLock::try_alone(&self.root)?.map(|lock| Box::new(lock) as Box<dyn Guard>))
    }

    fn problems(&self, rows: &dyn Rows) -> Result<Vec<Problem>, RowError> {
        let mut problems = rows.all("PRAGMA integrity_check", &[], |row| {
            Ok(Problem { what: "the registry".to_owned(), reason: row.get(0)? })
        })?;
        problems.retain(|problem| problem.reason != "ok");
        problems.extend(rows.all("PRAGMA foreign_key_check", &[], |row| {
            let reason = format!("a row speaks of one in `{}` that does not exist", row.get::<String>(2)?);
            Ok(Problem { what: format!("table `{}`", row.get::<String>(0)?), reason })
        })?);
        Ok(problems)
    }
}

impl Guard for WritingLock {}

impl Rows for Transaction<'_> {
    fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<u64, RowError> {
        let changed = self.prepare_cached(statement)?.execute(rusqlite::params_from_iter(values))?;
        Ok(changed as u64)
    }

    fn each(
        &self,
        query: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Row) -> Result<(), RowError>,
    ) -> Result<(), RowError> {
        let mut statement = self.prepare_cached(query)?;
        let mut answer = statement.query(rusqlite::params_from_iter(values))?;
        while let Some(row) = answer.next()? {
            visit(row)?;
        }
        Ok(())
    }
}

impl Row for rusqlite::Row<'_> {
    fn integer(&self, column: usize) -> Result<Option<i64>, RowError> {
        Ok(self.get_ref(column)?.as_i64_or_null().map_err(rusqlite::Error::from)?)
    }

    fn text(&self, column: usize) -> Result<Option<&str>, RowError> {
        Ok(self.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?)
    }

    fn bytes(&self, column: usize) -> Result<Option<&[u8]>, RowError> {
        Ok(self.get_ref(column)?.as_blob_or_null().map_err(rusqlite::Error::from)?)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        RowError::Statement(Box::new(error))
    }
}

/// Durable at each commit; references checked; nothing in the file may run code of its own.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(128);
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
            place: root.display().to_string(),
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

fn database_error(root: &Path, operation: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    let place = root.join(Store::DATABASE).display().to_string();
    move |source| StoreError::Database { operation, place, source: Box::new(source) }
}
