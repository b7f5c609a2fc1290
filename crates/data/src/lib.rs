//! Data: a source on disk or inside the program becomes a checked data set in memory, its splits,
//! statistics fitted on the training split, and the order in which training visits the rows.
//!
//! The decision that shaped it: **an example is named by its content.** Every input and every
//! example has a BLAKE3 digest, and the content split asks only that digest where a row belongs.
//! So adding rows never moves old ones, identical inputs never stand on both sides of a split,
//! and a later generation can ask whether it was tested on what its ancestor was trained on.
//!
//! Images stay `u8` and tables `f32`, as they will enter the model's graph: scaling is part of the
//! model, not of this crate. Everything outside is untrusted; each size is checked against
//! [`limits`] and against the file's true length before memory is asked for. What is wrong with the
//! user's files is collected as `base::Diagnostics`, all of it at once; only a failing disk is an
//! error of another kind ([`DataError::File`]).
//!
//! The way through: [`load`] → [`Dataset`] → [`keep_classes`] → [`split`] → [`few_per_class`] → [`fit`] → [`epoch_order`] → [`gather`].
//! For answering questions about single files there is [`read_images`], for data that no scheme
//! describes yet [`look()`]. Who wants bytes only, for
//! the key of a cached stage, calls [`fingerprint`]. Nothing here knows schemes, graphs or training.

mod choose;
mod classes;
mod columns;
mod dataset;
mod embedded;
mod error;
mod feed;
mod forecast;
mod idx;
mod image_file;
mod image_folder;
mod inputs;
mod jpeg;
pub mod limits;
mod load;
mod look;
mod order;
mod order_key;
mod other_images;
mod row_image;
mod slices;
mod source;
mod split;
mod statistics;
mod stored;
mod table;

pub use choose::{few_per_class, keep_classes, without_unused};
pub use dataset::{Dataset, Forecast, Layout, Target, gather, input_digests};
pub use embedded::embedded_names;
pub use error::DataError;
pub use inputs::{image_pixels, read_images};
pub use load::{fingerprint, load};
pub use look::{ColumnKind, ColumnLook, Guess, IdxLook, ImagesLook, Look, TableLook, look};
pub use order::{batch, epoch_order};
pub use other_images::fit_images;
pub use slices::{SLICES_MAX, Slices, slices};
pub use source::{
    Adjust, Channels, CsvSource, Filter, IdxSource, ImagesSource, RowImage, Source, TableFile, TargetForm,
    Task,
};
pub use split::{Fractions, SplitRule, Splits, split};
pub use statistics::{FeatureStatistics, Statistics, fit};
