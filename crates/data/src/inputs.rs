//! Images to be classified: single PNG or JPEG files, or IDX files of many.

use std::path::Path;

use base::{Diagnostic, Location};
use tensor::Tensor;

use crate::idx::{IdxFile, IdxKind};
use crate::image_file::{ImageShape, append_pixels, not_an_image};
use crate::limits::IMAGE_FILE_BYTES_MAX;
use crate::stored::Stored;
use crate::{Channels, DataError};

/// Reads the images in one file as `u8` [count, channels, height, width].
///
/// A PNG or JPEG file gives one image, brought to size and colours as in training. An IDX file (plain
/// or gzip) gives all of its images and must already have the size; it holds grey images only.
///
/// Errors: a file that is missing, damaged, of another kind or another size.
pub fn read_images(
    path: &Path,
    channels: Channels,
    height: usize,
    width: usize,
) -> Result<Tensor, DataError> {
    let shape = ImageShape { channels, height, width };
    shape.check().map_or(Ok(()), Err)?;
    let stored = Stored::on_disk(path);
    let mut start = Vec::new();
    let mut opened = stored.open()?;
    opened.read_up_to(4, &mut start)?;
    if opened.packed || start.starts_with(&[0, 0]) {
        return read_idx(&stored, shape);
    }
    drop(opened);
    let bytes = stored.read_raw(IMAGE_FILE_BYTES_MAX)?;
    let mut pixels = Vec::with_capacity(shape.bytes());
    append_pixels(path, &bytes, shape, &mut pixels)?;
    Ok(Tensor::new([1, channels.count(), height, width], pixels))
}

/// The pixels of one PNG or JPEG image in memory, `u8` [channels, height, width], brought to size and colours as in training.
/// `name` is what diagnostics call it.
///
/// Errors: bytes that are no such image, damaged or larger than the limits.
pub fn image_pixels(
    name: &Path,
    bytes: &[u8],
    channels: Channels,
    height: usize,
    width: usize,
) -> Result<Vec<u8>, Diagnostic> {
    let shape = ImageShape { channels, height, width };
    shape.check().map_or(Ok(()), Err)?;
    let mut pixels = Vec::with_capacity(shape.bytes());
    append_pixels(name, bytes, shape, &mut pixels)?;
    Ok(pixels)
}

fn read_idx(stored: &Stored, shape: ImageShape) -> Result<Tensor, DataError> {
    let file = match IdxFile::open(stored, IdxKind::Images) {
        Err(DataError::Invalid(found)) if found.0.iter().any(|one| one.code == "idx-magic") => {
            let found = found.0.into_iter().next().unwrap_or_else(|| not_an_image(&stored.path, &[]));
            let message = format!("this is no image: it is neither PNG, JPEG nor IDX; {}", found.message);
            return Err(Diagnostic { code: "not-an-image", message, ..found }.into());
        }
        other => other?,
    };
    let (count, height, width) = (file.dims[0], file.dims[1], file.dims[2]);
    if (1, height, width) != (shape.channels.count(), shape.height, shape.width) {
        let message = format!(
            "the model takes images of {} x {} x {} (channels, height, width), the file holds 1 x {height} x {width}",
            shape.channels.count(),
            shape.height,
            shape.width
        );
        let found =
            Diagnostic::new("image-size", message).label(Location::byte(&stored.path, 8), "height and width");
        return Err(found.help("IDX files are taken as they are; PNG and JPEG files are resized").into());
    }
    let mut pixels = Vec::new();
    file.read(&mut pixels)?;
    Ok(Tensor::new([count, 1, height, width], pixels))
}
