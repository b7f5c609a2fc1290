//! Where a package goes: whole or not at all, and never over something by accident.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Location};

use crate::PackageError;
use crate::contents::SUMS;
use crate::error::io_at;

/// What becomes of an output that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// It stays, and that is a mistake.
    Refuse,
    /// It is replaced: a file, or a folder that is a package itself.
    Replace,
}

/// Who may run or read a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Everybody reads it, as the user's mask allows.
    Data,
    /// Everybody may start it, as the user's mask allows.
    Program,
}

/// Writes `parts`, one behind the other, as the file `output`. It is on the disk when this returns.
///
/// Errors   `output` exists and is not to be replaced, or is a folder; no folder to write into; the disk.
pub fn write_file(
    output: &Path,
    parts: &[&[u8]],
    rights: Rights,
    overwrite: Overwrite,
) -> Result<(), PackageError> {
    check_output(output, overwrite)?;
    if output.is_dir() {
        return Err(mistake(
            "not-a-file",
            format!("{} is a folder", output.display()),
            output,
            "name the file to write",
        ));
    }
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(match rights {
        Rights::Data => 0o666,
        Rights::Program => 0o777,
    }));
    #[cfg(not(unix))]
    let _ = rights;
    let folder = parent_of(output)?;
    let mut file =
        builder.prefix(".heirloom-").tempfile_in(folder).map_err(io_at("write a file beside", output))?;
    for part in parts {
        file.write_all(part).map_err(io_at("write", output))?;
    }
    file.as_file().sync_all().map_err(io_at("sync", output))?;
    let kept = match overwrite {
        Overwrite::Replace => file.persist(output),
        Overwrite::Refuse => file.persist_noclobber(output),
    };
    kept.map(|_| ()).map_err(|error| io_at("write", output)(error.error))
}

/// Writes `files` as the folder `output`, which appears whole or not at all.
///
/// Errors   `output` exists and is not to be replaced, or is no package; no folder to make it in; the disk.
pub fn write_folder(
    output: &Path,
    files: Vec<(String, Vec<u8>)>,
    overwrite: Overwrite,
) -> Result<(), PackageError> {
    check_output(output, overwrite)?;
    let write = || Ok(provenance::write_tree(output, files.into_iter().map(Ok))?);
    if fs::symlink_metadata(output).is_err() {
        return write();
    }
    if ![SUMS, "oci-layout"].iter().any(|sign| output.join(sign).is_file()) {
        let message = format!("{} is no package, so it is not replaced", output.display());
        return Err(mistake("not-a-package", message, output, "remove it yourself, or name another folder"));
    }
    let folder = parent_of(output)?;
    // The old one goes with this folder, once the new one is there.
    let aside = tempfile::Builder::new()
        .prefix(".tmp-")
        .tempdir_in(folder)
        .map_err(io_at("make a folder in", folder))?;
    let old = aside.path().join("old");
    fs::rename(output, &old).map_err(io_at("move away", output))?;
    write().inspect_err(|_| {
        // What failed is told; that the old one could not be put back as well would hide it.
        let _ = fs::rename(&old, output);
    })
}

/// Refuses an output that exists, unless it is to be replaced.
///
/// Errors   it exists; there is no folder to make it in.
pub fn check_output(output: &Path, overwrite: Overwrite) -> Result<(), PackageError> {
    if overwrite == Overwrite::Refuse && fs::symlink_metadata(output).is_ok() {
        let message = format!("{} exists already", output.display());
        return Err(mistake(
            "output-exists",
            message,
            output,
            "name another one with `--output`, or replace it with `--force`",
        ));
    }
    parent_of(output).map(|_| ())
}

/// The folder that `output` is made in.
fn parent_of(output: &Path) -> Result<&Path, PackageError> {
    let parent = output.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    if parent.is_dir() {
        return Ok(parent);
    }
    let message = format!("there is no folder {} to write {} into", parent.display(), output.display());
    Err(mistake("missing-folder", message, output, "make it first"))
}

fn mistake(code: &'static str, message: String, path: &Path, help: &str) -> PackageError {
    Diagnostic::new(code, message).label(Location::file(path), "").help(help).into()
}

/// A new path beside `output` for what is needed while it is made.
pub(crate) fn scratch(output: &Path) -> Result<(tempfile::TempDir, PathBuf), PackageError> {
    let folder = parent_of(output)?;
    let made = tempfile::Builder::new()
        .prefix(".tmp-")
        .tempdir_in(folder)
        .map_err(io_at("make a folder in", folder))?;
    let path = made.path().join("models");
    Ok((made, path))
}
