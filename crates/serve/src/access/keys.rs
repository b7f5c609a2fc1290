//! API keys.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use sha2::{Digest, Sha256};

use super::Caller;
use crate::error::ServeError;

/// Random bytes of a key.
const KEY_BYTES: usize = 32;

/// The callers by the SHA-256 of their keys.
#[derive(Default)]
pub(super) struct Keys {
    by_digest: HashMap<[u8; 32], Caller>,
}

impl Keys {
    pub(super) fn add(&mut self, digest: [u8; 32], caller: Caller) {
        self.by_digest.insert(digest, caller);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }

    pub(super) fn find(&self, key: &str) -> Option<Caller> {
        self.by_digest.get(&<[u8; 32]>::from(Sha256::digest(key))).cloned()
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
    let key = format!("hk_{}", hexadecimal(&bytes));
    Ok(NewKey { sha256: hexadecimal(&Sha256::digest(&key)), key })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 bytes from 64 hexadecimal digits.
pub(super) fn digest_of(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

/// A caller of a key or token.
pub(super) fn caller(name: &str, models: &[String], admin: bool, per_second: Option<u32>) -> Caller {
    let bucket = per_second.map(|rate| Arc::new(super::Bucket::new(rate)));
    Caller { name: name.into(), models: models.into(), admin, bucket }
}
