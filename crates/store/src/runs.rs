//! Runs: one row and one folder each.

use std::path::PathBuf;

use base::{Diagnostic, Digest};

use crate::database::{Row, values};
use crate::error::{RowError, io};
use crate::files::{WholeFile, sync_folders_of, write_whole};
use crate::names::check_run_id;
use crate::{RunLock, Store, StoreError};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Under way.
    Running,
    /// Came to its end.
    Finished,
    /// Came to an error.
    Failed,
    /// Its process died; it can be resumed.
    Interrupted,
}

impl RunState {
    const ALL: [RunState; 4] =
        [RunState::Running, RunState::Finished, RunState::Failed, RunState::Interrupted];

    /// The word used in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Finished => "finished",
            RunState::Failed => "failed",
            RunState::Interrupted => "interrupted",
        }
    }
}

/// A run that is about to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id: letters, digits, `.`, `_` and `-`. Also the name of its folder.
    pub id: String,
    /// Digest of the resolved scheme.
    pub scheme_digest: Digest,
    /// What makes two runs the same work; checkpoints are kept under it.
    pub key: Digest,
    /// The present time, in milliseconds since 1970.
    pub started_unix_ms: i64,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What was known at its start.
    pub record: RunRecord,
    /// How it stands.
    pub state: RunState,
    /// When it finished or failed, in milliseconds since 1970.
    pub finished_unix_ms: Option<i64>,
}

impl Store {
    /// Notes that a run starts and makes its folder. A run with the same id is resumed: it keeps
    /// its row, with the new start.
    pub fn start_run(&self, _lock: &RunLock, record: &RunRecord) -> Result<PathBuf, StoreError> {
        let folder = self.run_folder(&record.id)?;
        self.files.create_folder(&folder).map_err(io("create", &folder))?;
        sync_folders_of(&*self.files, std::iter::once(folder.as_path()))?;
        self.write("note that a run starts", |rows| {
            rows.execute(
                "INSERT INTO runs (id, scheme_digest, key, state, started_unix_ms)
                 VALUES (?1, ?2, ?3, 'running', ?4)
                 ON CONFLICT (id) DO UPDATE SET
                     scheme_digest = excluded.scheme_digest, key = excluded.key, state = excluded.state,
                     started_unix_ms = excluded.started_unix_ms, finished_unix_ms = NULL",
                values![&record.id, record.scheme_digest, record.key, record.started_unix_ms],
            )?;
            Ok(())
        })?;
        Ok(folder)
    }

    /// Notes how a run ended. Panics if `state` is [`RunState::Running`].
    pub fn finish_run(&self, id: &str, state: RunState, finished_unix_ms: i64) -> Result<(), StoreError> {
        assert_ne!(state, RunState::Running, "a run that ends is no longer running");
        self.write("note that a run ended", |rows| {
            let changed = rows.execute(
                "UPDATE runs SET state = ?2, finished_unix_ms = ?3 WHERE id = ?1",
                values![id, state.name(), finished_unix_ms],
            )?;
            if changed == 0 { Err(unknown_run(id).into()) } else { Ok(()) }
        })
    }

    /// Every run, in the order they started.
    pub fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.read("list the runs", |rows| {
            rows.all(
                "SELECT id, scheme_digest, key, state, started_unix_ms, finished_unix_ms
                 FROM runs ORDER BY started_unix_ms, id",
                &[],
                run,
            )
        })
    }

    /// The run `id`.
    ///
    /// Errors   no such run.
    pub fn run(&self, id: &str) -> Result<Run, StoreError> {
        self.read("look up a run", |rows| {
            let found = rows.first(
                "SELECT id, scheme_digest, key, state, started_unix_ms, finished_unix_ms FROM runs WHERE id = ?1",
                values![id],
                run,
            )?;
            found.ok_or_else(|| unknown_run(id).into())
        })
    }

    /// The newest run whose key is `key`, if there is one.
    pub fn newest_run_of(&self, key: Digest) -> Result<Option<Run>, StoreError> {
        let id: Option<String> = self.read("look up a run", |rows| {
            rows.first(
                "SELECT id FROM runs WHERE key = ?1 ORDER BY started_unix_ms DESC, id DESC LIMIT 1",
                values![key],
                |row| row.get(0),
            )
        })?;
        id.map(|id| self.run(&id)).transpose()
    }

    /// Where the run `id` keeps `run.json` and `events.jsonl`; [`Store::start_run`] makes it.
    ///
    /// Errors   an ill-formed id.
    pub fn run_folder(&self, id: &str) -> Result<PathBuf, StoreError> {
        check_run_id(id)?;
        Ok(self.root.join(Store::RUNS).join(id))
    }

    /// Writes a file into the folder of the run `id`, whole or not at all, replacing an older one.
    pub fn write_run_file(&self, id: &str, name: &str, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        check_run_id(name)?;
        let path = self.run_folder(id)?.join(name);
        let _writing = self.database.writing()?;
        write_whole(&*self.files, &[WholeFile { path: path.clone(), parts: vec![bytes] }])?;
        Ok(path)
    }

    /// Whoever holds the run lock knows that no other run is alive here. In a shared store, runs
    /// whose folder is elsewhere belong to other machines.
    pub(crate) fn interrupt_dead_runs(&self) -> Result<(), StoreError> {
        self.write("note that runs were interrupted", |rows| {
            let running: Vec<String> =
                rows.all("SELECT id FROM runs WHERE state = 'running' ORDER BY id", &[], |row| row.get(0))?;
            for id in running {
                if !self.database.is_shared() || self.run_folder(&id)?.is_dir() {
                    rows.execute("UPDATE runs SET state = 'interrupted' WHERE id = ?1", values![&id])?;
                }
            }
            Ok(())
        })
    }
}

fn run(row: &dyn Row) -> Result<Run, RowError> {
    let id: String = row.get(0)?;
    let what = || format!("the row of run `{id}`");
    let state: String = row.get(3)?;
    let state = RunState::ALL
        .into_iter()
        .find(|known| known.name() == state)
        .ok_or_else(|| StoreError::damaged(what(), format!("unknown state `{state}`")))?;
    let record = RunRecord {
        scheme_digest: row.get(1)?,
        key: row.get(2)?,
        started_unix_ms: row.get(4)?,
        id: id.clone(),
    };
    Ok(Run { record, state, finished_unix_ms: row.get(5)? })
}

fn unknown_run(id: &str) -> Diagnostic {
    Diagnostic::new("unknown-run", format!("there is no run `{}`", id.escape_debug()))
}
