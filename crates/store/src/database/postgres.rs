//! PostgreSQL: one schema of a database, for a store that many machines share.
//!
//! Writers enter one at a time behind an advisory lock that is held until their commit is visible, so
//! what they see is what all earlier ones left, and the history's order is the order of effect. The
//! lock between writers of blobs and whoever removes some is an advisory lock of the session: the
//! server gives it back when the process dies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{Diagnostic, Digest};
use postgres::config::SslMode;
use postgres::types::{ToSql, Type};
use postgres::{Client, Config, GenericClient, NoTls, Statement};

use crate::address::{BlobAddress, DatabaseAddress, SharedAddress};
use crate::database::postgres_values::{Mismatch, Raw, parameters, type_of};
use crate::database::sqlite::Missing;
use crate::database::{Access, Database, Guard, Row, Rows, Value};
use crate::error::RowError;
use crate::{Problem, StoreError};

/// The first schema version that PostgreSQL ever had; the numbers are those of SQLite's schema.
const FIRST_VERSION: i64 = 2;

/// Statements that lead to schema version `FIRST_VERSION + index`. Only ever appended to.
const MIGRATIONS: [&str; 1] = [include_str!("postgres_2.sql")];

/// The schema version that this program writes.
const SCHEMA_VERSION: i64 = FIRST_VERSION + MIGRATIONS.len() as i64 - 1;

/// The setting that says where the blobs are.
const BLOBS: &str = "blobs";

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A commit returns once it is on the disk; nobody waits for a lock forever.
const CONFIGURE: &str = "SET lock_timeout = '120s'; SET client_min_messages = 'warning';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// The open database of a shared store.
pub(crate) struct Postgres {
    place: String,
    writers: i64,
    blobs: i64,
    session: Arc<Mutex<Session>>,
}

impl Postgres {
    /// Opens the schema that `address` names, brings it to [`SCHEMA_VERSION`], and says where the
    /// store's blobs are.
    ///
    /// Errors   a server that cannot be reached; a schema that is none of ours, or newer; blobs
    /// elsewhere than the address says.
    pub(crate) fn open(address: &SharedAddress, missing: Missing) -> Result<(Self, BlobAddress), StoreError> {
        let SharedAddress { database: address, blobs } = address;
        let place = address.to_string();
        let failed = |error| failure("open the registry", &place, error);
        let mut client =
            configuration(address)?.connect_timeout(CONNECT_TIMEOUT).connect(NoTls).map_err(failed)?;
        client.batch_execute(CONFIGURE).map_err(failed)?;
        let schema = &address.schema;
        client.batch_execute(&format!("SET search_path = {schema}")).map_err(failed)?;
        let lock = |purpose: &str| lock_key(schema, purpose);
        let opened = Postgres {
            place: place.clone(),
            writers: lock("writers"),
            blobs: lock("blobs"),
            session: Arc::new(Mutex::new(Session {
                client,
                statements: HashMap::new(),
                in_transaction: false,
            })),
        };
        let blobs =
            opened.session().prepare_schema(schema, &place, missing, opened.writers, blobs.as_ref())?;
        Ok((opened, blobs))
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        lock_session(&self.session)
    }

    fn wait_for(&self, statement: &'static str, release: &'static str) -> Result<Box<dyn Guard>, StoreError> {
        let outcome = self.session().client.execute(statement, &[&self.blobs]);
        outcome.map_err(|error| failure("wait for other writers", &self.place, error))?;
        Ok(self.guard(release))
    }

    fn guard(&self, release: &'static str) -> Box<dyn Guard> {
        Box::new(AdvisoryLock { session: self.session.clone(), key: self.blobs, release })
    }
}

impl Database for Postgres {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn transact(
        &self,
        access: Access,
        body: &mut dyn FnMut(&dyn Rows) -> Result<(), RowError>,
    ) -> Result<(), RowError> {
        let begin = match access {
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
            // Each statement behind the lock sees what was committed before it.
            Access::Write => {
                format!(
                    "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({})",
                    self.writers
                )
            }
        };
        if std::mem::replace(&mut self.session().in_transaction, true) {
            // The server would only warn, and end both with the inner one.
            return Err(RowError::Statement("a transaction inside another".into()));
        }
        let transaction = Transaction { session: &self.session, open: true };
        self.session().client.batch_execute(&begin)?;
        body(&transaction)?;
        transaction.commit()
    }

    fn writing(&self) -> Result<Box<dyn Guard>, StoreError> {
        self.wait_for("SELECT pg_advisory_lock_shared($1)", "SELECT pg_advisory_unlock_shared($1)")
    }

    fn alone(&self) -> Result<Box<dyn Guard>, StoreError> {
        self.wait_for("SELECT pg_advisory_lock($1)", "SELECT pg_advisory_unlock($1)")
    }

    fn try_alone(&self) -> Result<Option<Box<dyn Guard>>, StoreError> {
        let row = self.session().client.query_one("SELECT pg_try_advisory_lock($1)", &[&self.blobs]);
        let taken: bool = row
            .and_then(|row| row.try_get(0))
            .map_err(|error| failure("see whether somebody writes", &self.place, error))?;
        Ok(taken.then(|| self.guard("SELECT pg_advisory_unlock($1)")))
    }

    fn problems(&self, _rows: &dyn Rows) -> Result<Vec<Problem>, RowError> {
        // The server checks its pages and every reference itself.
        Ok(Vec::new())
    }
}

/// The connection and the statements prepared on it.
struct Session {
    client: Client,
    statements: HashMap<(String, Vec<Type>), Statement>,
    in_transaction: bool,
}

impl Session {
    /// Prepares a statement once. The types are those of the values, so that none is guessed.
    fn statement(&mut self, text: &str, values: &[Value<'_>]) -> Result<Statement, postgres::Error> {
        let key = (text.to_owned(), values.iter().map(type_of).collect::<Vec<_>>());
        if let Some(statement) = self.statements.get(&key) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare_typed(&numbered(text), &key.1)?;
        self.statements.insert(key, statement.clone());
        Ok(statement)
    }

    /// Makes the schema if that is wanted, and runs the missing migrations in one transaction.
    fn prepare_schema(
        &mut self,
        schema: &str,
        place: &str,
        missing: Missing,
        writers: i64,
        wanted: Option<&BlobAddress>,
    ) -> Result<BlobAddress, StoreError> {
        let failed = |error| failure("update the schema", place, error);
        if schema_version(&mut self.client, schema, place)? == Some(SCHEMA_VERSION) {
            return blob_place(&mut self.client, place, wanted);
        }
        let mut transaction = self.client.transaction().map_err(failed)?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&writers]).map_err(failed)?;
        let known = schema_version(&mut transaction, schema, place)?; // another process may have been first
        if known.is_none() && missing == Missing::Refuse {
            return Err(StoreError::NotAStore { path: place.into() });
        }
        if known.is_none() {
            let create = format!(
                "CREATE SCHEMA IF NOT EXISTS {schema};
                 CREATE TABLE schema_version (version BIGINT NOT NULL); INSERT INTO schema_version VALUES (0)"
            );
            transaction.batch_execute(&create).map_err(failed)?;
        }
        let done = known.map_or(0, |version| version - FIRST_VERSION + 1);
        for migration in &MIGRATIONS[usize::try_from(done).unwrap_or(0)..] {
            transaction.batch_execute(migration).map_err(failed)?;
        }
        transaction.execute("UPDATE schema_version SET version = $1", &[&SCHEMA_VERSION]).map_err(failed)?;
        if known.is_none() {
            let blobs = wanted.ok_or_else(|| no_blob_place(place))?.to_string();
            let note = "INSERT INTO settings (key, value) VALUES ($1, $2)";
            transaction.execute(note, &[&BLOBS, &blobs]).map_err(failed)?;
        }
        let blobs = blob_place(&mut transaction, place, wanted)?;
        transaction.commit().map_err(failed)?;
        Ok(blobs)
    }
}

/// Where the store was told that its blobs are, which must not be elsewhere than `wanted`.
fn blob_place(
    client: &mut impl GenericClient,
    place: &str,
    wanted: Option<&BlobAddress>,
) -> Result<BlobAddress, StoreError> {
    let row = client.query_opt("SELECT value FROM settings WHERE key = $1", &[&BLOBS]);
    let noted = row.and_then(|row| row.map(|row| row.try_get::<_, String>(0)).transpose());
    let noted = noted.map_err(|error| failure("look up where blobs are", place, error))?;
    let noted = noted.ok_or_else(|| StoreError::damaged(place, "it does not say where its blobs are"))?;
    let noted = BlobAddress::parse(&noted)?;
    match wanted {
        Some(wanted) if *wanted != noted => {
            let message = format!("the blobs of {place} are in {noted}, not in {wanted}");
            Err(Diagnostic::new("blobs-elsewhere", message)
                .help(format!("leave `blobs` out of the address, or write `blobs={noted}`"))
                .into())
        }
        _ => Ok(noted),
    }
}

fn no_blob_place(place: &str) -> Diagnostic {
    Diagnostic::new("no-blob-place", format!("{place} is new, and its address does not say where blobs go"))
        .help("add `blobs=s3://bucket/prefix` or `blobs=/a/folder/that/all/machines/mount`")
}

/// The version of a schema of ours; `None` if there is none, or an empty one.
fn schema_version(
    client: &mut impl GenericClient,
    schema: &str,
    place: &str,
) -> Result<Option<i64>, StoreError> {
    let failed = |error| failure("read the schema version", place, error);
    let tables = client
        .query("SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = $1", &[&schema])
        .map_err(failed)?;
    if tables.is_empty() {
        return Ok(None);
    }
    if !tables.iter().any(|row| row.get::<_, String>(0) == "schema_version") {
        return Err(StoreError::NotAStore { path: place.into() });
    }
    let row = client.query_one("SELECT version FROM schema_version", &[]).map_err(failed)?;
    let found: i64 = row.try_get(0).map_err(failed)?;
    if !(FIRST_VERSION..=SCHEMA_VERSION).contains(&found) {
        return Err(StoreError::UnknownSchema { place: place.to_owned(), found, known: SCHEMA_VERSION });
    }
    Ok(Some(found))
}

/// One transaction; rolled back when dropped.
struct Transaction<'a> {
    session: &'a Mutex<Session>,
    open: bool,
}

impl Transaction<'_> {
    fn commit(mut self) -> Result<(), RowError> {
        // A transaction in which a statement failed would be rolled back by COMMIT without an error;
        // the statement before it fails then.
        lock_session(self.session).client.batch_execute("SELECT 1; COMMIT")?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let mut session = lock_session(self.session);
        if self.open {
            // If this fails, so does everything after it on this connection.
            let _ = session.client.batch_execute("ROLLBACK");
        }
        session.in_transaction = false;
    }
}

impl Rows for Transaction<'_> {
    fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<u64, RowError> {
        let mut session = lock_session(self.session);
        let statement = session.statement(statement, values)?;
        let parameters = parameters(values, statement.params());
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|each| &**each).collect();
        Ok(session.client.execute(&statement, &parameters)?)
    }

    fn each(
        &self,
        query: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Row) -> Result<(), RowError>,
    ) -> Result<(), RowError> {
        let rows = {
            let mut session = lock_session(self.session);
            let statement = session.statement(query, values)?;
            let parameters = parameters(values, statement.params());
            let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|each| &**each).collect();
            session.client.query(&statement, &parameters)?
        };
        rows.iter().try_for_each(|row| visit(row))
    }
}

impl Row for postgres::Row {
    fn integer(&self, column: usize) -> Result<Option<i64>, RowError> {
        Ok(self.try_get::<_, Raw<'_>>(column)?.integer()?)
    }

    fn text(&self, column: usize) -> Result<Option<&str>, RowError> {
        Ok(self.try_get::<_, Raw<'_>>(column)?.text()?)
    }

    fn bytes(&self, column: usize) -> Result<Option<&[u8]>, RowError> {
        Ok(self.try_get::<_, Raw<'_>>(column)?.bytes()?)
    }
}

impl From<postgres::Error> for RowError {
    fn from(error: postgres::Error) -> Self {
        RowError::Statement(Box::new(Refusal(error)))
    }
}

/// What the server or the connection says, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{}", told(.0))]
struct Refusal(postgres::Error);

fn told(error: &postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(refusal), _) => refusal.message().to_owned(),
        (None, Some(source)) if !error.to_string().contains(&source.to_string()) => {
            format!("{error}: {source}")
        }
        (None, _) => error.to_string(),
    }
}

fn failure(operation: &'static str, place: &str, error: postgres::Error) -> StoreError {
    StoreError::Database { operation, place: place.to_owned(), source: Box::new(Refusal(error)) }
}

impl From<Mismatch> for RowError {
    fn from(mismatch: Mismatch) -> Self {
        RowError::Statement(mismatch)
    }
}

/// An advisory lock of the session.
struct AdvisoryLock {
    session: Arc<Mutex<Session>>,
    key: i64,
    release: &'static str,
}

impl Guard for AdvisoryLock {}

impl Drop for AdvisoryLock {
    fn drop(&mut self) {
        // If this fails the connection is gone, and the lock with it.
        let _ = lock_session(&self.session).client.execute(self.release, &[&self.key]);
    }
}

/// A panic elsewhere leaves nothing half done here: the server knows the state of the transaction.
fn lock_session(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that only this store and this purpose have in the database.
fn lock_key(schema: &str, purpose: &str) -> i64 {
    let digest = Digest::of(format!("heirloom {schema} {purpose}").as_bytes());
    // A digest has 32 bytes, 64 hexadecimal digits.
    digest.to_string()[..16]
        .bytes()
        .fold(0i64, |key, digit| (key << 4) | i64::from((digit as char).to_digit(16).unwrap_or(0)))
}

/// `?1` as PostgreSQL writes it: `$1`.
fn numbered(statement: &str) -> String {
    statement.replace('?', "$")
}

/// How to reach the server. Encryption is refused in words rather than left out in silence.
fn configuration(address: &DatabaseAddress) -> Result<Config, StoreError> {
    let mut config: Config =
        address.url.parse().map_err(|error: postgres::Error| address.ill_formed(&error))?;
    if config.get_ssl_mode() == SslMode::Require {
        return Err(address.no_encryption().into());
    }
    if config.get_password().is_none()
        && let Ok(password) = std::env::var("PGPASSWORD")
    {
        config.password(password);
    }
    Ok(config)
}
