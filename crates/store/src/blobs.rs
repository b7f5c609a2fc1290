//! Bytes named by their digest, one file each: `blobs/ab/cdef...`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base::Digest;
use rusqlite::{Connection, params};

use crate::error::{RowError, io, within};
use crate::files::{WholeFile, sync_folders_of, write_whole};
use crate::limits::BLOB_BYTES_MAX;
use crate::{Store, StoreError};

impl Store {
    /// Keeps `bytes` and returns their name. Keeping the same bytes again costs a comparison, and
    /// repairs a damaged copy.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let _writing = self.writing()?;
        let blobs = [Blob::of(bytes)];
        self.write_blobs(&blobs)?;
        self.write("keep a blob", |rows| insert_blobs(rows, &blobs))?;
        Ok(blobs[0].digest)
    }

    /// The bytes called `digest`, hashed again on the way.
    ///
    /// Errors   [`StoreError::MissingBlob`], [`StoreError::DamagedBlob`]; the world.
    pub fn get(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(digest);
        let bytes = read_limited(&path, BLOB_BYTES_MAX).map_err(|error| match error {
            StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                StoreError::MissingBlob { digest, path: path.clone() }
            }
            error => error,
        })?;
        let found = Digest::of(&bytes);
        if found == digest { Ok(bytes) } else { Err(StoreError::DamagedBlob { digest, path, found }) }
    }

    /// Whether there is a blob called `digest`; its bytes are not looked at.
    pub fn contains(&self, digest: Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// Where the blob called `digest` is kept.
    pub(crate) fn blob_path(&self, digest: Digest) -> PathBuf {
        let text = digest.to_string();
        self.root.join(Store::BLOBS).join(&text[..2]).join(&text[2..])
    }

    /// Makes `blobs` durable. The caller holds the writing lock until their rows are committed.
    pub(crate) fn write_blobs(&self, blobs: &[Blob<'_>]) -> Result<(), StoreError> {
        let mut wanted: Vec<&Blob<'_>> = blobs.iter().collect();
        wanted.sort_by_key(|blob| blob.digest);
        wanted.dedup_by_key(|blob| blob.digest);
        let (present, missing): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|blob| self.get(blob.digest).is_ok());
        // A file may be present because a process was killed before it could sync the folder.
        let unnoted = self.read("look up blobs", |rows| {
            let mut noted = rows.prepare_cached("SELECT 1 FROM blobs WHERE digest = ?1")?;
            let mut unnoted = Vec::new();
            for blob in &present {
                if !noted.exists([blob.digest.to_string()])? {
                    unnoted.push(self.blob_path(blob.digest));
                }
            }
            Ok(unnoted)
        })?;
        sync_folders_of(&*self.files, unnoted.iter().map(PathBuf::as_path))?;
        let writes: Vec<WholeFile<'_>> = missing
            .iter()
            .map(|blob| WholeFile { path: self.blob_path(blob.digest), parts: vec![blob.bytes] })
            .collect();
        write_whole(&*self.files, &writes)
    }
}

/// Bytes and their name.
pub(crate) struct Blob<'a> {
    pub(crate) digest: Digest,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Blob<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Blob { digest: Digest::of(bytes), bytes }
    }
}

/// Notes durable blobs, so that other rows can refer to them.
pub(crate) fn insert_blobs(rows: &Connection, blobs: &[Blob<'_>]) -> Result<(), RowError> {
    let mut insert =
        rows.prepare_cached("INSERT INTO blobs (digest, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for blob in blobs {
        insert.execute(params![blob.digest.to_string(), blob.bytes.len() as i64])?;
    }
    Ok(())
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    let mut file = File::open(path).map_err(io("read", path))?;
    let length = file.metadata().map_err(io("read", path))?.len();
    let too_large = |found| within(|| format!("the length in bytes of {}", path.display()), found, limit);
    too_large(length)?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(io("read", path))?;
    too_large(bytes.len() as u64)?;
    Ok(bytes)
}
