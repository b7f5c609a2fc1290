//! Which records a model has seen: digests of its examples, kept beside it.
//!
//! A record is named by the digest of its input as the model takes it, without its label, so that the same
//! picture or row is found whatever it was called. The list holds the first 16 bytes of each digest: two
//! different records among a thousand million share those once in 10^20. Ten million examples take 160 MB, on the
//! disk and in memory: a list is searched as it stands.

use std::collections::BTreeSet;

use base::Digest;
use data::{Dataset, Splits};
use inherit::leak::Seen;
use store::Store;

use crate::error::RunError;

/// Under which role the list is kept beside a version.
pub(crate) const ROLE: &str = "records";
/// First bytes of a list; the last is the format's version.
const MAGIC: [u8; 8] = *b"HLMRECS\x01";
/// Bytes of a digest that are kept.
const PREFIX: usize = 16;
/// Bytes before the first digest.
const HEADER: usize = MAGIC.len() + 3 * 8;

/// The part of the data that a record was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenIn {
    /// Weights were fitted on it.
    Train,
    /// It chose between epochs.
    Validation,
    /// It judged the result.
    Test,
}

impl SeenIn {
    const ALL: [SeenIn; 3] = [SeenIn::Train, SeenIn::Validation, SeenIn::Test];

    /// The word used in documents.
    pub fn name(self) -> &'static str {
        match self {
            SeenIn::Train => "train",
            SeenIn::Validation => "validation",
            SeenIn::Test => "test",
        }
    }
}

/// The list of a data set's records, part by part, sorted.
pub(crate) fn encode(dataset: &Dataset, splits: &Splits) -> Vec<u8> {
    encode_parts(
        [&splits.train, &splits.validation, &splits.test]
            .map(|rows| rows.iter().map(|&row| &dataset.input_digests[row as usize])),
    )
}

fn encode_parts<'a>(parts: [impl ExactSizeIterator<Item = &'a Digest>; 3]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for part in &parts {
        bytes.extend((part.len() as u64).to_le_bytes());
    }
    for part in parts {
        let start = bytes.len();
        part.for_each(|digest| bytes.extend_from_slice(&digest.0[..PREFIX]));
        bytes[start..].as_chunks_mut::<PREFIX>().0.sort_unstable();
    }
    bytes
}

/// How many of the inputs `digests` were in the training part of the model whose list is `list`; `None` if that cannot be
/// read.
pub(crate) fn trained_on(list: Vec<u8>, digests: &BTreeSet<Digest>) -> Option<usize> {
    let records = Records::decode(list).ok()?;
    let trained = |digest: &&Digest| records.parts_with(digest).any(|part| part == SeenIn::Train);
    Some(digests.iter().filter(trained).count())
}

/// A list of records in memory: three sorted lists of digests' beginnings.
pub(crate) struct Records {
    bytes: Vec<u8>,
    /// How many records each part has.
    counts: [usize; 3],
}

impl Records {
    /// The list in the blob `digest`.
    pub(crate) fn read(store: &Store, digest: Digest) -> Result<Self, RunError> {
        Records::decode(store.get(digest)?).map_err(|reason| RunError::damaged("a list of records", reason))
    }

    /// Reads a list; safe on any bytes.
    fn decode(bytes: Vec<u8>) -> Result<Self, String> {
        let rest =
            bytes.strip_prefix(&MAGIC).ok_or("it does not begin as a list of records of a known version")?;
        let (head, lists) = rest.split_at_checked(HEADER - MAGIC.len()).ok_or("it is too short")?;
        let (mut counts, mut total) = ([0; 3], 0usize);
        for (count, bytes) in counts.iter_mut().zip(head.as_chunks::<8>().0) {
            *count = usize::try_from(u64::from_le_bytes(*bytes)).map_err(|error| error.to_string())?;
            total = total.checked_add(*count).ok_or("it is too short")?;
        }
        match total.checked_mul(PREFIX).map(|length| length.cmp(&lists.len())) {
            Some(std::cmp::Ordering::Equal) => Ok(Records { bytes, counts }),
            Some(std::cmp::Ordering::Less) => Err("something follows it".to_owned()),
            _ => Err("it is too short".to_owned()),
        }
    }

    /// The parts of the data that hold the record `digest`.
    pub(crate) fn parts_with(&self, digest: &Digest) -> impl Iterator<Item = SeenIn> {
        SeenIn::ALL.into_iter().filter(|part| {
            self.part(*part).binary_search_by(|each| each[..].cmp(&digest.0[..PREFIX])).is_ok()
        })
    }

    fn part(&self, part: SeenIn) -> &[[u8; PREFIX]] {
        let (all, _) = self.bytes[HEADER..].as_chunks::<PREFIX>();
        let [train, validation, _] = self.counts;
        match part {
            SeenIn::Train => &all[..train],
            SeenIn::Validation => &all[train..train + validation],
            SeenIn::Test => &all[train + validation..],
        }
    }
}

impl Seen for Records {
    fn saw(&self, digest: &Digest) -> bool {
        self.parts_with(digest).any(|part| part == SeenIn::Train)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_lists_are_refused() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1u64, 0, 1].iter().flat_map(|count| count.to_le_bytes()));
        let first = Digest::of(b"first");
        bytes.extend(&first.0[..PREFIX]);
        bytes.extend([0; PREFIX]);
        let records = Records::decode(bytes.clone()).map_err(|reason| panic!("{reason}")).unwrap();
        let parts = |digest| records.parts_with(&digest).collect::<Vec<_>>();
        assert_eq!(parts(first), [SeenIn::Train]);
        assert_eq!(parts(Digest([0; 32])), [SeenIn::Test]);
        assert_eq!(parts(Digest::of(b"second")), []);
        assert!(records.saw(&first) && !records.saw(&Digest([0; 32])));
        for end in 0..bytes.len() {
            assert!(Records::decode(bytes[..end].to_vec()).is_err(), "{end}");
        }
        assert!(Records::decode([&bytes[..], &[0]].concat()).is_err());
        bytes[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(Records::decode(bytes).is_err());
    }

    #[test]
    fn ten_million_examples_take_a_sixth_of_a_gigabyte() {
        // What grows with the examples is the list itself: its length is the memory of a search. Making it takes no more
        // than the list, sorted where it stands.
        const BYTES_EACH_MAX: usize = 1_000_000_000 / 10_000_000;
        let digests: Vec<Digest> = (0u32..3000).map(|number| Digest::of(&number.to_le_bytes())).collect();
        let parts = [&digests[..2000], &digests[2000..2500], &digests[2500..]];
        let bytes = encode_parts(parts.map(<[Digest]>::iter));
        assert_eq!(bytes.len(), HEADER + PREFIX * digests.len());
        const { assert!(PREFIX < BYTES_EACH_MAX) };
        let records = Records::decode(bytes).map_err(|reason| panic!("{reason}")).unwrap();
        for (part, digests) in SeenIn::ALL.into_iter().zip(parts) {
            assert!(digests.iter().all(|digest| records.parts_with(digest).eq([part])), "{part:?}");
        }
    }
}
