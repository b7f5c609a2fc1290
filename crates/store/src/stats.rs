//! How much there is, and how much of it is shared.

use crate::garbage::cached_bytes;
use crate::{Store, StoreError};

/// Counts and sizes of what a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Names of models.
    pub models: u64,
    /// Model versions under all names.
    pub versions: u64,
    /// Versions of registered schemes.
    pub schemes: u64,
    /// Runs.
    pub runs: u64,
    /// Finished stages in the cache.
    pub stage_results: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of all blobs, each counted once, before compression.
    pub physical_bytes: u64,
    /// Those of them that are kept only to save time: what finished stages came to. Collecting garbage with
    /// [`Collection::stages`](crate::Collection) frees them.
    pub cached_bytes: u64,
    /// Bytes that the large blobs' files take, after compression.
    pub file_bytes: u64,
    /// Bytes of all versions' graphs and tensors, as if none were shared.
    pub logical_bytes: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Bytes of all checkpoints.
    pub checkpoint_bytes: u64,
}

impl Store {
    /// Counts and sizes. Looks at rows and file lengths only.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let mut stats = self.read("count", |rows| {
            let number = |query: &str| rows.only::<u64>(query, &[]);
            Ok(Stats {
                models: number("SELECT count(DISTINCT name) FROM versions")?,
                versions: number("SELECT count(*) FROM versions")?,
                schemes: number("SELECT count(*) FROM schemes")?,
                runs: number("SELECT count(*) FROM runs")?,
                stage_results: number("SELECT count(*) FROM stage_results")?,
                blobs: number("SELECT count(*) FROM blobs")?,
                physical_bytes: number("SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM blobs")?,
                cached_bytes: cached_bytes(rows)?,
                logical_bytes: number(
                    "SELECT CAST(coalesce(sum(m.bytes), 0) AS BIGINT)
                     FROM versions v JOIN models m ON m.digest = v.model",
                )?,
                ..Stats::default()
            })
        })?;
        stats.file_bytes = self.blobs.list()?.iter().map(|(_, bytes)| bytes).sum();
        for path in self.checkpoint_files()? {
            stats.checkpoints += 1;
            stats.checkpoint_bytes += path.metadata().map_or(0, |metadata| metadata.len());
        }
        Ok(stats)
    }
}
