//! Where proofs are kept: beside models, so that they go wherever the lineage goes.
//!
//! A proof is kept beside the newest version of the scheme's model if this very scheme made it, else beside the parent.
//! Each has a role of its own and stays; what was proved before is history.

use base::Digest;
use store::{By, ModelVersion, Relation, Store, StoreError};

use super::ProofDocument;
use crate::error::RunError;
use crate::keys::to_value;

/// Roles of proofs begin so; the time follows, in milliseconds since 1970, and for a second proof of that moment a number.
const ROLE: &str = "proof.";

/// Keeps `document`, and says beside which model. The same again changes nothing.
pub(super) fn keep(store: &Store, document: &ProofDocument, by: &By) -> Result<String, RunError> {
    let beside = match own_version(store, document)? {
        Some(version) => version,
        None => store.resolve(&document.parent)?,
    };
    let bytes = to_value(document).to_string().into_bytes();
    let (kept, digest) = (store.attachments(&beside)?, Digest::of(&bytes));
    let proofs = || kept.iter().filter(|(role, _)| role.starts_with(ROLE));
    if !proofs().any(|(_, known)| *known == digest) {
        let first = format!("{ROLE}{:015}", by.unix_ms);
        let taken = proofs().filter(|(role, _)| role.starts_with(&first)).count();
        let role = if taken == 0 { first } else { format!("{first}.{taken}") };
        store.attach(&beside.id(), &role, &bytes, by)?;
    }
    Ok(beside.id())
}

/// The newest version of the scheme's model, if the scheme that was tried made it.
fn own_version(store: &Store, document: &ProofDocument) -> Result<Option<ModelVersion>, RunError> {
    let newest = newest(store, &document.scheme)?;
    Ok(newest.filter(|version| version.scheme_digest.to_string() == document.scheme_digest))
}

fn newest(store: &Store, name: &str) -> Result<Option<ModelVersion>, StoreError> {
    match store.resolve(name) {
        Ok(version) => Ok(Some(version)),
        Err(error) if error.mistake().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether any version of the store has a proof beside it.
pub fn has_proofs(store: &Store) -> Result<bool, RunError> {
    Ok(store.has_attachments(ROLE)?)
}

/// The proofs that speak of `version`, oldest first: those beside it, and those about its scheme beside its parents.
///
/// Errors   one that cannot be read; the world.
pub fn proofs_of(store: &Store, version: &ModelVersion) -> Result<Vec<ProofDocument>, RunError> {
    let mut found = beside(store, version)?;
    for edge in store.parents(version)?.iter().filter(|edge| edge.relation == Relation::FineTunedFrom) {
        let parent = store.resolve(&format!("{}@{}", edge.parent.0, edge.parent.1))?;
        let scheme = version.scheme_digest.to_string();
        found.extend(beside(store, &parent)?.into_iter().filter(|(_, proof)| proof.scheme_digest == scheme));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found.into_iter().map(|(_, proof)| proof).collect())
}

/// The newest proof about the scheme `name`, of whatever settings, and the model that it is kept beside; `parent` is what
/// the scheme inherits from.
pub fn last_proof(
    store: &Store,
    name: &str,
    parent: Option<&str>,
) -> Result<Option<(String, ProofDocument)>, RunError> {
    let mut versions = match newest(store, name)? {
        Some(_) => store.versions(name)?,
        None => Vec::new(),
    };
    if let Some(parent) = parent {
        versions.extend(newest(store, parent)?);
    }
    let mut last: Option<(String, String, ProofDocument)> = None;
    for version in versions {
        for (role, proof) in beside(store, &version)? {
            if proof.scheme == name && last.as_ref().is_none_or(|(newest, ..)| *newest < role) {
                last = Some((role, version.id(), proof));
            }
        }
    }
    Ok(last.map(|(_, model, proof)| (model, proof)))
}

/// The proofs that are kept beside `version`, with their roles, oldest first.
fn beside(store: &Store, version: &ModelVersion) -> Result<Vec<(String, ProofDocument)>, RunError> {
    let mut found = Vec::new();
    for (role, blob) in store.attachments(version)? {
        if !role.starts_with(ROLE) {
            continue;
        }
        let document: ProofDocument = serde_json::from_slice(&store.get(blob)?)
            .map_err(|error| RunError::damaged(format!("a proof beside {}", version.id()), error))?;
        found.push((role, document));
    }
    Ok(found)
}
