//! A stored test case that one of the compared models was trained on judges nothing.

use std::collections::BTreeSet;

use base::Digest;
use inherit::leak::Seen;
use store::{ModelVersion, Store};

use crate::error::RunError;
use crate::records::{self, Records};
use crate::sitting::Sheet;

/// Cases that are left out of a comparison.
#[derive(Debug, Default)]
pub(crate) struct SeenCases {
    /// Their inputs' digests.
    pub(crate) digests: BTreeSet<Digest>,
    /// One sentence for each model that was trained on some.
    pub(crate) notices: Vec<String>,
}

impl SeenCases {
    /// The cases of `sheets` that one of `versions` was trained on, by the lists of training examples that are kept beside them.
    /// Lists are looked through one after the other, so that one is in memory at a time.
    ///
    /// Errors   a list that cannot be read.
    pub(crate) fn of(
        store: &Store,
        versions: &[ModelVersion],
        sheets: &[Sheet<'_>],
    ) -> Result<Self, RunError> {
        let cases: BTreeSet<Digest> = sheets.iter().flat_map(|sheet| &sheet.digests).copied().collect();
        let mut found = SeenCases::default();
        for version in versions {
            if let Some(list) = store.attachment_digest(version, records::ROLE)? {
                let list = Records::read(store, list)?;
                found.add(&version.id(), cases.iter().copied().filter(|case| list.saw(case)).collect());
            }
        }
        Ok(found)
    }

    /// Adds the cases `seen` that `who` was trained on.
    pub(crate) fn add(&mut self, who: &str, seen: Vec<Digest>) {
        if !seen.is_empty() {
            let count = seen.len();
            let cases = if count == 1 { "stored test case is" } else { "stored test cases are" };
            self.notices.push(format!("{count} {cases} left out: {who} was trained on the same input"));
        }
        self.digests.extend(seen);
    }

    /// Lets the cases of `sheet` judge all the same: they were looked through before.
    pub(crate) fn forgive(&mut self, sheet: &Sheet<'_>) {
        self.digests.retain(|case| !sheet.digests.contains(case));
    }
}
