//! Where a model comes from, in forms that others can check without this program.
//!
//! Three forms: the *folder form* ([`FolderForm`]), the files that make up one model version;
//! *signatures* over those files ([`sign`], [`verify`]) in the format of OpenSSF Model Signing 1.0,
//! method `key`; and the *bill of materials* ([`Card`]), CycloneDX 1.6 with a model card.
//!
//! The decision that shaped it: *a signature is over a folder, and the folder is a function of the
//! version*. It holds no version number, time or place, so every store that holds the same model and
//! the same ancestors gives the same bytes, and a signature travels with the model. Signing reads the
//! files from the store one at a time; nothing is written for it.
//!
//! A signature says who vouches for these bytes. It does not say that the model is good, and a key
//! says no more about its owner than its owner told you. Nothing here prints, asks a server, or knows
//! what a graph or a scheme means. The formats are written down in `docs/formats/folder.md`.

mod bom;
mod bundle;
mod canonical;
mod error;
mod folder;
mod hash;
mod keys;
mod licences;
mod limits;
mod lineage;
mod signature;
mod signers;
mod statement;
mod strictness;
mod tree;
mod write;

pub use bom::Card;
pub use bundle::{Bundle, SealError};
pub use error::FolderError;
pub use folder::{FolderForm, FolderModel, read_folder};
pub use hash::{FileDigest, FileHash, hexadecimal};
pub use keys::{KeyError, PublicKey, SigningKey};
pub use lineage::{Descent, Lineage, ModelName, Origin};
pub use signature::{Difference, diagnostics, sign, verify};
pub use signers::{
    FoundSignature, NamedKey, files_of, kept_signatures, signers, trusted_keys, trusted_signers,
};
pub use statement::{IGNORED_BY_DEFAULT, SignedFile, Statement};
pub use strictness::strictest;
pub use tree::{TreeRules, list_files};
pub use write::write_tree;
