//! Near-duplicates by perceptual hash, without comparing every pair.

use super::PerceptualHash;
use base::Diagnostic;
use serde::{Deserialize, Serialize};

/// The largest distance an index may be made for: its bands are seven bits wide then. Above, comparing
/// all pairs is quicker, and chance sets in: of 600 million pairs of random hashes five are within 10.
pub const DISTANCE_MAX: u32 = 8;

/// Finds all hashes within a fixed Hamming distance of a given one.
///
/// The 64 bits are cut into `distance + 1` bands. Two hashes that differ in at most `distance` bits
/// agree in at least one whole band (pigeonhole), so only hashes that share a band are compared:
/// exact, no pair is missed. Hashes that occur many times are compared once. Memory:
/// `16 + 4 (distance + 1)` bytes for each hash; a search of `n` random hashes compares about
/// `(distance + 1) n / 2^(64 / (distance + 1))` of them.
/// Source: Manku, Jain, Das Sarma 2007, "Detecting near-duplicates for web crawling".
#[derive(Debug, Clone)]
pub struct NearIndex {
    distance: u32,
    /// Distinct hashes, ascending.
    hashes: Vec<u64>,
    /// Where each hash was given: entry `e` at `positions[starts[e]..starts[e + 1]]`, ascending.
    positions: Vec<u32>,
    starts: Vec<u32>,
    bands: Vec<Band>,
}

/// A run of bits, and the distinct hashes in the order of these bits.
#[derive(Debug, Clone)]
struct Band {
    shift: u32,
    mask: u64,
    order: Vec<u32>,
}

impl Band {
    fn of(&self, hash: u64) -> u64 {
        hash >> self.shift & self.mask
    }
}

/// One picture that resembles others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearDuplicate {
    /// Position among the pictures that were asked about.
    pub query: usize,
    /// Position of the nearest known picture; the first where several are as near.
    pub nearest: usize,
    /// Its distance, in bits of 64.
    pub distance: u32,
    /// How many known pictures are within the distance.
    pub count: usize,
}

impl NearIndex {
    /// An index of `known` for searches within `distance`, at most [`DISTANCE_MAX`].
    ///
    /// Errors `near-distance`: over [`DISTANCE_MAX`]; `near-count`: more than `2^32` hashes.
    pub fn new(known: &[PerceptualHash], distance: u32) -> Result<Self, Diagnostic> {
        if distance > DISTANCE_MAX {
            let message =
                format!("the distance of near-duplicates is {distance}, expected 0 to {DISTANCE_MAX}");
            return Err(Diagnostic::new("near-distance", message));
        }
        let Ok(count) = u32::try_from(known.len()) else {
            let message = format!("at most 2^32 pictures can be searched, these are {}", known.len());
            return Err(Diagnostic::new("near-count", message));
        };
        let mut positions: Vec<u32> = (0..count).collect();
        positions.sort_unstable_by_key(|&position| (known[position as usize], position));
        let (mut hashes, mut starts) = (Vec::new(), vec![0]);
        for group in positions.chunk_by(|&a, &b| known[a as usize] == known[b as usize]) {
            hashes.push(known[group[0] as usize].0);
            starts.push(starts[starts.len() - 1] + group.len() as u32);
        }
        let bands = (0..=distance).map(|band| band_of(&hashes, band, distance + 1)).collect();
        Ok(NearIndex { distance, hashes, positions, starts, bands })
    }

    /// All known hashes within the distance of `hash`: their positions, ascending, and distances.
    pub fn within(&self, hash: PerceptualHash) -> Vec<(usize, u32)> {
        let mut found: Vec<(usize, u32)> = self
            .distinct(hash)
            .flat_map(|(entry, distance)| self.members(entry).iter().map(move |&at| (at as usize, distance)))
            .collect();
        found.sort_unstable();
        found
    }

    /// Where the distinct hash `entry` was given; at least once.
    fn members(&self, entry: usize) -> &[u32] {
        &self.positions[self.starts[entry] as usize..self.starts[entry + 1] as usize]
    }

    /// The distinct hashes within the distance, each once: in the first band in which it agrees.
    fn distinct(&self, hash: PerceptualHash) -> impl Iterator<Item = (usize, u32)> {
        self.bands.iter().enumerate().flat_map(move |(number, band)| {
            let value = band.of(hash.0);
            let start = band.order.partition_point(|&entry| band.of(self.hashes[entry as usize]) < value);
            let alike = band.order[start..].iter().map(|&entry| entry as usize);
            alike
                .take_while(move |&entry| band.of(self.hashes[entry]) == value)
                .filter(move |&entry| {
                    let earlier = &self.bands[..number];
                    earlier.iter().all(|band| band.of(self.hashes[entry]) != band.of(hash.0))
                })
                .map(move |entry| (entry, hash.distance(PerceptualHash(self.hashes[entry]))))
                .filter(|(_, distance)| *distance <= self.distance)
        })
    }
}

/// Band number `band` of `count`: their widths differ by at most one bit and add up to 64.
fn band_of(hashes: &[u64], band: u32, count: u32) -> Band {
    let (shift, end) = (band * 64 / count, (band + 1) * 64 / count);
    let mask = u64::MAX >> (64 - (end - shift));
    let mut band = Band { shift, mask, order: (0..hashes.len() as u32).collect() };
    let mut order = std::mem::take(&mut band.order);
    order.sort_unstable_by_key(|&entry| (band.of(hashes[entry as usize]), entry));
    Band { order, ..band }
}

/// The pictures of `queries` that resemble one of `known`, in the order of the queries.
///
/// Errors as [`NearIndex::new`].
pub fn near_duplicates(
    queries: &[PerceptualHash],
    known: &[PerceptualHash],
    distance: u32,
) -> Result<Vec<NearDuplicate>, Diagnostic> {
    let index = NearIndex::new(known, distance)?;
    let near = |(query, &hash): (usize, &PerceptualHash)| {
        let mut count = 0;
        let mut nearest: Option<(u32, u32)> = None;
        for (entry, distance) in index.distinct(hash) {
            count += index.members(entry).len();
            let candidate = (distance, index.members(entry)[0]);
            nearest = Some(nearest.map_or(candidate, |best| best.min(candidate)));
        }
        nearest.map(|(distance, first)| NearDuplicate { query, nearest: first as usize, distance, count })
    };
    Ok(queries.iter().enumerate().filter_map(near).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hashes with few distinct bits, so that many are near each other, and some at random.
    fn hashes() -> impl Strategy<Value = Vec<PerceptualHash>> {
        let near = prop::collection::vec(0u32..64, 0..12)
            .prop_map(|bits| bits.iter().fold(0xA5A5_0F0F_3333_FFFF, |hash, bit| hash ^ 1u64 << bit));
        let hash = prop_oneof![4 => near, 1 => any::<u64>()].prop_map(PerceptualHash);
        prop::collection::vec(hash, 0..40)
    }

    proptest! {
        #[test]
        fn finds_exactly_what_comparing_all_pairs_finds(
            known in hashes(), queries in hashes(), distance in 0..=DISTANCE_MAX,
        ) {
            let index = NearIndex::new(&known, distance).unwrap();
            let mut near = Vec::new();
            for (query, &hash) in queries.iter().enumerate() {
                let all = known.iter().map(|&other| other.distance(hash)).enumerate();
                let expected: Vec<(usize, u32)> = all.filter(|&(_, d)| d <= distance).collect();
                prop_assert_eq!(&index.within(hash), &expected);
                if let Some(&(nearest, distance)) = expected.iter().min_by_key(|&&(at, d)| (d, at)) {
                    near.push(NearDuplicate { query, nearest, distance, count: expected.len() });
                }
            }
            prop_assert_eq!(near_duplicates(&queries, &known, distance).unwrap(), near);
        }
    }

    #[test]
    fn the_edges() {
        let same = [PerceptualHash(7); 5];
        let found = near_duplicates(&[PerceptualHash(3)], &same, 1).unwrap();
        assert_eq!(found, [NearDuplicate { query: 0, nearest: 0, distance: 1, count: 5 }]);
        assert_eq!(near_duplicates(&same, &[], 3), Ok(vec![]));
        assert_eq!(near_duplicates(&[], &same, 3), Ok(vec![]));
        assert_eq!(near_duplicates(&same, &same, 9).unwrap_err().code, "near-distance");
    }
}
