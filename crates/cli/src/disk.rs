//! Files: schemes in, exports out.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base::Diagnostic;
use scheme::SchemeFiles;

use crate::failure::Failure;

/// The real disk, for `scheme`.
pub(crate) struct DiskFiles;

impl SchemeFiles for DiskFiles {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(limit as u64).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub(crate) struct FileError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The bytes of a file that the user named, at most `limit`.
///
/// Errors   no such file, a folder, a larger file: a mistake; else the disk.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let fail = |source| Failure::world(FileError { operation: "read", path: path.to_owned(), source });
    let mistake =
        |code, text: &str| Failure::from(Diagnostic::new(code, format!("{} {text}", path.display())));
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(mistake("missing-file", "does not exist"));
        }
        other => other.map_err(fail)?,
    };
    if metadata.is_dir() {
        return Err(mistake("not-a-file", "is a folder"));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(mistake("file-too-large", &format!("has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Writes a file whole or not at all, replacing an older one.
///
/// Errors   no such folder, or a folder of that name: a mistake; else the disk.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let message = format!("there is no folder {} to write {} into", folder.display(), path.display());
        return Err(Diagnostic::new("missing-folder", message).help("make it first").into());
    }
    if path.is_dir() {
        return Err(Diagnostic::new("not-a-file", format!("{} is a folder", path.display()))
            .help("name the file to write")
            .into());
    }
    write_beside(folder, path, bytes)
        .map_err(|source| Failure::world(FileError { operation: "write", path: path.to_owned(), source }))
}

fn write_beside(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".heirloom-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
