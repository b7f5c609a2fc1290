//! One PNG or JPEG file becomes pixels of the wanted size and colours.

use std::io::Cursor;
use std::path::Path;

use base::{Diagnostic, Location};
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::Channels;
use crate::jpeg::ends_early;
use crate::limits::{IMAGE_DECODED_BYTES_MAX, IMAGE_SIDE_MAX};

/// Colours, height and width that every image is brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImageShape {
    pub(crate) channels: Channels,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl ImageShape {
    /// Bytes of one image.
    pub(crate) fn bytes(self) -> usize {
        self.channels.count() * self.height * self.width
    }

    /// A size that is none.
    pub(crate) fn check(self) -> Option<Diagnostic> {
        let side_ok = |side: usize| (1..=IMAGE_SIDE_MAX as usize).contains(&side);
        (!side_ok(self.height) || !side_ok(self.width)).then(|| {
            let message = format!("images cannot be resized to {} x {}", self.height, self.width);
            Diagnostic::new("image-size", message)
                .help(format!("height and width are 1 to {IMAGE_SIDE_MAX} pixels"))
        })
    }
}

/// PNG or JPEG, by the file's first bytes.
pub(crate) fn image_format(bytes: &[u8]) -> Option<ImageFormat> {
    image::guess_format(bytes).ok().filter(|format| matches!(format, ImageFormat::Png | ImageFormat::Jpeg))
}

/// Appends the image's pixels as `u8` [channels, height, width].
///
/// In this order: the orientation noted in the file is applied; 16-bit values are rounded to 8; colours
/// become grey (Rec. 709 luminance) or RGB; an image of another size is resized with a triangle filter
/// (which averages when it shrinks). An image with transparent pixels is refused, because what shows
/// through is not in the file.
pub(crate) fn append_pixels(
    path: &Path,
    bytes: &[u8],
    shape: ImageShape,
    pixels: &mut Vec<u8>,
) -> Result<(), Diagnostic> {
    let image = decode(path, bytes)?;
    let (height, width) = (shape.height as u32, shape.width as u32);
    let same_size = (image.height(), image.width()) == (height, width);
    match shape.channels {
        Channels::Grey => {
            let grey = image.into_luma8();
            let grey = if same_size {
                grey
            } else {
                image::imageops::resize(&grey, width, height, FilterType::Triangle)
            };
            pixels.extend_from_slice(grey.as_raw()); // [height, width]
        }
        Channels::Rgb => {
            let rgb = image.into_rgb8();
            let rgb = if same_size {
                rgb
            } else {
                image::imageops::resize(&rgb, width, height, FilterType::Triangle)
            };
            for channel in 0..3 {
                pixels.extend(rgb.pixels().map(|pixel| pixel.0[channel])); // [height, width, 3] -> [3, height, width]
            }
        }
    }
    Ok(())
}

/// The shape [channels, height, width] of an image as the file's header tells it, with one channel if
/// the image is grey, else three; nothing is decoded.
pub(crate) fn image_size(path: &Path, bytes: &[u8]) -> Result<[usize; 3], Diagnostic> {
    let Some(format) = image_format(bytes) else { return Err(not_an_image(path, bytes)) };
    let read = || {
        let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder()?;
        let turned = matches!(
            decoder.orientation()?,
            Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH
        );
        let channels = if decoder.color_type().has_color() { 3 } else { 1 };
        let (width, height) = decoder.dimensions();
        let (width, height) = if turned { (height, width) } else { (width, height) };
        Ok([channels, height as usize, width as usize])
    };
    read().map_err(|error| image_error(path, error))
}

fn decode(path: &Path, bytes: &[u8]) -> Result<DynamicImage, Diagnostic> {
    let Some(format) = image_format(bytes) else { return Err(not_an_image(path, bytes)) };
    if format == ImageFormat::Jpeg && ends_early(bytes) {
        let found = unreadable(path, "the JPEG data ends before its end marker");
        return Err(found.label(Location::byte(path, bytes.len() as u64), "cut off here"));
    }
    let image = decode_checked(bytes, format).map_err(|error| image_error(path, error))?;
    let see_through =
        image.color().has_alpha() && image.to_rgba8().pixels().any(|pixel| pixel.0[3] != u8::MAX);
    if see_through {
        let found =
            Diagnostic::new("transparent-image", "the image has transparent pixels, which have no colour");
        return Err(found.label(Location::file(path), "").help("save it with an opaque background"));
    }
    Ok(image)
}

fn decode_checked(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, ImageError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(IMAGE_SIDE_MAX);
    limits.max_image_height = Some(IMAGE_SIDE_MAX);
    limits.max_alloc = Some(IMAGE_DECODED_BYTES_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn image_error(path: &Path, error: ImageError) -> Diagnostic {
    match error {
        ImageError::Limits(_) => {
            let most =
                format!("at most {IMAGE_SIDE_MAX} pixels a side and {} MiB", IMAGE_DECODED_BYTES_MAX >> 20);
            Diagnostic::new("too-large", format!("the image is larger than the limits: {most}"))
                .label(Location::file(path), "")
        }
        error => unreadable(path, &error.to_string()).label(Location::file(path), ""),
    }
}

fn unreadable(path: &Path, why: &str) -> Diagnostic {
    let why = why.split(" while decoding ChunkType").next().unwrap_or(why); // the rest is the decoder's own jargon
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    Diagnostic::new("unreadable-image", format!("the image `{}` is damaged: {why}", path.display()))
        .help("replace or remove the file")
}

pub(crate) fn not_an_image(path: &Path, bytes: &[u8]) -> Diagnostic {
    let what = if bytes.is_empty() { "is empty" } else { "is neither PNG nor JPEG" };
    Diagnostic::new("not-an-image", format!("`{}` {what}", path.display()))
        .label(Location::byte(path, 0), "the first bytes tell the format")
        .help("remove the file or convert it to PNG")
}
