//! Which test cases an ancestor has learnt from.

use super::DigestSet;
use crate::compare::digest_text;
use base::Digest;
use serde::{Deserialize, Serialize};

/// A test case that at least one ancestor has seen in training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// Names the example.
    #[serde(with = "digest_text")]
    pub digest: Digest,
    /// The ancestors that have seen it, in the order they were given.
    pub seen_by: Vec<String>,
}

/// The examples that an ancestor was trained on, in whatever form they are kept.
pub trait Seen {
    /// Whether the example called `digest` is among them.
    fn saw(&self, digest: &Digest) -> bool;
}

impl Seen for DigestSet {
    fn saw(&self, digest: &Digest) -> bool {
        self.contains(digest)
    }
}

/// The test cases that are among the examples of `ancestors`, each once, ascending by digest.
///
/// Empty: no test case was seen. Time `|test| * ancestors * log2(|set|)`.
pub fn leaked<S: Seen>(test: &[Digest], ancestors: &[(&str, &S)]) -> Vec<Leak> {
    let mut distinct = test.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let seen_by = |digest: &Digest| {
        let seen = ancestors.iter().filter(|(_, set)| set.saw(digest));
        seen.map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>()
    };
    distinct
        .into_iter()
        .map(|digest| Leak { seen_by: seen_by(&digest), digest })
        .filter(|leak| !leak.seen_by.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_ancestor_that_saw_a_case() {
        let digests: Vec<Digest> = (0..4).map(|number| Digest([number; 32])).collect();
        let parent = DigestSet::from(vec![digests[3], digests[1]]);
        let grandparent = DigestSet::from(vec![digests[1], digests[2]]);
        let ancestors = [("parent@2", &parent), ("grandparent@1", &grandparent)];
        let found = leaked(&[digests[3], digests[0], digests[1], digests[3]], &ancestors);
        let leak = |digest: Digest, seen_by: &[&str]| Leak {
            digest,
            seen_by: seen_by.iter().map(|name| name.to_string()).collect(),
        };
        let expected = [leak(digests[1], &["parent@2", "grandparent@1"]), leak(digests[3], &["parent@2"])];
        assert_eq!(found, expected);
        let json = serde_json::json!({"digest": "03".repeat(32), "seen_by": ["parent@2"]});
        assert_eq!(serde_json::to_value(&found[1]).unwrap(), json);
        assert_eq!(serde_json::from_value::<Leak>(json).unwrap(), found[1]);
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert_eq!(leaked(&[], &[("parent", &DigestSet::default())]), []);
        assert_eq!(leaked::<DigestSet>(&[Digest([1; 32])], &[]), []);
    }
}
