//! What a decision is about: a scheme, the state of its data, and what else brought it about.

use base::{Digest, DigestWriter};

/// Why a run is made, where not by hand and for its own sake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Digest of the scheme as its author wrote it, before a parent was chosen for the run.
    pub scheme: Digest,
    /// Digest of the report of drift that asked for a new model, if one did.
    pub drift: Option<Digest>,
}

impl Cause {
    /// The name under which the history keeps what was decided, for data whose source has this fingerprint.
    pub(crate) fn occasion(&self, fingerprint: Digest) -> Occasion {
        let data =
            DigestWriter::new("heirloom.occasion.1").field(&self.scheme.0).field(&fingerprint.0).finish();
        Occasion { data, drift: self.drift }
    }
}

/// A [`Cause`] with the data as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Occasion {
    /// Digest of scheme and data.
    data: Digest,
    drift: Option<Digest>,
}

impl Occasion {
    /// As the history has it: the digest of scheme and data, and behind `+` that of a report of drift.
    pub(crate) fn name(&self) -> String {
        match self.drift {
            Some(drift) => format!("{}+{drift}", self.data),
            None => self.data.to_string(),
        }
    }

    /// Whether the occasion called `name` was about the same scheme and data.
    pub(crate) fn same_data(&self, name: &str) -> bool {
        name.split('+').next() == Some(self.data.to_string().as_str())
    }

    /// Whether that occasion was about the same report of drift.
    pub(crate) fn same_drift(&self, name: &str) -> bool {
        let drift = self.drift.map(|drift| drift.to_string());
        drift.is_some() && name.split_once('+').map(|(_, drift)| drift) == drift.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occasions_are_told_apart_by_data_and_by_drift() {
        let cause = |drift: Option<&str>| Cause {
            scheme: Digest::of(b"scheme"),
            drift: drift.map(|text| Digest::of(text.as_bytes())),
        };
        let plain = cause(None).occasion(Digest::of(b"data"));
        let drifted = cause(Some("report")).occasion(Digest::of(b"data"));
        let other = cause(Some("report")).occasion(Digest::of(b"more data"));
        assert!(plain.same_data(&drifted.name()) && drifted.same_data(&plain.name()));
        assert!(!plain.same_data(&other.name()) && other.same_drift(&drifted.name()));
        assert!(!drifted.same_drift(&plain.name()) && !plain.same_drift(&plain.name()));
    }
}
