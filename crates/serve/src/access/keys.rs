//! API keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Digest;
use rustls::crypto::ring::default_provider;
use sha2::{Digest as _, Sha256};

use super::Caller;
use crate::error::ServeError;

/// Random bytes of a key.
const KEY_BYTES: usize = 32;

/// The callers by the SHA-256 of their keys.
#[derive(Default)]
pub(super) struct Keys {
    by_digest: BTreeMap<Digest, Caller>,
}

impl Keys {
    pub(super) fn add(&mut self, digest: Digest, caller: Caller) {
        self.by_digest.insert(digest, caller);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }

    pub(super) fn find(&self, key: &str) -> Option<Caller> {
        self.by_digest.get(&sha256(key)).cloned()
    }
}

/// A key that nobody had before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What its holder sends.
    pub key: String,
    /// What the access file holds: the SHA-256 of the key in hexadecimal digits.
    pub sha256: String,
}

/// Makes a key of 256 random bits.
///
/// Errors   the system has no random numbers.
pub fn new_key() -> Result<NewKey, ServeError> {
    let mut bytes = [0; KEY_BYTES];
    let filled = default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| std::io::Error::other("no random numbers")).map_err(ServeError::io("make a key"))?;
    let key = format!("hk_{}", Digest(bytes));
    Ok(NewKey { sha256: sha256(&key).to_string(), key })
}

/// The SHA-256 of a text. What writes and reads 32 bytes in hexadecimal digits is the digest of everything else.
fn sha256(text: &str) -> Digest {
    Digest(Sha256::digest(text).into())
}

/// A caller of a key or token.
pub(super) fn caller(name: &str, models: &[String], admin: bool, per_second: Option<u32>) -> Caller {
    let bucket = per_second.map(|rate| Arc::new(super::Bucket::new(rate)));
    Caller { name: name.into(), models: models.into(), admin, bucket }
}
