//! The files of a folder with their digests, for holding them against a signature.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{FolderError, io_at, mistake};
use crate::hash::FileHash;
use crate::limits::{FILES_MAX, NAME_BYTES_MAX};
use crate::statement::{IGNORED_BY_DEFAULT, SignedFile, Statement};

/// How the files of a folder are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TreeRules {
    /// How they are hashed.
    pub hash: FileHash,
    /// Paths from the folder that are left out with everything below them; [`IGNORED_BY_DEFAULT`]
    /// comes on top.
    pub ignored: Vec<String>,
}

impl TreeRules {
    /// As the signer of `statement` looked for them.
    pub fn of(statement: &Statement) -> Self {
        TreeRules { hash: statement.hash, ignored: statement.ignored.clone() }
    }

    /// Leaves out `path` too, if it is below `folder`: the signature's own file.
    pub fn without(mut self, folder: &Path, path: &Path) -> Self {
        let absolute = |path: &Path| path.canonicalize().ok();
        if let (Some(folder), Some(path)) = (absolute(folder), absolute(path)) {
            self.ignored.extend(path.strip_prefix(&folder).ok().and_then(name_of));
        }
        self
    }

    fn leaves_out(&self, name: &str) -> bool {
        let ignored = self.ignored.iter().map(|path| path.trim_start_matches("./").trim_end_matches('/'));
        ignored.chain(IGNORED_BY_DEFAULT).any(|path| match name.strip_prefix(path) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        })
    }
}

/// Every file of `folder`, by name, with its digest. Files are read in pieces. Nothing outside the
/// folder is ever read: symbolic links are refused, and so is what is neither file nor folder.
///
/// Errors   a symbolic link or a device; a name that is not UTF-8; too many files; the disk.
pub fn list_files(folder: &Path, rules: &TreeRules) -> Result<Vec<SignedFile>, FolderError> {
    if !folder.is_dir() {
        let message = format!("{} is not a folder", folder.display());
        return Err(mistake("not-a-folder", message, folder, "name the folder that was signed"));
    }
    let mut files = Vec::new();
    // The folders that are still to be listed, each with its name from `folder`.
    let mut open = vec![String::new()];
    while let Some(parent) = open.pop() {
        for entry in entries(&folder.join(&parent))? {
            let name = join(&parent, &entry)?;
            let path = folder.join(&name);
            if rules.leaves_out(&name) {
                continue;
            }
            let kind = fs::symlink_metadata(&path).map_err(io_at("look at", &path))?.file_type();
            if kind.is_dir() {
                open.push(name);
            } else if kind.is_file() {
                files.push(hash_file(name, &path, rules.hash)?);
            } else {
                return Err(neither_file_nor_folder(&path, kind.is_symlink()));
            }
        }
        if files.len() + open.len() > FILES_MAX {
            let message = format!("{} holds more than {FILES_MAX} files", folder.display());
            return Err(mistake("too-many-files", message, folder, "name the folder that was signed"));
        }
    }
    files.sort();
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    fs::read_dir(folder)
        .and_then(|entries| entries.take(FILES_MAX + 1).map(|entry| Ok(entry?.path())).collect())
        .map_err(io_at("list", folder))
}

fn hash_file(name: String, path: &Path, hash: FileHash) -> Result<SignedFile, FolderError> {
    let (digest, _) = File::open(path).and_then(|file| hash.of_reader(file)).map_err(io_at("read", path))?;
    Ok(SignedFile { name, digest })
}

/// The name of `entry` in the folder called `parent`.
fn join(parent: &str, entry: &Path) -> Result<String, FolderError> {
    let file = entry.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        let message = format!("the name of {} is not UTF-8, so it cannot be signed", entry.display());
        mistake("invalid-file-name", message, entry, "rename it")
    })?;
    let name = if parent.is_empty() { file.to_owned() } else { format!("{parent}/{file}") };
    if name.len() > NAME_BYTES_MAX {
        let message = format!("the path of {} has more than {NAME_BYTES_MAX} bytes", entry.display());
        return Err(mistake("invalid-file-name", message, entry, "rename it"));
    }
    Ok(name)
}

/// A relative path with `/` between its parts.
fn name_of(path: &Path) -> Option<String> {
    let parts = path.iter().map(|part| part.to_str()).collect::<Option<Vec<_>>>()?;
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn neither_file_nor_folder(path: &Path, symlink: bool) -> FolderError {
    let what = if symlink { "a symbolic link, which is not followed" } else { "neither a file nor a folder" };
    let message = format!("{} is {what}", path.display());
    mistake("not-a-file", message, path, "a signed folder holds only files and folders: replace it by a copy")
}
