//! The access file: TOML.
//!
//! ```toml
//! [key.dashboard]
//! sha256 = "9f86d081884c7d65..."        # of the key's text
//! models = ["digits", "vision/*"]       # all, if left out
//! requests_per_second = 50              # no limit, if left out
//! admin = false                         # whether it may load and unload models
//!
//! [jwt]
//! algorithm = "ES256"                   # HS256, RS256, PS256, ES256, ES384, EdDSA
//! key_file = "issuer.pem"               # the public key; for HS256 a file with the secret
//! audience = "models"
//! issuer = "https://login.example"      # any, if left out
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use base::Diagnostic;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::Access;
use super::jwt::Tokens;
use super::keys::{Keys, caller};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    key: BTreeMap<String, KeyEntry>,
    jwt: Option<JwtEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    sha256: String,
    models: Option<Vec<String>>,
    requests_per_second: Option<u32>,
    #[serde(default)]
    admin: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtEntry {
    algorithm: String,
    key_file: String,
    audience: String,
    issuer: Option<String>,
}

/// Reads an access file's text; `read` gives the bytes of a file that it names, relative to it.
///
/// Errors   anything that is not as above; a file with neither keys nor tokens, for then nobody could ask.
pub fn parse_access(
    path: &Path,
    text: &str,
    read: impl FnOnce(&str) -> std::io::Result<Vec<u8>>,
) -> Result<Access, Diagnostic> {
    let wrong = |message: String| Diagnostic::new("access-file", format!("{}: {message}", path.display()));
    let document: Document = toml_edit::de::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let mut keys = Keys::default();
    for (name, entry) in &document.key {
        let digest = entry.sha256.parse().map_err(|_| {
            wrong(format!("`key.{name}.sha256` is no SHA-256: 64 hexadecimal digits"))
                .help("`heirloom key api NAME` makes a key and says its digest")
        })?;
        if entry.requests_per_second == Some(0) {
            return Err(wrong(format!("`key.{name}.requests_per_second` is 0; leave it out for no limit")));
        }
        let all = ["*".to_owned()];
        let models = entry.models.as_deref().unwrap_or(&all);
        keys.add(digest, caller(name, models, entry.admin, entry.requests_per_second));
    }
    let tokens = match &document.jwt {
        None => None,
        Some(entry) => {
            let bytes = read(&entry.key_file)
                .map_err(|error| wrong(format!("cannot read {}: {error}", entry.key_file)))?;
            let (algorithm, key) =
                decoding_key(&entry.algorithm, &bytes).map_err(|reason| wrong(format!("`jwt`: {reason}")))?;
            Some(Tokens::new(key, algorithm, &entry.audience, entry.issuer.as_deref()))
        }
    };
    if keys.is_empty() && tokens.is_none() {
        return Err(wrong("it names neither a key nor `[jwt]`, so nobody could ask".to_owned()));
    }
    Ok(Access { keys, tokens })
}

/// Shortest secret of HS256: as long as what it makes.
const SECRET_BYTES_MIN: usize = 32;

fn decoding_key(algorithm: &str, bytes: &[u8]) -> Result<(Algorithm, DecodingKey), String> {
    let parsed: Algorithm = algorithm.parse().map_err(|_| format!("there is no algorithm `{algorithm}`"))?;
    let key = match parsed {
        Algorithm::HS256 if bytes.len() < SECRET_BYTES_MIN => {
            return Err(format!(
                "the secret has {} bytes; at least {SECRET_BYTES_MIN} are needed",
                bytes.len()
            ));
        }
        Algorithm::HS256 => Ok(DecodingKey::from_secret(bytes)),
        Algorithm::RS256 | Algorithm::PS256 => DecodingKey::from_rsa_pem(bytes),
        Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(bytes),
        Algorithm::EdDSA => DecodingKey::from_ed_pem(bytes),
        _ => return Err(format!("the algorithm `{algorithm}` is not supported")),
    };
    key.map(|key| (parsed, key)).map_err(|error| format!("the key cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;
    use crate::error::Kind;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn access(text: &str) -> Access {
        parse_access(Path::new("access.toml"), text, |_| Ok(SECRET.to_vec()))
            .map_err(|wrong| wrong.message)
            .expect("valid")
    }

    fn asked(access: &Access, bearer: &str) -> Result<super::super::Caller, Kind> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {bearer}").parse().expect("a header"));
        access.admit(&headers).map_err(|refusal| refusal.kind)
    }

    #[test]
    fn keys_open_what_they_are_for() {
        let key = super::super::new_key().expect("random");
        let text = format!("[key.me]\nsha256 = \"{}\"\nmodels = [\"digits\", \"vision/*\"]\n", key.sha256);
        let caller = asked(&access(&text), &key.key).expect("known");
        assert_eq!(&*caller.name, "me");
        assert!(caller.may_use("digits").is_ok() && caller.may_use("vision/faces").is_ok());
        assert!(caller.may_use("digits2").is_err() && caller.may_use("vision").is_err());
        assert!(caller.may_control().is_err());
        for wrong in ["", "x", &key.sha256, &key.key[1..]] {
            assert_eq!(asked(&access(&text), wrong).expect_err("unknown"), Kind::Unauthenticated);
        }
        assert_eq!(access(&text).admit(&HeaderMap::new()).expect_err("nobody").kind, Kind::Unauthenticated);
    }

    #[test]
    fn tokens_must_be_for_us_and_not_over() {
        let access = access(
            "[jwt]\nalgorithm = \"HS256\"\nkey_file = \"secret\"\naudience = \"models\"\nissuer = \"us\"\n",
        );
        let token = |claims: Value| {
            encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).expect("encodes")
        };
        let far = 4_000_000_000u64;
        let good = json!({ "sub": "me", "aud": "models", "iss": "us", "exp": far, "models": ["digits"] });
        let caller = asked(&access, &token(good.clone())).expect("valid");
        assert!(caller.may_use("digits").is_ok() && caller.may_use("others").is_err());
        for (field, value) in [
            ("aud", json!("others")),
            ("iss", json!("them")),
            ("exp", json!(1)),
            ("nbf", json!(far)),
            ("exp", Value::Null),
        ] {
            let mut claims = good.clone();
            claims[field] = value;
            assert_eq!(
                asked(&access, &token(claims)).expect_err("not valid"),
                Kind::Unauthenticated,
                "{field}"
            );
        }
        let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSIsImF1ZCI6Im1vZGVscyIsImV4cCI6NDAwMDAwMDAwMH0.";
        assert_eq!(asked(&access, none).expect_err("unsigned"), Kind::Unauthenticated);
    }

    #[test]
    fn wrong_files_are_refused() {
        for text in [
            "",
            "[key.a]\nsha256 = \"12\"",
            "[keys]",
            "[jwt]\nalgorithm = \"none\"\nkey_file = \"\"\naudience = \"\"",
            "key = 3",
        ] {
            assert!(parse_access(Path::new("access.toml"), text, |_| Ok(SECRET.to_vec())).is_err(), "{text}");
        }
        let short = "[jwt]\nalgorithm = \"HS256\"\nkey_file = \"s\"\naudience = \"a\"\n";
        assert!(parse_access(Path::new("access.toml"), short, |_| Ok(b"short".to_vec())).is_err());
    }
}
