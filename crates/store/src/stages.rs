//! The stage cache: what a finished stage came to, under its content key.

use base::Digest;
use serde_json::Value;

use crate::database::values;
use crate::error::within;
use crate::limits::STAGE_BLOBS_MAX;
use crate::register::document_text;
use crate::{Store, StoreError};

/// What a stage came to.
#[derive(Debug, Clone, PartialEq)]
pub struct StageResult {
    /// The stage's own account.
    pub result: Value,
    /// The blobs it made, in its own order. Keep them with [`Store::put`] first.
    pub blobs: Vec<Digest>,
}

impl Store {
    /// What the stage with the content key `key` came to, if it ever finished. Whether the blobs
    /// are intact shows when they are read; [`Store::stage_remove`] forgets a result that is not.
    pub fn stage_get(&self, key: Digest) -> Result<Option<StageResult>, StoreError> {
        let what = || format!("the result of stage {key}");
        self.read("look up a stage's result", |rows| {
            let text: Option<String> =
                rows.first("SELECT result FROM stage_results WHERE key = ?1", values![key], |row| {
                    row.get(0)
                })?;
            let Some(text) = text else { return Ok(None) };
            let result = serde_json::from_str(&text).map_err(|error| StoreError::damaged(what(), error))?;
            let blobs = rows.all(
                "SELECT blob FROM stage_blobs WHERE key = ?1 ORDER BY position",
                values![key],
                |row| row.get(0),
            )?;
            Ok(Some(StageResult { result, blobs }))
        })
    }

    /// Remembers what the stage with the content key `key` came to, in place of what it came to before.
    ///
    /// Errors   [`StoreError::MissingBlob`] for a blob that was never put.
    pub fn stage_put(&self, key: Digest, stage: &StageResult) -> Result<(), StoreError> {
        let text = document_text("a stage's result", &stage.result)?;
        within(|| "the list of a stage's blobs".to_owned(), stage.blobs.len() as u64, STAGE_BLOBS_MAX)?;
        let _writing = self.database.writing()?;
        self.write("keep a stage's result", |rows| {
            rows.execute("DELETE FROM stage_results WHERE key = ?1", values![key])?;
            rows.execute("INSERT INTO stage_results (key, result) VALUES (?1, ?2)", values![key, &text])?;
            for (position, &digest) in stage.blobs.iter().enumerate() {
                if !rows.exists("SELECT 1 FROM blobs WHERE digest = ?1", values![digest])? {
                    return Err(self.missing(digest).into());
                }
                rows.execute(
                    "INSERT INTO stage_blobs (key, position, blob) VALUES (?1, ?2, ?3)",
                    values![key, position as i64, digest],
                )?;
            }
            Ok(())
        })
    }

    /// Forgets what the stage with the content key `key` came to.
    pub fn stage_remove(&self, key: Digest) -> Result<(), StoreError> {
        self.write("forget a stage's result", |rows| {
            rows.execute("DELETE FROM stage_results WHERE key = ?1", values![key])?;
            Ok(())
        })
    }
}
