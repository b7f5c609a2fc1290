//! Blobs as files below the store's folder: `blobs/ab/cdef...`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blobs::BlobFiles;
use crate::error::{io, within};
use crate::files::{Files, WholeFile, is_temporary, sync_folders_of, write_whole};
use crate::store::{entries, file_name};
use crate::{Store, StoreError};

/// The blobs of the store in one folder.
pub(crate) struct DiskBlobs {
    folder: PathBuf,
    files: Arc<dyn Files>,
}

impl DiskBlobs {
    /// The blobs in `folder`, which is made with the first of them.
    pub(crate) fn new(folder: PathBuf, files: Arc<dyn Files>) -> Self {
        DiskBlobs { folder, files }
    }

    fn path(&self, key: &str) -> PathBuf {
        // Keys begin with a digest's digits.
        let (first, rest) = key.split_at_checked(2).unwrap_or((key, ""));
        self.folder.join(first).join(rest)
    }
}

impl BlobFiles for DiskBlobs {
    fn place(&self, key: &str) -> String {
        self.path(key).display().to_string()
    }

    fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match read_limited(&self.path(key), limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write_all(&self, files: &[(String, &[u8])]) -> Result<(), StoreError> {
        let writes: Vec<WholeFile<'_>> =
            files.iter().map(|(key, bytes)| WholeFile { path: self.path(key), parts: vec![bytes] }).collect();
        write_whole(&*self.files, &writes)
    }

    fn settle(&self, keys: &[String]) -> Result<(), StoreError> {
        let paths: Vec<PathBuf> = keys.iter().map(|key| self.path(key)).collect();
        sync_folders_of(&*self.files, paths.iter().map(PathBuf::as_path))
    }

    fn contains(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.path(key).is_file())
    }

    fn list(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut found = Vec::new();
        for folder in entries(&self.folder)? {
            for path in entries(&folder)?.iter().filter(|path| !is_temporary(&file_name(path))) {
                let length = path.metadata().map_or(0, |metadata| metadata.len());
                found.push((format!("{}{}", file_name(&folder), file_name(path)), length));
            }
        }
        Ok(found)
    }

    fn remove(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        self.files.remove(&path).map_err(io("remove", &path))
    }

    fn sweep(&self) -> Result<(), StoreError> {
        sweep(&*self.files, &self.folder)
    }
}

/// Removes the temporary files in the folders below `area`.
pub(crate) fn sweep(files: &dyn Files, area: &Path) -> Result<(), StoreError> {
    for folder in entries(area)? {
        for path in entries(&folder)?.iter().filter(|path| is_temporary(&file_name(path))) {
            files.remove(path).map_err(io("remove", path))?;
        }
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

impl Store {
    /// The folder below a store's that holds blobs.
    pub(crate) fn blob_folder(root: &Path) -> PathBuf {
        root.join(Store::BLOBS)
    }
}
