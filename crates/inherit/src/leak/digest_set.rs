//! A set of example digests that stays small at tens of millions.

use base::{Diagnostic, Digest};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;

/// Bytes of one digest.
const WIDTH: usize = 32;

/// Digests in ascending order without repetition: 32 bytes each, so 10 million take 320 MB.
/// [`DigestSet::from`] a vector sorts in place and needs no more than that.
///
/// Whole digests are kept: half of each would do (10 million against a million agree by chance with
/// odds of `3e-26`), but whole ones need no odds at all and list the examples they stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DigestSet {
    sorted: Vec<Digest>,
}

impl DigestSet {
    /// The set of the digests in `lists`, each in any order and with repetitions.
    ///
    /// Memory: 32 bytes for every digest given, repetitions included, until they are dropped.
    pub fn from_lists(lists: &[&[Digest]]) -> Self {
        DigestSet::from(lists.concat())
    }

    /// The set in `bytes`, as [`DigestSet::to_bytes`] writes it.
    ///
    /// Errors `digest-list-length`: not a multiple of 32 bytes; `digest-list-order`: not strictly
    ///        ascending, so it was not written by `to_bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Diagnostic> {
        let (digests, rest) = bytes.as_chunks::<WIDTH>();
        if !rest.is_empty() {
            let message =
                format!("a list of digests is a multiple of {WIDTH} bytes, this one has {}", bytes.len());
            return Err(Diagnostic::new("digest-list-length", message));
        }
        if let Some(at) = digests.windows(2).position(|pair| pair[0] >= pair[1]) {
            let message = format!("a list of digests ascends, this one does not at digest {}", at + 1);
            return Err(Diagnostic::new("digest-list-order", message));
        }
        Ok(DigestSet { sorted: digests.iter().map(|&digest| Digest(digest)).collect() })
    }

    /// The digests in ascending order, 32 bytes each and nothing between them.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sorted.iter().flat_map(|digest| digest.0).collect()
    }

    /// How many digests.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Whether `digest` is among them; by bisection.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.sorted.binary_search(digest).is_ok()
    }

    /// The digests, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> {
        self.sorted.iter()
    }
}

impl From<Vec<Digest>> for DigestSet {
    /// The set of `digests`, sorted in place.
    fn from(mut digests: Vec<Digest>) -> Self {
        digests.sort_unstable();
        digests.dedup();
        digests.shrink_to_fit();
        DigestSet { sorted: digests }
    }
}

impl FromIterator<Digest> for DigestSet {
    fn from_iter<I: IntoIterator<Item = Digest>>(digests: I) -> Self {
        DigestSet::from(digests.into_iter().collect::<Vec<_>>())
    }
}

/// The digests of all `sets`, ascending and each once, merged as they are asked for: no copy is made.
pub fn union<'a>(sets: &[&'a DigestSet]) -> impl Iterator<Item = Digest> + use<'a> {
    let mut rest: Vec<_> = sets.iter().map(|set| set.sorted.iter().copied().peekable()).collect();
    let mut heads: BinaryHeap<Reverse<(Digest, usize)>> =
        rest.iter_mut().enumerate().filter_map(|(set, digests)| head(set, digests)).collect();
    let mut last = None;
    std::iter::from_fn(move || {
        while let Some(Reverse((digest, set))) = heads.pop() {
            rest[set].next();
            heads.extend(head(set, &mut rest[set]));
            if last != Some(digest) {
                last = Some(digest);
                return last;
            }
        }
        None
    })
}

/// The first of the digests that are left of set number `set`, smallest first in a heap.
fn head(
    set: usize,
    digests: &mut Peekable<impl Iterator<Item = Digest>>,
) -> Option<Reverse<(Digest, usize)>> {
    digests.peek().map(|&digest| Reverse((digest, set)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A digest whose first and last byte tell it apart from the others.
    fn digest(number: u8) -> Digest {
        let mut bytes = [0; WIDTH];
        bytes[0] = number / 16;
        bytes[WIDTH - 1] = number % 16;
        Digest(bytes)
    }

    #[test]
    fn lists_of_bytes_are_checked() {
        let set = DigestSet::from_lists(&[&[digest(9), digest(1)], &[digest(9)], &[]]);
        assert_eq!((set.len(), set.is_empty(), DigestSet::default().is_empty()), (2, false, true));
        let bytes = set.to_bytes();
        assert_eq!(DigestSet::from_bytes(&bytes), Ok(set));
        let code = |bytes: &[u8]| DigestSet::from_bytes(bytes).unwrap_err().code;
        assert_eq!(code(&bytes[1..]), "digest-list-length");
        assert_eq!(code(&[&bytes[32..], &bytes[..32]].concat()), "digest-list-order");
        assert_eq!(code(&[&bytes[..32], &bytes[..32]].concat()), "digest-list-order");
        assert_eq!(DigestSet::from_bytes(&[]), Ok(DigestSet::default()));
    }

    proptest! {
        #[test]
        fn is_a_set_and_its_union_is_one(
            lists in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6), probe: u8,
        ) {
            let sets: Vec<DigestSet> =
                lists.iter().map(|list| list.iter().map(|&number| digest(number)).collect()).collect();
            let expected: BTreeSet<u8> = lists.concat().into_iter().collect();
            let merged: Vec<Digest> = union(&sets.iter().collect::<Vec<_>>()).collect();
            prop_assert_eq!(&merged, &expected.iter().map(|&number| digest(number)).collect::<Vec<_>>());
            let set = DigestSet::from(merged);
            prop_assert_eq!(set.contains(&digest(probe)), expected.contains(&probe));
            prop_assert_eq!(set.iter().count(), expected.len());
        }
    }
}
