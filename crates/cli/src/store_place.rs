//! Where the store is: named, or found upwards from the working directory like `.git`.

use std::env;
use std::path::{Path, PathBuf};

use base::Diagnostic;
use store::{Store, StoreAddress, StoreError};

use crate::arguments::StoreChoice;
use crate::failure::Failure;
use crate::inside;

impl StoreChoice {
    /// The store that is meant: the one named, or the nearest one upwards if there is one.
    fn found(&self) -> Result<Option<Place>, StoreError> {
        match &self.address {
            Some(text) => Ok(Some(Place(StoreAddress::parse(text)?))),
            None => Ok(nearest().map(|folder| Place(StoreAddress::Folder(folder)))),
        }
    }

    /// The store that is meant; `.heirloom` here if there is none.
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        Ok(self.found()?.unwrap_or_else(|| Place(StoreAddress::Folder(PathBuf::from(Store::FOLDER)))))
    }

    /// The store to read from: the one named, the model inside this program, or the nearest one upwards.
    pub(crate) fn found_to_read(&self) -> Result<Option<Place>, Failure> {
        if self.address.is_none()
            && let Some(program) = inside::file()?
        {
            return Ok(Some(Place(StoreAddress::Folder(program))));
        }
        Ok(self.found()?)
    }

    /// Opens the store if there is one. Makes nothing. A store that was named must be there.
    pub(crate) fn open_if_any(&self) -> Result<Option<Store>, StoreError> {
        self.found()?.map(|Place(address)| Store::open_at(&address, &here())).transpose()
    }

    /// Opens a store to read from. Makes nothing; who finds none is told where was looked.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        self.found_to_read()?.ok_or_else(none_found)?.open()
    }

    /// Opens the store, or makes it.
    pub(crate) fn open_or_create(&self) -> Result<Store, Failure> {
        self.place()?.open_or_create()
    }
}

/// Where a store is.
pub(crate) struct Place(pub(crate) StoreAddress);

impl Place {
    /// Reads what was typed: a folder or an URL.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        Ok(Place(StoreAddress::parse(text)?))
    }

    /// The folder with the store's runs, whether it is there or not.
    pub(crate) fn folder(&self) -> PathBuf {
        match &self.0 {
            StoreAddress::Folder(path) => path.clone(),
            StoreAddress::Shared(_) => here(),
        }
    }

    /// Opens a store that is there.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        Store::open_at(&self.0, &here()).map_err(|error| match error {
            StoreError::NotAStore { path } if !path.exists() => missing(&path).into(),
            error => error.into(),
        })
    }

    /// Opens the store, or makes it.
    pub(crate) fn open_or_create(&self) -> Result<Store, Failure> {
        Ok(Store::open_or_create_at(&self.0, &here())?)
    }
}

/// Where runs and checkpoints of a store that many machines share are kept: with this project.
pub(crate) fn here() -> PathBuf {
    nearest().unwrap_or_else(|| PathBuf::from(Store::FOLDER))
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
