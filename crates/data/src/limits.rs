//! Limits on what is read from outside. They stand far above honest use on one machine and far
//! below what would exhaust it.

/// Most bytes that one source may take in memory after decompression.
pub const DECODED_BYTES_MAX: u64 = 4 << 30;

/// Most numbers in a table, windows unrolled.
pub const CELLS_MAX: u64 = 100_000_000;

/// Most examples in a data set; row numbers are `u32`.
pub const ROWS_MAX: u64 = 100_000_000;

/// Most columns in a table.
pub const COLUMNS_MAX: usize = 65_536;

/// Most bytes in one record of a table.
pub const RECORD_BYTES_MAX: u64 = 1 << 20;

/// Most classes of a classification.
pub const CLASSES_MAX: usize = 65_536;

/// Most bytes in one image file.
pub const IMAGE_FILE_BYTES_MAX: u64 = 128 << 20;

/// Largest width and height of an image file, in pixels.
pub const IMAGE_SIDE_MAX: u32 = 16_384;

/// Most bytes that decoding one image may take.
pub const IMAGE_DECODED_BYTES_MAX: u64 = 256 << 20;

/// Largest number of decompressed bytes that one byte of a gzip file can stand for.
pub(crate) const GZIP_RATIO_MAX: u64 = 1032;

/// Most diagnostics of one load; the rest is counted.
pub(crate) const DIAGNOSTICS_MAX: usize = 20;
