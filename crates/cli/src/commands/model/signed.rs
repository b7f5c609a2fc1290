//! Which trusted keys a version is truly signed with, for commands that ask before they use it.

use provenance::{files_of, kept_signatures, signers, trusted_keys};
use store::{ModelVersion, Store};

use crate::failure::Failure;

/// The names of the trusted keys with a valid signature of `version`; not looked at if the store demands
/// none.
pub(super) fn verified_keys(store: &Store, version: &ModelVersion) -> Result<Vec<String>, Failure> {
    if store.required_signatures()?.is_empty() {
        return Ok(Vec::new());
    }
    let model = store.model(&version.id())?;
    let (keys, signatures) = (trusted_keys(store)?, kept_signatures(store, &model)?);
    let found = signers(&signatures, &keys, |statement| files_of(store, &model, statement.hash))?;
    Ok(found.into_iter().map(|signer| signer.name.clone()).collect())
}
