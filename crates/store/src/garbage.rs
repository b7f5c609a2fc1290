//! Removing what nothing points to.
//!
//! Rows go first, in one transaction, and files after: whatever moment a process is killed at, no row
//! speaks of a file that is gone, and the next collection finds what remains.

use std::collections::BTreeSet;

use base::Digest;

use crate::blobs::Encoding;
use crate::database::{Rows, values};
use crate::error::RowError;
use crate::{Store, StoreError};

/// Every column that speaks of a blob for good, as one query.
const KEPT: &str =
    "SELECT blob FROM model_blobs UNION SELECT scheme FROM versions UNION SELECT blob FROM version_blobs
    UNION SELECT resolved FROM schemes UNION SELECT sources FROM schemes";
/// The column that speaks of the blobs of finished stages, which could be made again.
const STAGES: &str = "SELECT blob FROM stage_blobs";

/// What to collect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collection {
    /// Forget the results of finished stages too: nothing but time is lost.
    pub stages: bool,
    /// Change nothing, only say what would go.
    pub dry_run: bool,
}

/// What nothing points to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Garbage {
    /// Blobs and their lengths.
    pub blobs: Vec<(Digest, u64)>,
    /// Files among the blobs that no row speaks of, and their lengths.
    pub files: Vec<(String, u64)>,
    /// Results of finished stages.
    pub stage_results: u64,
}

impl Garbage {
    /// The bytes that go, before compression.
    pub fn bytes(&self) -> u64 {
        let blobs = self.blobs.iter().map(|(_, bytes)| bytes);
        blobs.chain(self.files.iter().map(|(_, bytes)| bytes)).sum()
    }
}

impl Store {
    /// Removes, or with `dry_run` lists, what nothing points to: blobs, files left by killed processes.
    /// Waits until nobody writes.
    pub fn collect_garbage(&self, collection: Collection) -> Result<Garbage, StoreError> {
        let _alone = self.database.alone()?;
        if collection.dry_run {
            return self.read("look for garbage", |rows| self.garbage(rows, collection.stages));
        }
        self.sweep()?;
        let garbage = self.write("remove garbage", |rows| {
            let garbage = self.garbage(rows, collection.stages)?;
            if collection.stages {
                rows.execute("DELETE FROM stage_results", &[])?;
            }
            for (digest, _) in &garbage.blobs {
                rows.execute("DELETE FROM blobs WHERE digest = ?1", values![*digest])?;
            }
            Ok(garbage)
        })?;
        let removed: BTreeSet<Digest> = garbage.blobs.iter().map(|(digest, _)| *digest).collect();
        let loose: BTreeSet<&str> = garbage.files.iter().map(|(key, _)| key.as_str()).collect();
        for (key, _) in self.blobs.list()? {
            let unwanted = Encoding::of_key(&key).is_some_and(|(digest, _)| removed.contains(&digest));
            if unwanted || loose.contains(key.as_str()) {
                self.blobs.remove(&key)?;
            }
        }
        Ok(garbage)
    }

    fn garbage(&self, rows: &dyn Rows, stages: bool) -> Result<Garbage, RowError> {
        let referenced = match stages {
            true => KEPT.to_owned(),
            false => format!("{KEPT} UNION {STAGES}"),
        };
        let blobs = rows.all(
            &format!("SELECT digest, bytes FROM blobs WHERE digest NOT IN ({referenced}) ORDER BY digest"),
            &[],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut files = Vec::new();
        for (key, bytes) in self.blobs.list()? {
            let digest = Encoding::of_key(&key).map(|(digest, _)| digest);
            let spoken_of = match digest {
                Some(digest) => file_is_wanted(rows, digest, &key)?,
                None => false,
            };
            if !spoken_of {
                files.push((key, bytes));
            }
        }
        let stage_results = if stages { rows.only("SELECT count(*) FROM stage_results", &[])? } else { 0 };
        Ok(Garbage { blobs, files, stage_results })
    }
}

/// The bytes of blobs that only finished stages speak of.
pub(crate) fn cached_bytes(rows: &dyn Rows) -> Result<u64, RowError> {
    let query = format!(
        "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM blobs WHERE digest IN ({STAGES}) AND digest NOT IN ({KEPT})"
    );
    rows.only(&query, &[])
}

/// Whether a row says that the blob `digest` is in the file `key`.
fn file_is_wanted(rows: &dyn Rows, digest: Digest, key: &str) -> Result<bool, RowError> {
    let encoding: Option<String> = rows.first(
        "SELECT encoding FROM blobs WHERE digest = ?1 AND content IS NULL",
        values![digest],
        |row| row.get(0),
    )?;
    Ok(encoding.and_then(|name| Encoding::of_name(&name)).is_some_and(|encoding| encoding.key(digest) == key))
}
