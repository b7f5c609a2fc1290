//! Who may ask what: API keys and bearer tokens, the models each may use, how often.
//!
//! Keys are kept as SHA-256 digests of long random texts, so the file that lists them gives none away, and looking
//! one up compares digests, whose timing tells nothing of the key.

mod bucket;
mod file;
mod jwt;
mod keys;

use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use self::bucket::Bucket;
use self::jwt::Tokens;
use self::keys::Keys;
use crate::error::{Kind, Refusal};

pub use file::parse_access;
pub use keys::{NewKey, new_key};

/// The header of a key for clients that cannot send a bearer.
const KEY_HEADER: &str = "x-api-key";
/// Longest bearer that is looked at.
const BEARER_BYTES_MAX: usize = 16 << 10;

/// Who may ask what.
pub struct Access {
    keys: Keys,
    tokens: Option<Tokens>,
}

/// Somebody who may ask.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The key's name or the token's subject.
    pub(crate) name: Arc<str>,
    models: Arc<[String]>,
    /// Whether it may load and unload models.
    admin: bool,
    bucket: Option<Arc<Bucket>>,
}

impl Access {
    /// Who sent these headers.
    ///
    /// Errors   nobody that is known; a rate that is used up.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let unknown = |message: &str| Refusal::new(Kind::Unauthenticated, message);
        let bearer =
            bearer(headers).ok_or_else(|| unknown("send a key or token: `Authorization: Bearer ...`"))?;
        if bearer.len() > BEARER_BYTES_MAX {
            return Err(unknown("the bearer is too long"));
        }
        let caller = match (self.keys.find(bearer), &self.tokens) {
            (Some(caller), _) => caller,
            (None, Some(tokens)) if bearer.contains('.') => tokens.caller(bearer)?,
            (None, _) => return Err(unknown("the key is unknown")),
        };
        match caller.bucket.as_ref().is_none_or(|bucket| bucket.take()) {
            true => Ok(caller),
            false => Err(Refusal::new(Kind::Overloaded, format!("`{}` asks too often", caller.name))),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let text = value.to_str().ok()?;
        let (scheme, rest) = text.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim());
    }
    headers.get(KEY_HEADER)?.to_str().ok()
}

impl Caller {
    /// Whether it may use the model `name`.
    ///
    /// Errors   it may not.
    pub(crate) fn may_use(&self, name: &str) -> Result<(), Refusal> {
        let allows = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        match self.models.iter().any(allows) {
            true => Ok(()),
            false => Err(Refusal::new(Kind::Forbidden, format!("`{}` may not use this model", self.name))),
        }
    }

    /// Whether it may load and unload models.
    ///
    /// Errors   it may not.
    pub(crate) fn may_control(&self) -> Result<(), Refusal> {
        match self.admin {
            true => Ok(()),
            false => {
                Err(Refusal::new(Kind::Forbidden, format!("`{}` may not load or unload models", self.name)))
            }
        }
    }
}
