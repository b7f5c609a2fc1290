//! OCI image layouts, made without a daemon: an image that runs the model, an artifact that only carries it.
//!
//! Source: OCI Image Format Specification 1.1.

mod annotations;
mod image;
mod layer;
mod layout;
mod modelpack;

pub use image::image;
pub use layer::Compression;
pub use layout::{Layout, write_layout};
pub use modelpack::modelpack;
