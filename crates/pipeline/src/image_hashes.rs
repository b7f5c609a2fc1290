//! How the images look that a model was trained on: perceptual hashes, kept beside it for the leak guard.
//!
//! One difference hash compares neighbours in a row only, and small drawings agree in it by the thousand. So an image has
//! two of them, its own and that of its transpose, which compares neighbours in a column.

use data::{Dataset, Layout};
use inherit::leak::{NearIndex, PerceptualHash, difference_hash};

use crate::error::RunError;

/// Under which role the hashes are kept beside a version.
pub(crate) const ROLE: &str = "image_hashes";
/// First bytes of the hashes; the last is the format's version.
const MAGIC: [u8; 8] = *b"HLMDHSH\x01";
/// The most images whose hashes are kept beside one version: 1.6 MB of them. Of more images, the first ones are taken.
pub(crate) const IMAGES_MAX: usize = 100_000;
/// Images whose hashes differ in at most so many of 128 bits resemble each other. Of 1000 digits of MNIST's test part five
/// so resemble one of its 60,000 training digits, and of 1000 of Fashion-MNIST 22; two bits would be 29 and 57.
const DISTANCE: u32 = 1;
/// Hashes with fewer bits of either kind are those of nearly flat images, which all resemble each other: the strokes of
/// digits, of which 42 % are thus never warned about.
const TELLING_BITS: u32 = 32;

/// How an image looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Look {
    /// From neighbours in a row.
    across: PerceptualHash,
    /// From neighbours in a column.
    down: PerceptualHash,
}

impl Look {
    /// Whether it says enough to be compared.
    fn tells(self) -> bool {
        let ones = self.across.0.count_ones() + self.down.0.count_ones();
        ones.min(128 - ones) >= TELLING_BITS
    }
}

/// The looks of the images `rows`, in their order; none for other data than images of one to four channels.
pub(crate) fn looks(dataset: &Dataset, rows: &[u32], threads: usize) -> Vec<Look> {
    let (Layout::Image, &[channels @ 1..=4, height, width]) = (dataset.layout, dataset.example_shape())
    else {
        return Vec::new();
    };
    let pixels = dataset.input.values::<u8>();
    let (area, length) = (height * width, channels * height * width);
    let of = |&row: &u32| {
        let image = &pixels[row as usize * length..][..length];
        let turned: Vec<u8> = (0..length)
            .map(|at| {
                let (channel, column, row) = (at / area, at % area / height, at % height);
                image[channel * area + row * width + column] // [channel, row, column] -> [channel, column, row]
            })
            .collect();
        let across = difference_hash(image, channels, height, width).ok()?;
        Some(Look { across, down: difference_hash(&turned, channels, width, height).ok()? })
    };
    // Each image is on its own: any number of threads will do.
    let each = rows.len().div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = rows
            .chunks(each)
            .map(|rows| scope.spawn(move || rows.iter().filter_map(of).collect::<Vec<_>>()))
            .collect();
        let joined = parts.into_iter().map(|part| part.join());
        joined.flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// What is kept beside a model that was trained on the images `rows`: their distinct looks, ascending; `None` if they are
/// no images.
pub(crate) fn encode(dataset: &Dataset, rows: &[u32], threads: usize) -> Option<Vec<u8>> {
    let mut found = looks(dataset, &rows[..rows.len().min(IMAGES_MAX)], threads);
    if found.is_empty() {
        return None;
    }
    found.sort_unstable();
    found.dedup();
    let hashes = found.iter().flat_map(|look| [look.across, look.down]).flat_map(|hash| hash.0.to_le_bytes());
    Some(MAGIC.into_iter().chain(hashes).collect())
}

/// Reads what [`encode`] wrote; safe on any bytes.
fn decode(bytes: &[u8]) -> Result<Vec<Look>, String> {
    let rest =
        bytes.strip_prefix(&MAGIC).ok_or("they do not begin as hashes of images of a known version")?;
    let (looks, over) = rest.as_chunks::<16>();
    if !over.is_empty() || looks.len() > IMAGES_MAX {
        return Err(format!("{} bytes are no list of hashes", rest.len()));
    }
    let look = |bytes: &[u8; 16]| {
        // A u128 in little-endian has the first of the two in its lower half.
        let both = u128::from_le_bytes(*bytes);
        Look { across: PerceptualHash(both as u64), down: PerceptualHash((both >> 64) as u64) }
    };
    Ok(looks.iter().map(look).collect())
}

/// Training images of one model, to find others that resemble them.
pub(crate) struct Gallery {
    looks: Vec<Look>,
    index: NearIndex,
}

impl Gallery {
    /// From what is kept beside the model.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, RunError> {
        let looks =
            decode(bytes).map_err(|reason| RunError::damaged("a list of hashes of images", reason))?;
        let across: Vec<PerceptualHash> = looks.iter().map(|look| look.across).collect();
        Ok(Gallery { index: NearIndex::new(&across, DISTANCE)?, looks })
    }

    /// In how many of 128 bits `look` differs from the nearest image that it resembles; `None` if it resembles none, or
    /// looks too flat to tell.
    pub(crate) fn nearest(&self, look: Look) -> Option<u32> {
        if !look.tells() {
            return None;
        }
        let near = self.index.within(look.across).into_iter();
        near.map(|(at, distance)| distance + self.looks[at].down.distance(look.down))
            .filter(|distance| *distance <= DISTANCE)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIPES: u64 = 0x0F0F_3333_5555_00FF;

    fn bytes(looks: &[(u64, u64)]) -> Vec<u8> {
        let hashes = looks.iter().flat_map(|&(across, down)| [across, down]);
        MAGIC.into_iter().chain(hashes.flat_map(u64::to_le_bytes)).collect()
    }

    #[test]
    fn both_hashes_count() {
        let Ok(gallery) = Gallery::new(&bytes(&[(STRIPES, STRIPES), (STRIPES, !STRIPES), (0, 0)])) else {
            panic!("a list of hashes")
        };
        let nearest = |across, down| {
            gallery.nearest(Look { across: PerceptualHash(across), down: PerceptualHash(down) })
        };
        assert_eq!(nearest(STRIPES, STRIPES), Some(0));
        assert_eq!(nearest(STRIPES, STRIPES ^ 8), Some(1));
        assert_eq!(nearest(STRIPES ^ 8, !STRIPES), Some(1));
        assert_eq!(nearest(STRIPES ^ 8, STRIPES ^ 8), None);
        assert_eq!(nearest(0, 0), None, "too flat to tell");
    }

    #[test]
    fn damaged_hashes_are_refused() {
        let whole = bytes(&[(7, 9)]);
        let look = Look { across: PerceptualHash(7), down: PerceptualHash(9) };
        assert_eq!(decode(&whole), Ok(vec![look]));
        assert_eq!(decode(&whole[..8]), Ok(vec![]));
        for end in (0..8).chain(9..24) {
            assert!(decode(&whole[..end]).is_err(), "{end}");
        }
        assert!(decode(&bytes(&vec![(1, 1); IMAGES_MAX + 1])).is_err());
    }
}
