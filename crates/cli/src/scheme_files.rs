//! Where schemes come from: the disk, and the store for names that are registered there.
//!
//! A store keeps the paths of a scheme's files as seen from the folder that holds the store; here they
//! become paths as seen from the working directory, and the other way round. The store is opened only
//! when a name asks for it, and never made.

use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};

use base::Diagnostic;
use scheme::{RegisteredScheme, SchemeFiles};
use store::{SchemeSource, Store, StoreError};

use crate::arguments::StoreChoice;
use crate::disk::DiskFiles;
use crate::edits;
use crate::failure::Failure;

/// The disk and the store, for `scheme`.
pub(crate) struct SchemePlaces<'a> {
    choice: &'a StoreChoice,
    store: OnceCell<Option<Store>>,
}

impl<'a> SchemePlaces<'a> {
    pub(crate) fn new(choice: &'a StoreChoice) -> Self {
        SchemePlaces { choice, store: OnceCell::new() }
    }

    /// The registered scheme `name`, in the version that is written or the newest, as `name@N`.
    pub(crate) fn find(&self, name: &str, version: Option<&str>) -> Result<Option<String>, Failure> {
        let Some(store) = self.store()? else { return Ok(None) };
        let version = match version.map(str::parse) {
            Some(Err(_)) => return Ok(None),
            Some(Ok(version)) => Some(version),
            None => None,
        };
        Ok(store.find_scheme(name, version)?.map(|found| found.id()))
    }

    /// The store, opened at the first call; `None` if there is none.
    fn store(&self) -> Result<Option<&Store>, StoreError> {
        if self.store.get().is_none() {
            let opened = self.choice.open_if_any()?;
            // Set only here, so it is empty still.
            let _ = self.store.set(opened);
        }
        Ok(self.store.get().and_then(Option::as_ref))
    }
}

impl SchemeFiles for SchemePlaces<'_> {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        DiskFiles.read(path, limit)
    }

    fn registered(&self, name: &str, version: Option<u32>) -> io::Result<Option<RegisteredScheme>> {
        match self.store().map_err(io::Error::other)? {
            Some(store) => registered(store, &project(store), name, version).map_err(io::Error::other),
            None => Ok(None),
        }
    }
}

/// The files of a scheme as a store in the folder `store` keeps them, the root first.
///
/// Errors   a path that is no text.
pub(crate) fn sources<'a>(
    store: &Path,
    files: impl IntoIterator<Item = (&'a Path, &'a str)>,
) -> Result<Vec<SchemeSource>, Diagnostic> {
    let files = files.into_iter();
    files
        .map(|(path, text)| Ok(SchemeSource { path: path_in_project(store, path)?, text: text.to_owned() }))
        .collect()
}

/// A registered scheme whose paths start from `folder`.
pub(crate) fn registered(
    store: &Store,
    folder: &Path,
    name: &str,
    version: Option<u32>,
) -> Result<Option<RegisteredScheme>, StoreError> {
    let Some(found) = store.find_scheme(name, version)? else { return Ok(None) };
    let sources = store.scheme_sources(&found)?;
    let files = sources.into_iter().map(|source| (folder.join(source.path), source.text.into_bytes()));
    Ok(Some(RegisteredScheme { name: found.name, version: found.version, files: files.collect() }))
}

/// The folder that holds the store, as seen from the working directory.
fn project(store: &Store) -> PathBuf {
    store.path().parent().map(Path::to_path_buf).unwrap_or_default()
}

/// `path` as seen from the folder that holds the store `store`, with `/` between folders.
///
/// Errors   a path that is no text.
pub(crate) fn path_in_project(store: &Path, path: &Path) -> Result<String, Diagnostic> {
    let unusable = || Diagnostic::new("invalid-path", format!("{} cannot be registered", path.display()));
    let seen = edits::relative(&store.join(".."), path);
    let parts = seen.components().map(|component| component.as_os_str().to_str());
    Ok(parts.collect::<Option<Vec<&str>>>().ok_or_else(unusable)?.join("/"))
}
