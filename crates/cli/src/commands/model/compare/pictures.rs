//! The input of a case as a page can show it.

use base64ct::{Base64, Encoding};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use pipeline::CaseInput;
use tensor::Data;

/// An image as a data URI with its width and height; `None` if the input is no grey or RGB image.
pub(super) fn picture(case: &CaseInput) -> Option<(String, usize, usize)> {
    let (Data::U8(values), &[channels, height, width]) = (case.input.data(), case.input.shape()) else {
        return None;
    };
    let colour = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        _ => return None,
    };
    // Channel by channel becomes pixel by pixel.
    let plane = height * width;
    let pixels: Vec<u8> = (0..plane)
        .flat_map(|pixel| (0..channels).map(move |channel| values[channel * plane + pixel]))
        .collect();
    let mut png = Vec::new();
    let size = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    PngEncoder::new(&mut png).write_image(&pixels, size.0, size.1, colour).ok()?;
    Some((format!("data:image/png;base64,{}", Base64::encode_string(&png)), width, height))
}

/// The numbers of a table's case by the names of its columns; of a window of rows, those of the last row.
pub(super) fn numbers(case: &CaseInput) -> Vec<(String, f32)> {
    let Data::F32(values) = case.input.data() else { return Vec::new() };
    let width = case.input.shape().last().copied().unwrap_or(0);
    let last = &values[values.len().saturating_sub(width)..];
    let name = |column: usize| {
        case.features.get(column).cloned().unwrap_or_else(|| format!("column {}", column + 1))
    };
    last.iter().enumerate().map(|(column, &value)| (name(column), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::Tensor;

    #[test]
    fn pictures_hold_their_pixels() {
        let input = Tensor::new([3, 1, 2], vec![1u8, 2, 3, 4, 5, 6]);
        let case = CaseInput { owner: "a@1".to_owned(), input, features: Vec::new() };
        let (uri, width, height) = picture(&case).unwrap();
        let png = Base64::decode_vec(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let read = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!((read.into_raw(), width, height), (vec![1, 3, 5, 2, 4, 6], 2, 1));
        let input = Tensor::new([2, 2], vec![1f32, 2.0, 3.0, 4.0]);
        let case = CaseInput { owner: "a@1".to_owned(), input, features: vec!["x".to_owned()] };
        assert!(picture(&case).is_none());
        assert_eq!(numbers(&case), [("x".to_owned(), 3.0), ("column 2".to_owned(), 4.0)]);
    }
}
