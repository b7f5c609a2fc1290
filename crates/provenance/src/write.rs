//! Writing many files as one folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{FolderError, io_at, mistake};

/// Writes `files`, each a name below the folder and its bytes, into the new folder `target`, which appears whole or not
/// at all and is on the disk when this returns. Names have `/` between their parts.
///
/// Errors   `target` exists; there is no folder to make it in; what a file's bytes come from; the disk.
pub fn write_tree(
    target: &Path,
    files: impl IntoIterator<Item = Result<(String, Vec<u8>), FolderError>>,
) -> Result<(), FolderError> {
    if fs::symlink_metadata(target).is_ok() {
        let message = format!("{} exists already", target.display());
        return Err(mistake("folder-exists", message, target, "name a folder that does not exist yet"));
    }
    let parent = target.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        let message = format!("there is no folder {} to make {} in", parent.display(), target.display());
        return Err(mistake("missing-folder", message, target, "make it first"));
    }
    let temporary = tempfile::Builder::new()
        .prefix(".tmp-")
        .tempdir_in(parent)
        .map_err(io_at("make a folder in", parent))?;
    // A temporary folder is its maker's alone; what is exported is as readable as other files.
    let content = temporary.path().join("content");
    fs::create_dir(&content).map_err(io_at("make", &content))?;
    let mut folders = BTreeSet::from([content.clone()]);
    for file in files {
        let (name, bytes) = file?;
        let path = content.join(name);
        make_folders(&path, &content, &mut folders)?;
        write_synced(&path, &bytes).map_err(io_at("write", &path))?;
    }
    for folder in folders.iter().rev() {
        sync_folder(folder).map_err(io_at("sync", folder))?;
    }
    fs::rename(&content, target).map_err(io_at("rename a temporary folder to", target))?;
    sync_folder(parent).map_err(io_at("sync", parent))
}

/// Makes the folders between `content` and the file `path`.
fn make_folders(path: &Path, content: &Path, made: &mut BTreeSet<PathBuf>) -> Result<(), FolderError> {
    let between = path.ancestors().skip(1).take_while(|folder| *folder != content);
    let missing: Vec<PathBuf> =
        between.filter(|folder| !made.contains(*folder)).map(Path::to_owned).collect();
    for folder in missing.into_iter().rev() {
        fs::create_dir(&folder).map_err(io_at("make", &folder))?;
        made.insert(folder);
    }
    Ok(())
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    // Only Unix can open a folder; elsewhere a rename is as durable as the system makes it.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}
