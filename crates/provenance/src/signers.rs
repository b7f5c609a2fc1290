//! Which known keys vouch for a model or a folder.

use base::{Diagnostic, Diagnostics};
use store::{Model, Store};

use crate::PublicKey;
use crate::bundle::Bundle;
use crate::error::FolderError;
use crate::folder::FolderForm;
use crate::hash::FileHash;
use crate::lineage::Lineage;
use crate::signature::diagnostics;
use crate::statement::{SignedFile, Statement};

/// A public key and what it is called here.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedKey {
    /// The name in the store, or the file.
    pub name: String,
    /// The key.
    pub key: PublicKey,
}

/// The text of a signature and where it was found, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSignature {
    /// A file, or the store's words for a place in it.
    pub place: String,
    /// The bytes of the signature's file.
    pub document: Vec<u8>,
}

/// The keys that `store` trusts, by name.
pub fn trusted_keys(store: &Store) -> Result<Vec<NamedKey>, FolderError> {
    let keys = store.trusted_keys()?.into_iter().map(|trusted| {
        let key = PublicKey::from_pem(&trusted.pem).map_err(Diagnostics::from)?;
        Ok(NamedKey { name: trusted.name, key })
    });
    keys.collect()
}

/// The signatures of `model` that `store` keeps.
pub fn kept_signatures(store: &Store, model: &Model) -> Result<Vec<FoundSignature>, FolderError> {
    let id = model.version.id();
    let kept = store.signatures(&model.version)?.into_iter().map(|signature| FoundSignature {
        place: format!("the signature of {id} by the key {}", signature.key_id),
        document: signature.document.into_bytes(),
    });
    Ok(kept.collect())
}

/// The files of `model` as they are in `store`, with their digests.
pub fn files_of(store: &Store, model: &Model, hash: FileHash) -> Result<Vec<SignedFile>, FolderError> {
    let lineage = Lineage::of(store, &model.version)?;
    Ok(FolderForm::new(store, model, &lineage)?.digests(hash)?)
}

/// The names of the keys that `store` trusts and that signed `model` as it is now in the store: what a
/// promotion may need.
///
/// Errors   as of [`signers`]; the store.
pub fn trusted_signers(store: &Store, model: &Model) -> Result<Vec<String>, FolderError> {
    let keys = trusted_keys(store)?;
    let signatures = kept_signatures(store, model)?;
    let found = signers(&signatures, &keys, |statement| files_of(store, model, statement.hash))?;
    Ok(found.into_iter().map(|signer| signer.name.clone()).collect())
}

/// The keys of `keys` that made one of `signatures` over the files that `files` finds, which it looks for
/// as the statement says. Signatures by other keys say nothing.
///
/// Errors   a signature by one of the keys that is forged or damaged; every file that differs from what
/// one of the keys signed.
pub fn signers<'a>(
    signatures: &[FoundSignature],
    keys: &'a [NamedKey],
    files: impl Fn(&Statement) -> Result<Vec<SignedFile>, FolderError>,
) -> Result<Vec<&'a NamedKey>, FolderError> {
    let mut signers = Vec::new();
    for signature in signatures {
        let Some((key, statement)) = open(signature, keys)? else { continue };
        let differences = statement.differences(&files(&statement)?);
        if !differences.is_empty() {
            return Err(diagnostics(&differences).into());
        }
        signers.push(key);
    }
    Ok(signers)
}

/// The key that made `signature`, and what it signed; nothing if that is none of `keys`.
fn open<'a>(
    signature: &FoundSignature,
    keys: &'a [NamedKey],
) -> Result<Option<(&'a NamedKey, Statement)>, Diagnostics> {
    let at = |found: Diagnostic| Diagnostic {
        message: format!("{}: {}", signature.place, found.message),
        ..found
    };
    let bundle = Bundle::decode(&signature.document).map_err(at)?;
    let said = |key: &&NamedKey| bundle.key_id().is_none_or(|id| id == key.key.id());
    let mut refused = None;
    for key in keys.iter().filter(said) {
        match bundle.open(&key.key) {
            Ok(statement) => return Ok(Some((key, statement))),
            Err(found) => refused = refused.or(Some(found)),
        }
    }
    // A file without a key's id may be another key's; one with it is forged or damaged.
    match refused.filter(|found| bundle.key_id().is_some() || found.code != "forged-signature") {
        Some(found) => Err(at(found).into()),
        None => Ok(None),
    }
}
