//! The largest things read from outside. They bound memory on damaged or hostile input and are far
//! above what a model needs.

/// A signature's bundle.
pub(crate) const BUNDLE_BYTES_MAX: u64 = 64 << 20;
/// A key file.
pub(crate) const KEY_BYTES_MAX: u64 = 64 << 10;
/// Files of one signed folder.
pub(crate) const FILES_MAX: usize = 1_000_000;
/// The name of one file in a signed folder.
pub(crate) const NAME_BYTES_MAX: usize = 4096;
/// Paths that a signature leaves out.
pub(crate) const IGNORED_MAX: usize = 10_000;
/// `model.json`, `lineage.json` or `scheme.toml` of a folder.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 64 << 20;
/// Files that differ, told one by one; of more, only the number is told.
pub(crate) const DIFFERENCES_SHOWN: usize = 20;
/// Tensors that a bill of materials lists one by one; of more, only the number is told.
pub(crate) const TENSORS_LISTED: usize = 256;
