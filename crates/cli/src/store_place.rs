//! Where the store is: named, or found upwards from the working directory like `.git`.

use std::env;
use std::path::{Path, PathBuf};

use base::Diagnostic;
use store::{Store, StoreError};

use crate::arguments::StoreChoice;
use crate::failure::Failure;

impl StoreChoice {
    /// The store's folder for a run, which makes it if it is missing: the one named, the nearest one
    /// upwards, or `.heirloom` here.
    pub(crate) fn folder_to_run_in(&self) -> PathBuf {
        self.folder.clone().or_else(nearest).unwrap_or_else(|| PathBuf::from(Store::FOLDER))
    }

    /// Opens a store to read from. Makes nothing; who finds none is told where was looked.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        let found = self.folder.clone().or_else(nearest);
        let Some(folder) = found else { return Err(none_found().into()) };
        Store::open(&folder).map_err(|error| match error {
            StoreError::NotAStore { path } if !path.exists() => missing(&path).into(),
            error => error.into(),
        })
    }
}

/// The nearest store upwards, as seen from the working directory: `.heirloom`, `../.heirloom`, ...
fn nearest() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let found = Store::find(&here)?;
    let levels = here.ancestors().position(|folder| Some(folder) == found.parent())?;
    Some((0..levels).map(|_| "..").collect::<PathBuf>().join(Store::FOLDER))
}

fn none_found() -> Diagnostic {
    let here = env::current_dir().map(|here| here.display().to_string()).unwrap_or_default();
    Diagnostic::new(
        "no-store",
        format!("there is no store: no folder `{}` in {here} nor in any folder above it", Store::FOLDER),
    )
    .help("`heirloom run SCHEME` makes one here; `heirloom scheme list` names schemes")
    .help("name a store elsewhere with `--store DIR`")
}

fn missing(path: &Path) -> Diagnostic {
    Diagnostic::new("no-store", format!("there is no store at {}", path.display()))
        .help("name a folder that `heirloom run` made, or leave `--store` out to use the nearest one")
}
