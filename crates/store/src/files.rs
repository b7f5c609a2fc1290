//! The file operations that change a store, behind a trait so that tests can fail or cut any one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StoreError;
use crate::error::io;

/// Every operation by which the store changes files. [`DiskFiles`] is the real one.
///
/// Reading does not go through it: a read changes nothing and is checked against a digest.
pub trait Files: Send + Sync {
    /// Makes a folder and those above it; one that exists already is fine.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// Writes `parts` one after the other into a new file; fails if it exists.
    fn write_new(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()>;
    /// Waits until a file's bytes are on the disk.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name in the same folder, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Waits until the names in a folder are on the disk.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Called just before rows are committed.
    fn before_commit(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn write_new(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        parts.iter().try_for_each(|part| file.write_all(part))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        // Only Unix can open a folder; elsewhere a rename is as durable as the system makes it.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// A file to be written: its place, two folders below the store's, and its bytes in parts.
pub(crate) struct WholeFile<'a> {
    pub(crate) path: PathBuf,
    pub(crate) parts: Vec<&'a [u8]>,
}

/// Writes all of `writes`, each file appearing whole or not at all, and returns once they are
/// durable. On failure no temporary file remains; files that were already whole may.
pub(crate) fn write_whole(files: &dyn Files, writes: &[WholeFile<'_>]) -> Result<(), StoreError> {
    let mut temporaries = Vec::new();
    let outcome = write_renaming(files, writes, &mut temporaries);
    if outcome.is_err() {
        for temporary in &temporaries {
            // Renamed ones are gone; one that cannot be removed now is swept by the next run.
            let _ = files.remove(temporary);
        }
    }
    outcome
}

fn write_renaming(
    files: &dyn Files,
    writes: &[WholeFile<'_>],
    temporaries: &mut Vec<PathBuf>,
) -> Result<(), StoreError> {
    for write in writes {
        let folder = folder_of(&write.path);
        files.create_folder(folder).map_err(io("create", folder))?;
        let temporary = write_temporary(files, folder, &write.parts, temporaries)?;
        files.sync_file(&temporary).map_err(io("sync", &temporary))?;
    }
    for (write, temporary) in writes.iter().zip(&*temporaries) {
        files.rename(temporary, &write.path).map_err(io("rename a temporary file to", &write.path))?;
    }
    sync_folders_of(files, writes.iter().map(|write| write.path.as_path()))
}

/// Syncs the folders that hold `paths` and the folders that hold those, each once.
pub(crate) fn sync_folders_of<'a>(
    files: &dyn Files,
    paths: impl Iterator<Item = &'a Path>,
) -> Result<(), StoreError> {
    let folders: BTreeSet<&Path> = paths.map(folder_of).collect();
    let parents: BTreeSet<&Path> = folders.iter().map(|folder| folder_of(folder)).collect();
    folders
        .into_iter()
        .chain(parents)
        .try_for_each(|folder| files.sync_folder(folder).map_err(io("sync", folder)))
}

/// Whether a file name is one of [`write_whole`]'s temporary names.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY_PREFIX)
}

const TEMPORARY_PREFIX: &str = ".tmp-";

/// Writes a file under a name that nobody else uses and notes that name before it fails.
fn write_temporary(
    files: &dyn Files,
    folder: &Path,
    parts: &[&[u8]],
    temporaries: &mut Vec<PathBuf>,
) -> Result<PathBuf, StoreError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{TEMPORARY_PREFIX}{}-{number}", std::process::id()));
        match files.write_new(&path, parts) {
            // Left by a killed process of the same number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            outcome => {
                temporaries.push(path.clone());
                return outcome.map(|()| path.clone()).map_err(io("write", &path));
            }
        }
    }
}

/// The folder that holds `path`: of a bare name the working directory.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}
