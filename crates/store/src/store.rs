//! The store's folder: finding, making and opening it.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::database::{self, Missing};
use crate::error::io;
use crate::files::{is_temporary, sync_folders_of};
use crate::lock::WritingLock;
use crate::{DiskFiles, Files, RunLock, StoreError};

/// An open store. It belongs to one thread at a time; every thread opens its own.
pub struct Store {
    pub(crate) root: PathBuf,
    pub(crate) files: Box<dyn Files>,
    pub(crate) database: Connection,
}

impl Store {
    /// The name of the folder that holds a project's store.
    pub const FOLDER: &'static str = ".heirloom";
    /// The database file in it.
    pub(crate) const DATABASE: &'static str = "registry.db";
    pub(crate) const BLOBS: &'static str = "blobs";
    pub(crate) const CHECKPOINTS: &'static str = "checkpoints";
    pub(crate) const RUNS: &'static str = "runs";

    /// The store's folder in `start` or the nearest folder above it. Makes nothing.
    pub fn find(start: &Path) -> Option<PathBuf> {
        let start = std::path::absolute(start).ok()?;
        start
            .ancestors()
            .map(|folder| folder.join(Store::FOLDER))
            .find(|folder| folder.join(Store::DATABASE).is_file())
    }

    /// Opens the store in the folder `path`.
    ///
    /// Errors   no store there; a newer schema; the world.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Store::open_with(path, Box::new(DiskFiles))
    }

    /// Opens the store in the folder `path`, which changes files through `files`.
    pub fn open_with(path: &Path, files: Box<dyn Files>) -> Result<Self, StoreError> {
        if !path.join(Store::DATABASE).is_file() {
            return Err(StoreError::NotAStore { path: path.to_owned() });
        }
        let database = database::open(path, Missing::Refuse)?;
        Ok(Store { root: path.to_owned(), files, database })
    }

    /// Opens the store in the folder `path`, making both if they are missing. A folder that holds
    /// something else is refused.
    pub fn open_or_create(path: &Path) -> Result<Self, StoreError> {
        let missing = !path.join(Store::DATABASE).is_file();
        if missing {
            create_folders(path)?;
        }
        let database = database::open(path, Missing::Create)?;
        if missing {
            sync_folders_of(&DiskFiles, std::iter::once(path.join(Store::DATABASE).as_path()))?;
        }
        Ok(Store { root: path.to_owned(), files: Box::new(DiskFiles), database })
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Takes the right to run in this store, which one process holds at a time; reading and
    /// registering need no lock. Stray temporary files of killed processes are removed, and runs
    /// that were never finished become [`crate::RunState::Interrupted`].
    ///
    /// Errors   [`StoreError::Locked`] while another run holds it.
    pub fn try_lock(&self) -> Result<RunLock, StoreError> {
        let lock = RunLock::take(&self.root)?;
        self.interrupt_dead_runs()?;
        self.remove_stray_files()?;
        Ok(lock)
    }

    /// Everyone between writing a file and committing the rows that speak of it holds this.
    pub(crate) fn writing(&self) -> Result<WritingLock, StoreError> {
        WritingLock::shared(&self.root)
    }

    fn remove_stray_files(&self) -> Result<(), StoreError> {
        // While somebody writes, a temporary file may be theirs: leave them to the next run.
        let Some(_alone) = WritingLock::try_alone(&self.root)? else { return Ok(()) };
        for area in [Store::BLOBS, Store::CHECKPOINTS, Store::RUNS] {
            for folder in entries(&self.root.join(area))? {
                for path in entries(&folder)?.iter().filter(|path| is_temporary(&file_name(path))) {
                    self.files.remove(path).map_err(io("remove", path))?;
                }
            }
        }
        Ok(())
    }
}

/// What is in a folder, by name; nothing if it does not exist or is a file.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(io("list", folder))?;
    paths.sort();
    Ok(paths)
}

/// The last part of a path, as text.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folders come first and the database last: a store exists once its database does.
fn create_folders(root: &Path) -> Result<(), StoreError> {
    let ours = [Store::BLOBS, Store::CHECKPOINTS, Store::RUNS, "lock", "writing.lock"];
    let foreign = |path: &PathBuf| {
        let name = file_name(path);
        !ours.contains(&name.as_str()) && !name.starts_with(Store::DATABASE)
    };
    if root.is_file() || entries(root)?.iter().any(foreign) {
        return Err(StoreError::NotAStore { path: root.to_owned() });
    }
    for area in [Store::BLOBS, Store::CHECKPOINTS, Store::RUNS] {
        let folder = root.join(area);
        fs::create_dir_all(&folder).map_err(io("create", &folder))?;
    }
    Ok(())
}
