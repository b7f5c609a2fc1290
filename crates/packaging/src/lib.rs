//! Packaging: a registered model made ready for another machine.
//!
//! Five forms: the *folder* that any program can read ([`folder_files`]); the *executable* with the model inside
//! ([`write_program`]); the OCI *image* that runs it and the *ModelPack* artifact that only carries it
//! ([`image`], [`modelpack`]); and the *manifests* that run the image or the executable ([`manifest_text`]). The signed
//! hand-over file, the bundle, is the store's own.
//!
//! The decision that shaped it: *a package is a function of the version*, and where it brings a program along of that
//! program. No clock, no path and no order of a hash map goes into one, so packing twice gives the same bytes and a digest
//! names what is deployed. What runs is read where it lies: neither image nor executable unpacks anything to a disk, so
//! both run on a read-only one. Nothing is written before the model has answered its golden examples ([`prove`]).
//!
//! Nothing here asks a daemon, a registry or the network, and nothing is executed that was packed: plain data, the
//! running program, and the system libraries that it has loaded. Formats: `docs/formats/package.md` and
//! `docs/formats/executable.md`.

mod bom;
mod card;
mod contents;
mod elf;
mod error;
mod manifests;
mod npy;
mod oci;
mod output;
mod parity;
mod program;
mod serving;
mod signature;

pub use bom::bill_of_materials;
pub use contents::folder_files;
pub use error::PackageError;
pub use manifests::{ManifestKind, manifest_text};
pub use npy::npy;
pub use oci::{Compression, Layout, image, modelpack, write_layout};
pub use output::{Overwrite, Rights, check_output, write_file, write_folder};
pub use parity::prove;
pub use program::write_program;
pub use serving::{API_KEYS, PORT, Place, serve_arguments};

use store::{Model, Store};

/// A model that is to be packaged, and the store that holds it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Where it is.
    pub store: &'a Store,
    /// The version and what it consists of.
    pub model: &'a Model,
}

impl Subject<'_> {
    /// The last part of the model's name: what its files are called.
    pub fn short_name(&self) -> &str {
        let name = &self.model.version.name;
        name.rsplit('/').next().unwrap_or(name)
    }
}
