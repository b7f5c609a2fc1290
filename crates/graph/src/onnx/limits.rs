//! How large a file and its parts may be.

/// The most bytes of a file: the limit of the protobuf format itself.
pub(super) const FILE_BYTES_MAX: usize = 1 << 31;
/// The most bytes that a decoded file may take, by the estimate of `scan`.
pub(super) const DECODED_BYTES_MAX: usize = 1 << 31;
/// The most nodes.
pub(super) const NODES_MAX: usize = 1_000_000;
/// The longest name of a value, node or attribute, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 1024;
/// The longest name of a dimension, in bytes; every value that depends on it holds a copy.
pub(super) const SYMBOL_BYTES_MAX: usize = 64;
