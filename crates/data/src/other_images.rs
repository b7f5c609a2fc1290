//! Images in memory, brought to the colours and size that another model takes.

use base::Diagnostic;
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, RgbImage};
use tensor::Tensor;

use crate::Channels;
use crate::image_file::ImageShape;

/// `images`, u8 [rows, channels, height, width], in other colours and another size: what [`crate::read_images`] would give for
/// the same pictures in files.
///
/// Colours   RGB becomes grey by its Rec. 709 luminance, grey becomes RGB by repetition.
/// Size      a triangle filter: bilinear where the image grows, averaging where it shrinks.
/// Errors    a size beyond the limits of images.
///
/// Panics unless `images` is as said, with 1 or 3 channels.
pub fn fit_images(
    images: &Tensor,
    channels: Channels,
    height: usize,
    width: usize,
) -> Result<Tensor, Diagnostic> {
    let wanted = ImageShape { channels, height, width };
    if let Some(found) = wanted.check() {
        return Err(found);
    }
    let &[rows, given, rows_of, columns_of] = images.shape() else {
        panic!("images have four dimensions, found {:?}", images.shape())
    };
    let mut pixels = Vec::with_capacity(rows * wanted.bytes());
    for image in images.values::<u8>().chunks_exact(given * rows_of * columns_of) {
        append(picture(image, given, rows_of, columns_of), wanted, &mut pixels);
    }
    Ok(Tensor::new([rows, channels.count(), height, width], pixels))
}

/// One image, [channels, height, width], as the image library holds it.
fn picture(image: &[u8], channels: usize, height: usize, width: usize) -> DynamicImage {
    let (columns, rows, size) = (width as u32, height as u32, height * width);
    let at = |x: u32, y: u32| y as usize * width + x as usize;
    match channels {
        1 => GrayImage::from_fn(columns, rows, |x, y| image::Luma([image[at(x, y)]])).into(),
        3 => {
            RgbImage::from_fn(columns, rows, |x, y| image::Rgb([0, 1, 2].map(|c| image[c * size + at(x, y)])))
                .into()
        }
        _ => panic!("images have 1 or 3 channels, found {channels}"),
    }
}

fn append(picture: DynamicImage, wanted: ImageShape, pixels: &mut Vec<u8>) {
    let (height, width) = (wanted.height as u32, wanted.width as u32);
    // Colours first, as for files, so that both ways give the same bytes.
    match wanted.channels {
        Channels::Grey => {
            let grey = image::imageops::resize(&picture.into_luma8(), width, height, FilterType::Triangle);
            pixels.extend_from_slice(grey.as_raw()); // [height, width]
        }
        Channels::Rgb => {
            let rgb = image::imageops::resize(&picture.into_rgb8(), width, height, FilterType::Triangle);
            for channel in 0..3 {
                pixels.extend(rgb.pixels().map(|pixel| pixel.0[channel])); // [height, width, 3] -> [3, height, width]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(images: (&[usize], &[u8]), wanted: (Channels, usize, usize), expected: &[u8]) {
        let images = Tensor::new(images.0.to_vec(), images.1.to_vec());
        let found = fit_images(&images, wanted.0, wanted.1, wanted.2).unwrap();
        assert_eq!(found.shape(), [images.shape()[0], wanted.0.count(), wanted.1, wanted.2]);
        assert_eq!(found.values::<u8>(), expected);
    }

    #[test]
    fn colours_and_sizes() {
        // Grey is repeated; a single colour stays what it is in any size.
        check((&[1, 1, 1, 2], &[7, 9]), (Channels::Rgb, 1, 2), &[7, 9, 7, 9, 7, 9]);
        check((&[2, 1, 1, 1], &[7, 9]), (Channels::Grey, 2, 2), &[7, 7, 7, 7, 9, 9, 9, 9]);
        // Rec. 709: 0.2126 of red, 0.7152 of green, 0.0722 of blue.
        check((&[1, 3, 1, 1], &[100, 0, 0]), (Channels::Grey, 1, 1), &[21]);
        check((&[1, 3, 1, 1], &[0, 100, 0]), (Channels::Grey, 1, 1), &[72]);
        // Shrinking averages, growing is bilinear.
        check((&[1, 1, 1, 2], &[0, 200]), (Channels::Grey, 1, 1), &[100]);
        check((&[1, 1, 1, 2], &[0, 200]), (Channels::Grey, 1, 4), &[0, 50, 150, 200]);
    }

    #[test]
    fn a_size_that_is_none_is_refused() {
        let images = Tensor::new([1, 1, 1, 1], vec![0u8]);
        assert_eq!(fit_images(&images, Channels::Grey, 0, 1).unwrap_err().code, "image-size");
    }
}
