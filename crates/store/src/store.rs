//! The store's folder: finding, making and opening it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::{BlobAddress, SharedAddress};
use crate::blobs::BlobFiles;
use crate::blobs::disk::{DiskBlobs, sweep};
use crate::blobs::objects::ObjectBlobs;
use crate::database::Database;
use crate::database::postgres::Postgres;
use crate::database::sqlite::{Missing, Sqlite};
use crate::error::io;
use crate::files::sync_folders_of;
use crate::{DiskFiles, Files, RunLock, StoreAddress, StoreError, WatchLock};

/// An open store. It belongs to one thread at a time; every thread opens its own.
pub struct Store {
    /// Runs, checkpoints and the run's lock are here; with SQLite the registry too.
    pub(crate) root: PathBuf,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) database: Box<dyn Database>,
    pub(crate) blobs: Box<dyn BlobFiles>,
    /// What was packed, as `name@N`, if the store is one file.
    pub(crate) packed: Vec<String>,
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

    /// Opens the store that `path` names: a folder; a file that holds packed models, which are read where they are and
    /// cannot be changed; or the address of a shared store, which keeps its runs and checkpoints in [`Store::FOLDER`] of
    /// the working directory.
    ///
    /// Errors   no store there; a newer schema; an ill-formed address; the world.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Store::open_at(
            &StoreAddress::parse(&path.to_string_lossy())?.or_folder(path),
            Path::new(Store::FOLDER),
        )
    }

    /// Opens the store in the folder `path`, which changes files through `files`.
    pub fn open_with(path: &Path, files: Arc<dyn Files>) -> Result<Self, StoreError> {
        if !path.join(Store::DATABASE).is_file() {
            return Err(StoreError::NotAStore { path: path.to_owned() });
        }
        let database = Sqlite::open(path, Missing::Refuse)?;
        Ok(Store::assemble(path, files, Box::new(database)))
    }

    /// As [`Store::open`], but makes what is missing. A folder that holds something else is refused.
    pub fn open_or_create(path: &Path) -> Result<Self, StoreError> {
        let address = StoreAddress::parse(&path.to_string_lossy())?.or_folder(path);
        Store::open_or_create_at(&address, Path::new(Store::FOLDER))
    }

    fn open_or_create_folder(path: &Path) -> Result<Self, StoreError> {
        let missing = !path.join(Store::DATABASE).is_file();
        if missing {
            create_folders(path)?;
        }
        let database = Sqlite::open(path, Missing::Create)?;
        if missing {
            sync_folders_of(&DiskFiles, std::iter::once(path.join(Store::DATABASE).as_path()))?;
        }
        Ok(Store::assemble(path, Arc::new(DiskFiles), Box::new(database)))
    }

    /// Opens the store at `address`. One that is shared keeps its runs and checkpoints in the folder
    /// `here`, which is made if it is missing; otherwise `here` is not looked at.
    ///
    /// Errors   no store there; a newer schema; blobs elsewhere than the address says; the world.
    pub fn open_at(address: &StoreAddress, here: &Path) -> Result<Self, StoreError> {
        match address {
            StoreAddress::Folder(path) if path.is_file() => Store::open_packed(path),
            StoreAddress::Folder(path) => Store::open_with(path, Arc::new(DiskFiles)),
            StoreAddress::Shared(shared) => Store::open_shared(shared, here, Missing::Refuse),
        }
    }

    /// As [`Store::open_at`], but makes what is missing.
    ///
    /// Errors   also: a new shared store whose address does not say where blobs go.
    pub fn open_or_create_at(address: &StoreAddress, here: &Path) -> Result<Self, StoreError> {
        match address {
            StoreAddress::Folder(path) => Store::open_or_create_folder(path),
            StoreAddress::Shared(shared) => Store::open_shared(shared, here, Missing::Create),
        }
    }

    fn open_shared(address: &SharedAddress, here: &Path, missing: Missing) -> Result<Self, StoreError> {
        create_folders(here)?;
        let files: Arc<dyn Files> = Arc::new(DiskFiles);
        let (database, blobs) = Postgres::open(address, missing)?;
        let blobs: Box<dyn BlobFiles> = match blobs {
            BlobAddress::Folder(path) => Box::new(DiskBlobs::new(path, files.clone())),
            BlobAddress::Bucket { bucket, prefix } => Box::new(ObjectBlobs::new(&bucket, &prefix)?),
        };
        Ok(Store { root: here.to_owned(), files, database: Box::new(database), blobs, packed: Vec::new() })
    }

    fn assemble(path: &Path, files: Arc<dyn Files>, database: Box<dyn Database>) -> Self {
        let blobs = Box::new(DiskBlobs::new(Store::blob_folder(path), files.clone()));
        Store { root: path.to_owned(), files, database, blobs, packed: Vec::new() }
    }

    /// The folder with the store's runs and checkpoints.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Takes the right to run in this store, which one process holds at a time; reading and
    /// registering need no lock. Stray temporary files of killed processes are removed, and runs
    /// that were never finished become [`crate::RunState::Interrupted`].
    ///
    /// Errors   [`StoreError::Locked`] while another run holds it.
    pub fn try_lock(&self) -> Result<RunLock, StoreError> {
        self.database.check_changeable()?;
        let lock = RunLock::take(&self.root)?;
        self.interrupt_dead_runs()?;
        self.remove_stray_files()?;
        Ok(lock)
    }

    /// Takes the right to watch data and make runs of its own accord in this store, which one process of a machine holds
    /// at a time. Runs, by hand or by whoever watches, take [`Store::try_lock`] besides.
    ///
    /// Errors   [`StoreError::Watched`] while another process holds it.
    pub fn try_watch(&self) -> Result<WatchLock, StoreError> {
        WatchLock::take(&self.root)
    }

    fn remove_stray_files(&self) -> Result<(), StoreError> {
        // While somebody writes, a temporary file may be theirs: leave them to the next run.
        let Some(_alone) = self.database.try_alone()? else { return Ok(()) };
        self.sweep()
    }

    /// Removes every temporary file. The caller holds the writing lock alone.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        self.blobs.sweep()?;
        for area in [Store::CHECKPOINTS, Store::RUNS] {
            sweep(&*self.files, &self.root.join(area))?;
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
