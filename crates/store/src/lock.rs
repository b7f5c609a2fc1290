//! Locks between processes. The operating system releases them when a process dies.
//!
//! `lock` is held by the one run of a store, `watch.lock` by the one process that watches in it. `writing.lock` is shared by everyone between writing
//! a blob and committing the rows that speak of it; whoever holds it alone knows that a temporary
//! file is stray.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::error::io;

/// The right to run in a store; given back when dropped, or when the process dies.
#[derive(Debug)]
pub struct RunLock {
    _held: Held,
}

impl RunLock {
    /// Takes the lock of the store `root`, or says who holds it.
    pub(crate) fn take(root: &Path) -> Result<Self, StoreError> {
        Held::take(&root.join("lock"))?
            .map(|held| RunLock { _held: held })
            .map_err(|holder| StoreError::Locked { path: root.to_owned(), holder })
    }
}

/// The right to watch in a store; given back when dropped, or when the process dies.
#[derive(Debug)]
pub struct WatchLock {
    _held: Held,
}

impl WatchLock {
    /// Takes the lock of the store `root`, or says who holds it.
    pub(crate) fn take(root: &Path) -> Result<Self, StoreError> {
        Held::take(&root.join("watch.lock"))?
            .map(|held| WatchLock { _held: held })
            .map_err(|holder| StoreError::Watched { path: root.to_owned(), holder })
    }
}

/// A file that one process holds locked, with that process's number in it.
#[derive(Debug)]
struct Held {
    file: File,
}

impl Held {
    /// Locks the file at `path`, or gives the number of the process that holds it, if that left it.
    fn take(path: &Path) -> Result<Result<Self, Option<u32>>, StoreError> {
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(holder(&mut file))),
            Err(TryLockError::Error(source)) => return Err(io("lock", path)(source)),
        }
        // The number is a courtesy to the next one who asks: a full disk must not prevent the work.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Ok(Held { file }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

/// Held while files are written and rows committed.
pub(crate) struct WritingLock {
    _file: File,
}

impl WritingLock {
    /// Waits for whoever holds it alone, then shares it.
    pub(crate) fn shared(root: &Path) -> Result<Self, StoreError> {
        let path = lock_path(root);
        let file = open(&path)?;
        file.lock_shared().map_err(io("lock", &path))?;
        Ok(WritingLock { _file: file })
    }

    /// Waits for everyone else to finish.
    pub(crate) fn alone(root: &Path) -> Result<Self, StoreError> {
        let path = lock_path(root);
        let file = open(&path)?;
        file.lock().map_err(io("lock", &path))?;
        Ok(WritingLock { _file: file })
    }

    /// `None` if somebody is writing.
    pub(crate) fn try_alone(root: &Path) -> Result<Option<Self>, StoreError> {
        let path = lock_path(root);
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(WritingLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(io("lock", &path)(source)),
        }
    }
}

fn lock_path(root: &Path) -> PathBuf {
    root.join("writing.lock")
}

fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(io("open", path))
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
