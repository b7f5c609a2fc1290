//! How the images look that a model was trained on: their perceptual hashes, kept beside it for the leak guard.

use data::{Dataset, Layout};
use inherit::leak::{PerceptualHash, difference_hash};

/// Under which role the hashes are kept beside a version.
pub(crate) const ROLE: &str = "image_hashes";
/// First bytes of the hashes; the last is the format's version.
const MAGIC: [u8; 8] = *b"HLMDHSH\x01";
/// The most hashes that are kept beside one version: 800 kB of them. Of more images, the first ones are taken.
pub(crate) const HASHES_MAX: usize = 100_000;

/// The difference hashes of the images `rows`, in their order; none for other data than images.
pub(crate) fn hashes(dataset: &Dataset, rows: &[u32], threads: usize) -> Vec<PerceptualHash> {
    let (Layout::Image, &[channels, height, width]) = (dataset.layout, dataset.example_shape()) else {
        return Vec::new();
    };
    let pixels = dataset.input.values::<u8>();
    let length = channels * height * width;
    let of = |&row: &u32| {
        let image = &pixels[row as usize * length..][..length];
        difference_hash(image, channels, height, width).ok()
    };
    // Images that have no hash (more channels than four) are left out. Each is on its own: any number of threads will do.
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

/// What is kept beside a model that was trained on the images `rows`: their distinct hashes, ascending; `None` if they are
/// no images.
pub(crate) fn encode(dataset: &Dataset, rows: &[u32], threads: usize) -> Option<Vec<u8>> {
    let mut found = hashes(dataset, &rows[..rows.len().min(HASHES_MAX)], threads);
    if found.is_empty() {
        return None;
    }
    found.sort_unstable();
    found.dedup();
    let hashes = found.iter().flat_map(|hash| hash.0.to_le_bytes());
    Some(MAGIC.into_iter().chain(hashes).collect())
}

/// Reads what [`encode`] wrote; safe on any bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<PerceptualHash>, String> {
    let rest =
        bytes.strip_prefix(&MAGIC).ok_or("they do not begin as hashes of images of a known version")?;
    let (hashes, over) = rest.as_chunks::<8>();
    if !over.is_empty() || hashes.len() > HASHES_MAX {
        return Err(format!("{} bytes are no list of hashes", rest.len()));
    }
    Ok(hashes.iter().map(|&hash| PerceptualHash(u64::from_le_bytes(hash))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_hashes_are_refused() {
        let bytes: Vec<u8> = MAGIC.into_iter().chain([7, 0, 0, 0, 0, 0, 0, 0]).collect();
        assert_eq!(decode(&bytes), Ok(vec![PerceptualHash(7)]));
        assert_eq!(decode(&bytes[..8]), Ok(vec![]));
        for end in (0..8).chain(9..16) {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        let many = [MAGIC.to_vec(), vec![0; 8 * (HASHES_MAX + 1)]].concat();
        assert!(decode(&many).is_err());
    }
}
