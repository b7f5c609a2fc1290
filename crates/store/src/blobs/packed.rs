//! Blobs in a file that holds packed models, read where they are.

use std::cell::RefCell;
use std::io::{Read, Seek};
use std::path::PathBuf;

use base::Digest;

use crate::blobs::{BlobFiles, Encoding};
use crate::bundle::Bundle;
use crate::{StoreError, error};

/// The parts of an open bundle in the file `path`.
pub(crate) struct PackedBlobs<R: Read + Seek> {
    path: PathBuf,
    bundle: RefCell<Bundle<R>>,
}

impl<R: Read + Seek + Send> PackedBlobs<R> {
    pub(crate) fn new(path: PathBuf, bundle: Bundle<R>) -> Self {
        PackedBlobs { path, bundle: RefCell::new(bundle) }
    }

    fn unchangeable(&self) -> StoreError {
        let source = std::io::ErrorKind::ReadOnlyFilesystem.into();
        error::io("change", &self.path)(source)
    }

    /// The digest that `key` names, if it is in the file.
    fn digest(&self, key: &str) -> Option<Digest> {
        let (digest, encoding) = Encoding::of_key(key)?;
        (encoding == Encoding::Plain && self.bundle.borrow().holds(digest)).then_some(digest)
    }
}

impl<R: Read + Seek + Send> BlobFiles for PackedBlobs<R> {
    fn place(&self, key: &str) -> String {
        format!("blobs/{key} in {}", self.path.display())
    }

    fn read(&self, key: &str, _limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(digest) = self.digest(key) else { return Ok(None) };
        let part = self.bundle.borrow_mut().part(digest);
        part.map(Some).map_err(|reason| StoreError::damaged(self.path.display().to_string(), reason))
    }

    fn write_all(&self, files: &[(String, &[u8])]) -> Result<(), StoreError> {
        if files.is_empty() { Ok(()) } else { Err(self.unchangeable()) }
    }

    fn settle(&self, keys: &[String]) -> Result<(), StoreError> {
        if keys.is_empty() { Ok(()) } else { Err(self.unchangeable()) }
    }

    fn contains(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.digest(key).is_some())
    }

    fn list(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let bundle = self.bundle.borrow();
        let blobs = bundle.package.blobs.iter();
        Ok(blobs.map(|blob| (Encoding::Plain.key(blob.digest), blob.bytes)).collect())
    }

    fn remove(&self, _key: &str) -> Result<(), StoreError> {
        Err(self.unchangeable())
    }

    fn sweep(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
