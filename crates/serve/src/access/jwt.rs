//! JSON Web Tokens: signed by somebody whose public key (or shared secret) is known, for this server, not expired.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;

use super::Caller;
use super::keys::caller;
use crate::error::{Kind, Refusal};

/// How tokens are checked.
pub(super) struct Tokens {
    key: DecodingKey,
    validation: Validation,
}

/// What a token says.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// The models it is for, as in the access file; none if it does not say.
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    admin: bool,
}

impl Tokens {
    /// Tokens of `algorithm` for `audience`, of `issuer` if one is named. Expiry is always asked for.
    pub(super) fn new(key: DecodingKey, algorithm: Algorithm, audience: &str, issuer: Option<&str>) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[audience]);
        validation.validate_nbf = true;
        let mut required = vec!["exp", "aud", "sub"];
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        Tokens { key, validation }
    }

    /// Whom a token names.
    ///
    /// Errors   a token that is not valid here and now.
    pub(super) fn caller(&self, token: &str) -> Result<Caller, Refusal> {
        let claims = decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| Refusal::new(Kind::Unauthenticated, format!("the token is not valid: {error}")))?
            .claims;
        let Caller { name, models, admin, .. } = caller(&claims.sub, &claims.models, claims.admin, None);
        Ok(Caller { name, models, admin, bucket: None::<Arc<_>> })
    }
}
