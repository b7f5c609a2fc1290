//! The running program: copied with a model behind it, or into an image with the libraries that it has loaded.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base::Diagnostic;
use store::{BundleCompression, append_trailer, find_trailer};

use crate::elf::Elf;
use crate::error::io_at;
use crate::output::{Overwrite, Rights, check_output, scratch, write_file};
use crate::{PackageError, Subject};

/// The running program without a model that it may carry.
pub(crate) struct Program {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// The loader and the libraries that it has loaded, by the path at which it looks for them; none if it needs none.
    pub(crate) libraries: Vec<(PathBuf, Vec<u8>)>,
}

/// Writes one executable: a copy of the running program with the model behind it. Returns its length in bytes.
///
/// Started as `OUTPUT infer FILE` or `OUTPUT serve`, it answers with that model. Nothing is unpacked.
///
/// Errors   `output` exists; the store; the disk.
pub fn write_program(subject: Subject<'_>, output: &Path, overwrite: Overwrite) -> Result<u64, PackageError> {
    check_output(output, overwrite)?;
    let program = bytes()?;
    let mut end = Vec::new();
    append_trailer(&mut end, &packed(subject, output)?).map_err(io_at("write", output))?;
    write_file(output, &[&program, &end], Rights::Program, overwrite)?;
    Ok((program.len() + end.len()) as u64)
}

/// The model as a bundle that is made to be served: its own blobs, and of its ancestors only what is said of them.
pub(crate) fn packed(subject: Subject<'_>, output: &Path) -> Result<Vec<u8>, PackageError> {
    let Subject { store, model } = subject;
    let package = store.package_to_serve(&model.version.id(), &pipeline::served_roles())?;
    let (_scratch, path) = scratch(output)?;
    store.write_package(&package, &path, BundleCompression::Stored)?;
    fs::read(&path).map_err(io_at("read", &path))
}

/// The bytes of the running program, without a model that it may carry.
fn bytes() -> Result<Vec<u8>, PackageError> {
    let path = std::env::current_exe().map_err(io_at("find", Path::new("the running program")))?;
    let mut bytes = fs::read(&path).map_err(io_at("read", &path))?;
    if let Some(trailer) = find_trailer(&path)? {
        bytes.truncate(usize::try_from(trailer.program_bytes).unwrap_or(usize::MAX));
    }
    Ok(bytes)
}

/// The running program with what it needs to start on a bare Linux.
///
/// Errors   another system; the disk.
pub(crate) fn with_libraries() -> Result<Program, PackageError> {
    let bytes = bytes()?;
    let interpreter = match Elf::read(&bytes) {
        Some(elf) => elf.interpreter().map(PathBuf::from),
        None => return Err(no_linux_program()),
    };
    let libraries = match interpreter {
        Some(loader) => libraries(&loader)?,
        None => Vec::new(),
    };
    Ok(Program { bytes, libraries })
}

fn no_linux_program() -> PackageError {
    Diagnostic::new(
        "no-linux-program",
        "an image holds a 64-bit Linux program, and this one runs on another system",
    )
    .help("make the image on Linux: `heirloom store push` takes the model there")
    .into()
}

/// The loader and what it has loaded, by the paths at which it looks: beside the file that was loaded, under the name
/// that the library says it has.
fn libraries(loader: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, PackageError> {
    let maps = Path::new("/proc/self/maps");
    let text = fs::read_to_string(maps).map_err(io_at("read", maps))?;
    let program = std::env::current_exe().map_err(io_at("find", Path::new("the running program")))?;
    let mut found = BTreeMap::new();
    for path in mapped_code(&text).filter(|path| *path != program) {
        let bytes = fs::read(&path).map_err(io_at("read", &path))?;
        let name = Elf::read(&bytes).and_then(|elf| elf.library_name().map(str::to_owned));
        let Some(name) = name.filter(|name| !name.contains('/')) else { continue };
        if loader.file_name().is_some_and(|file| file == name.as_str()) {
            found.insert(loader.to_owned(), bytes);
        } else {
            found.insert(path.with_file_name(name), bytes);
        }
    }
    if !found.contains_key(loader) {
        found.insert(loader.to_owned(), fs::read(loader).map_err(io_at("read", loader))?);
    }
    Ok(found.into_iter().collect())
}

/// The files whose code is mapped, as `/proc/self/maps` lists them.
fn mapped_code(maps: &str) -> impl Iterator<Item = PathBuf> {
    let line = |line: &str| {
        // Address, rights, offset, device, inode, path: the path may hold spaces.
        let mut fields = line.splitn(6, ' ');
        let rights = fields.nth(1)?;
        let path = fields.nth(3)?.trim_start();
        (rights.contains('x') && path.starts_with('/')).then(|| PathBuf::from(path))
    };
    maps.lines().filter_map(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_data() {
        let maps = "\
7f00-7f10 r--p 00000000 08:01 12 /usr/lib/libc.so.6
7f10-7f20 r-xp 00010000 08:01 12                         /usr/lib/libc.so.6
7f30-7f40 r-xp 00000000 00:00 0                          [vdso]
7f50-7f60 r-xp 00000000 00:00 0
7f60-7f70 r-xp 00000000 08:01 13                         /a folder/lib m.so
";
        let found: Vec<PathBuf> = mapped_code(maps).collect();
        assert_eq!(found, [PathBuf::from("/usr/lib/libc.so.6"), PathBuf::from("/a folder/lib m.so")]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_running_program_knows_its_loader() {
        let program = with_libraries().unwrap();
        let loader = Elf::read(&program.bytes).unwrap().interpreter().map(PathBuf::from);
        let paths: Vec<&PathBuf> = program.libraries.iter().map(|(path, _)| path).collect();
        if let Some(loader) = loader {
            assert!(paths.contains(&&loader), "{paths:?}");
            assert!(paths.iter().any(|path| path.ends_with("libc.so.6")), "{paths:?}");
        }
    }
}
