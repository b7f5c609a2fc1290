//! Which versions of the store are worth considering, and which are not and why.

use std::collections::{BTreeMap, BTreeSet};

use base::Digest;
use scheme::ResolvedScheme;
use store::{Direction, Manifest, ModelVersion, Store, StoreError};

use super::LeftOut;
use crate::error::RunError;

/// A registered version that may be a parent.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) version: ModelVersion,
    /// What it consists of, or why that cannot be read.
    pub(super) manifest: Result<Manifest, String>,
    pub(super) licence: Option<String>,
    pub(super) recalled: Option<String>,
    pub(super) deprecated: Option<String>,
}

impl Candidate {
    pub(super) fn id(&self) -> String {
        self.version.id()
    }
}

/// Who is considered and who is not.
#[derive(Default)]
pub(super) struct Candidates {
    pub(super) candidates: Vec<Candidate>,
    pub(super) left_out: Vec<LeftOut>,
}

/// The newest version of each name and those that an alias points at, by name and number. Left out are
///
/// - older versions: who keeps one for later gives it an alias;
/// - versions of the scheme's own name, and what descends from those: a scheme that inherits from what it made itself
///   would make another model in every run, and its features were learnt from the very examples that judge them;
/// - the same model under another name.
pub(super) fn candidates(scheme: &ResolvedScheme, store: Option<&Store>) -> Result<Candidates, RunError> {
    let Some(store) = store else { return Ok(Candidates::default()) };
    let mut found = Candidates::default();
    let mut known: BTreeMap<Digest, String> = BTreeMap::new();
    for summary in store.list_models()? {
        let name = summary.newest.name.clone();
        let mut left_out = |model: &str, versions: usize, reason: String| {
            found.left_out.push(LeftOut { model: model.to_owned(), versions, reason });
        };
        if name == scheme.name {
            let reason = "made by a scheme of this name: a run does not inherit from its own models";
            left_out(&name, summary.versions as usize, reason.to_owned());
            continue;
        }
        let mut numbers: BTreeSet<u32> = summary.aliases.iter().map(|(_, number)| *number).collect();
        numbers.insert(summary.newest.version);
        let older = (summary.versions as usize).saturating_sub(numbers.len());
        if older > 0 {
            left_out(&name, older, "older versions that no alias points at".to_owned());
        }
        for number in numbers {
            let version = store.resolve(&format!("{name}@{number}"))?;
            let id = version.id();
            if let Some(same) = known.get(&version.digest) {
                left_out(&id, 1, format!("the same model as {same}"));
            } else if descends_from(store, &version, &scheme.name)? {
                left_out(
                    &id,
                    1,
                    format!("it descends from a version of {}, which this scheme makes", scheme.name),
                );
            } else {
                known.insert(version.digest, id);
                found.candidates.push(candidate(store, version)?);
            }
        }
    }
    Ok(found)
}

fn descends_from(store: &Store, version: &ModelVersion, name: &str) -> Result<bool, RunError> {
    let ancestors = store.lineage(version, Direction::Ancestors)?;
    Ok(ancestors.versions.iter().any(|ancestor| ancestor.name == name))
}

fn candidate(store: &Store, version: ModelVersion) -> Result<Candidate, RunError> {
    let about = store.about(&version)?;
    let recalls = store.recalls_of(&version)?;
    let recalled = recalls.first().map(|recall| {
        let own = recall.name == version.name && recall.version == version.version;
        let of = if own {
            String::new()
        } else {
            format!("it descends from {}@{}: ", recall.name, recall.version)
        };
        format!("{of}{}", recall.reason)
    });
    let manifest = match store.model(&version.id()) {
        Ok(model) => Ok(model.manifest),
        Err(error) if is_damage(&error) => Err(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    let licence = Some(about.licence).filter(|licence| !licence.is_empty());
    Ok(Candidate { version, manifest, licence, recalled, deprecated: about.deprecated })
}

/// Whether an error is about this one model, and not about the store as a whole.
pub(super) fn is_damage(error: &StoreError) -> bool {
    !matches!(
        error,
        StoreError::Io { .. }
            | StoreError::Database { .. }
            | StoreError::Locked { .. }
            | StoreError::Watched { .. }
            | StoreError::NotAStore { .. }
            | StoreError::UnknownSchema { .. }
    )
}
