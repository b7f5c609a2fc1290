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

/// That `operation` failed on `path`.
pub(crate) fn failed(operation: &'static str, path: &Path, source: io::Error) -> Failure {
    Failure::world(FileError { operation, path: path.to_owned(), source })
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

/// Writes a new file that only its owner can read; it is on the disk when this returns.
///
/// Errors   the file exists; no such folder: a mistake; else the disk.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_new(path, bytes, 0o600)
}

/// Writes a new file; it is on the disk when this returns.
///
/// Errors   the file exists; no such folder: a mistake; else the disk.
pub(crate) fn write_public(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_new(path, bytes, 0o666)
}

#[cfg_attr(not(unix), allow(unused_variables))]
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => exists_already(path),
        io::ErrorKind::NotFound => {
            let message = format!("there is no folder to write {} into", path.display());
            Diagnostic::new("missing-folder", message).help("make it first").into()
        }
        _ => Failure::world(FileError { operation: "write", path: path.to_owned(), source }),
    })?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|source| {
        // Ours alone so far, and a part of it serves nobody.
        let _ = fs::remove_file(path);
        Failure::world(FileError { operation: "write", path: path.to_owned(), source })
    })
}

/// Makes a folder that does not exist yet.
pub(crate) fn create_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir(path).map_err(|source| {
        Failure::world(FileError { operation: "make the folder", path: path.to_owned(), source })
    })
}

/// What is in a folder, by name; nothing if there is no such folder.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(|source| Failure::world(FileError { operation: "list", path: folder.to_owned(), source }))?;
    paths.sort();
    Ok(paths)
}

/// The mistake of naming a file that is to be new and exists.
pub(crate) fn exists_already(path: &Path) -> Failure {
    Diagnostic::new("file-exists", format!("{} exists already", path.display()))
        .help("nothing is overwritten: name another file")
        .into()
}
