//! A hash of how a picture looks: alike for copies that were resized, recompressed or brightened.

use base::Diagnostic;

/// Columns and rows that a picture is averaged down to; neighbours in a row give 8 bits per row.
const COLUMNS: usize = 9;
const ROWS: usize = 8;

/// Longest edge of a picture, in pixels: keeps all sums below within 64 bits.
const EDGE_MAX: usize = 1 << 16;

/// 64 bits, one for each pair of neighbouring cells of a 9 x 8 grid, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PerceptualHash(pub u64);

impl PerceptualHash {
    /// In how many of the 64 bits two hashes differ (Hamming distance).
    pub fn distance(self, other: PerceptualHash) -> u32 {
        (self.0 ^ other.0).count_ones()
    }
}

/// The difference hash (dHash) of a picture.
///
/// Formula the picture becomes grey (three channels: `299 R + 587 G + 114 B`, any other number: their
///         sum), each cell of a 9 x 8 grid the mean over its area, pixels on an edge in proportion;
///         bit `8 r + c` from the highest is 1 where cell `(r, c)` is brighter than `(r, c + 1)`. All in
///         whole numbers: the same bits everywhere.
/// Shapes  `pixels: [channels, height, width]`.
/// Units   8-bit brightness; adding the same to all pixels or scaling them changes nothing.
/// Errors  `image-size`: no pixels, an edge over 65536, more than 4 channels, or a length that is not
///         `channels * height * width`.
/// Weak    where a picture is flat: all flat pictures hash to 0, and small drawings on an even ground
///         (digits) resemble each other. So it is good for warnings, not for refusals.
/// Source  Krawetz 2013, "Kind of like that".
pub fn difference_hash(
    pixels: &[u8],
    channels: usize,
    height: usize,
    width: usize,
) -> Result<PerceptualHash, Diagnostic> {
    let in_range =
        (1..=4).contains(&channels) && (1..=EDGE_MAX).contains(&height) && (1..=EDGE_MAX).contains(&width);
    if !in_range || pixels.len() as u64 != (channels * height) as u64 * width as u64 {
        let message = format!(
            "a picture of 1 to 4 channels and edges of 1 to {EDGE_MAX} was expected, this one has {} bytes for \
             {channels} x {height} x {width}",
            pixels.len()
        );
        return Err(Diagnostic::new("image-size", message));
    }
    let weights: &[u64] = if channels == 3 { &[299, 587, 114] } else { &[1; 4][..channels] };
    let mut cells = [[0u64; COLUMNS]; ROWS]; // area-weighted sums, all of the same total weight
    for row in 0..height {
        for column in 0..width {
            let at = row * width + column;
            let grey = |channel: usize| weights[channel] * pixels[channel * height * width + at] as u64;
            let grey: u64 = (0..channels).map(grey).sum();
            for (r, high) in overlaps(row, height, ROWS) {
                for (c, wide) in overlaps(column, width, COLUMNS) {
                    cells[r][c] += grey * high * wide;
                }
            }
        }
    }
    let bits = cells.iter().flat_map(|row| row.windows(2).map(|pair| u64::from(pair[0] > pair[1])));
    Ok(PerceptualHash(bits.fold(0, |hash, bit| hash << 1 | bit)))
}

/// The cells that pixel `at` of `length` lies in when they are stretched over `count` cells, and how
/// much of it lies in each: `length` units make a cell, `count` units a pixel.
fn overlaps(at: usize, length: usize, count: usize) -> impl Iterator<Item = (usize, u64)> {
    let (start, end) = (at * count, (at + 1) * count);
    (start / length..end.div_ceil(length)).map(move |cell| {
        let from = start.max(cell * length);
        let to = end.min((cell + 1) * length);
        (cell, (to - from) as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A picture made of a formula: `[1, height, width]`, sampled at the pixels' middles.
    fn picture(height: usize, width: usize, brightness: impl Fn(f64, f64) -> f64) -> Vec<u8> {
        let middle = |at: usize, length: usize| (at as f64 + 0.5) / length as f64;
        (0..height * width)
            .map(|at| brightness(middle(at / width, height), middle(at % width, width)) as u8)
            .collect()
    }

    fn waves(y: f64, x: f64) -> f64 {
        120.0 + 60.0 * (9.0 * x + 4.0 * y).sin() + 40.0 * (7.0 * y - 11.0 * x * y).cos()
    }

    #[test]
    fn agrees_with_numpy() {
        // 9 x 8 pixels, so that cells are pixels: p = (np.arange(72) * 37 + 11) % 251 as [8, 9],
        // bits p[:, :-1] > p[:, 1:], packed by np.packbits, big-endian.
        let pixels: Vec<u8> = (0..72u32).map(|at| ((at * 37 + 11) % 251) as u8).collect();
        assert_eq!(difference_hash(&pixels, 1, 8, 9).unwrap().0, 0x0208_2002_0820_0208);
        // 17 x 13 pixels of three channels, averaged by area with matrices of overlaps in numpy.
        let pixels: Vec<u8> =
            (0..3 * 17 * 13u32).map(|at| ((at * at * 7 + at * 31 + 5) % 253) as u8).collect();
        assert_eq!(difference_hash(&pixels, 3, 17, 13).unwrap().0, 0x5A19_896F_67A5_EB2A);
    }

    #[test]
    fn falling_rising_and_flat() {
        let hash = |brightness: fn(f64, f64) -> f64| {
            difference_hash(&picture(20, 30, brightness), 1, 20, 30).unwrap().0
        };
        assert_eq!(hash(|_, x| 250.0 * (1.0 - x)), u64::MAX);
        assert_eq!(hash(|_, x| 250.0 * x), 0);
        assert_eq!(hash(|_, _| 77.0), 0);
    }

    #[test]
    fn copies_are_near_and_strangers_far() {
        let original = difference_hash(&picture(64, 96, waves), 1, 64, 96).unwrap();
        let smaller = difference_hash(&picture(40, 50, waves), 1, 40, 50).unwrap();
        let darker = picture(64, 96, |y, x| waves(y, x) * 0.6 + 3.0);
        let darker = difference_hash(&darker, 1, 64, 96).unwrap();
        let stranger = difference_hash(&picture(64, 96, |y, x| waves(x, 1.0 - y)), 1, 64, 96).unwrap();
        assert!(original.distance(smaller) <= 3, "{}", original.distance(smaller));
        assert!(original.distance(darker) <= 3, "{}", original.distance(darker));
        assert!(original.distance(stranger) >= 15, "{}", original.distance(stranger));
    }

    #[test]
    fn sizes_are_checked() {
        for (bytes, channels, height, width) in
            [(0, 1, 0, 0), (5, 1, 2, 3), (10, 5, 1, 2), (0, 0, 1, 1), (1, 1, usize::MAX, usize::MAX)]
        {
            let found = difference_hash(&vec![0; bytes], channels, height, width);
            assert_eq!(found.unwrap_err().code, "image-size");
        }
        assert_eq!(difference_hash(&[9], 1, 1, 1), Ok(PerceptualHash(0)));
    }

    proptest! {
        #[test]
        fn adding_to_all_pixels_changes_nothing(
            pixels in prop::collection::vec(0u8..200, 143), more in 0u8..55,
        ) {
            let brighter: Vec<u8> = pixels.iter().map(|pixel| pixel + more).collect();
            prop_assert_eq!(difference_hash(&pixels, 1, 11, 13), difference_hash(&brighter, 1, 11, 13));
        }
    }
}
