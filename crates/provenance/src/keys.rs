//! Keys that sign and keys that verify: ECDSA over P-256, P-384 or P-521, in PEM.

use std::fmt;

use base::Diagnostic;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::elliptic_curve::Generate;
use p256::pkcs8::{DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};

use crate::hash::{self, FileHash};
use crate::limits::KEY_BYTES_MAX;

/// A key pair. It is never shown: [`fmt::Debug`] gives the public half's id.
pub struct SigningKey {
    secret: Secret,
    public: PublicKey,
}

enum Secret {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

/// The half of a key pair that verifies, and that everyone may have.
#[derive(Clone, PartialEq)]
pub struct PublicKey {
    point: Point,
    pem: String,
    id: String,
}

#[derive(Clone, PartialEq)]
enum Point {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
}

/// A key could not be made or used, through no fault of the user's.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no random numbers.
    #[error("cannot draw a random key: the system's random numbers failed: {0}")]
    Random(String),
    /// The key could not be written down or used.
    #[error("cannot {operation} with this key: {reason}")]
    Unusable {
        /// What was tried, as an infinitive.
        operation: &'static str,
        /// Why not.
        reason: String,
    },
}

impl SigningKey {
    /// A new key over P-256, from the system's random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        let secret = p256::SecretKey::try_generate().map_err(|error| KeyError::Random(error.to_string()))?;
        Self::new(Secret::P256(secret.into()))
    }

    /// Reads a private key: PEM with a block `PRIVATE KEY` (PKCS#8) or `EC PRIVATE KEY` (SEC 1).
    /// Other blocks, such as `EC PARAMETERS`, are passed over.
    ///
    /// Errors   no such block; an encrypted key; a kind of key other than the three curves.
    pub fn from_pem(text: &str) -> Result<Self, Diagnostic> {
        within_limit(text)?;
        let block = private_block(text)?;
        let secret = if let Ok(secret) = p256::SecretKey::from_pem(block) {
            Secret::P256(secret.into())
        } else if let Ok(secret) = p384::SecretKey::from_pem(block) {
            Secret::P384(secret.into())
        } else if let Ok(secret) = p521::SecretKey::from_pem(block) {
            Secret::P521(secret.into())
        } else {
            return Err(unknown_kind("a private key"));
        };
        Self::new(secret).map_err(|error| Diagnostic::new("invalid-key", error.to_string()))
    }

    /// The private key in PEM, as PKCS#8. Whoever has it can sign.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let text = match &self.secret {
            Secret::P256(key) => key.to_pkcs8_pem(LineEnding::LF),
            Secret::P384(key) => key.to_pkcs8_pem(LineEnding::LF),
            Secret::P521(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        text.map(|text| text.to_string()).map_err(unusable("write a file"))
    }

    /// The half that verifies.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature of `message`, in DER. The same message always has the same signature: the
    /// number that must never repeat is derived from both (RFC 6979), not drawn.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let fail = unusable("sign");
        match &self.secret {
            Secret::P256(key) => key
                .try_sign(message)
                .map(|signature: p256::ecdsa::DerSignature| signature.as_bytes().to_vec())
                .map_err(fail),
            Secret::P384(key) => key
                .try_sign(message)
                .map(|signature: p384::ecdsa::DerSignature| signature.as_bytes().to_vec())
                .map_err(fail),
            Secret::P521(key) => key
                .try_sign(message)
                .map(|signature: p521::ecdsa::DerSignature| signature.as_bytes().to_vec())
                .map_err(fail),
        }
    }

    fn new(secret: Secret) -> Result<Self, KeyError> {
        let point = match &secret {
            Secret::P256(key) => Point::P256(*key.verifying_key()),
            Secret::P384(key) => Point::P384(*key.verifying_key()),
            Secret::P521(key) => Point::P521(*key.verifying_key()),
        };
        Ok(SigningKey { secret, public: PublicKey::new(point)? })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id)
    }
}

impl PublicKey {
    /// Reads a public key: PEM with a block `PUBLIC KEY` (SPKI).
    ///
    /// Errors   no such block; a kind of key other than the three curves.
    pub fn from_pem(text: &str) -> Result<Self, Diagnostic> {
        within_limit(text)?;
        if !text.contains(PUBLIC_BEGIN) {
            let found =
                Diagnostic::new("invalid-key", format!("a public key is PEM text with `{PUBLIC_BEGIN}`"));
            return Err(if text.contains("PRIVATE KEY-----") {
                found.help("this file holds a private key: keep it secret and name the public one, FILE.pub")
            } else {
                found.help("name the file FILE.pub that `heirloom key new FILE` wrote")
            });
        }
        let block = block(text, "PUBLIC KEY").ok_or_else(|| unknown_kind("a public key"))?;
        let point = if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_pem(block) {
            Point::P256(key)
        } else if let Ok(key) = p384::ecdsa::VerifyingKey::from_public_key_pem(block) {
            Point::P384(key)
        } else if let Ok(key) = p521::ecdsa::VerifyingKey::from_public_key_pem(block) {
            Point::P521(key)
        } else {
            return Err(unknown_kind("a public key"));
        };
        Self::new(point).map_err(|error| Diagnostic::new("invalid-key", error.to_string()))
    }

    /// The key in PEM, always in the same form.
    pub fn to_pem(&self) -> &str {
        &self.pem
    }

    /// The key's id: the SHA-256 of [`PublicKey::to_pem`] in hexadecimal digits. Signatures carry it,
    /// so that the key that made one can be found.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether `signature` (DER) is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.point {
            Point::P256(key) => p256::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Point::P384(key) => p384::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Point::P521(key) => p521::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }

    fn new(point: Point) -> Result<Self, KeyError> {
        let pem = match &point {
            Point::P256(key) => key.to_public_key_pem(LineEnding::LF),
            Point::P384(key) => key.to_public_key_pem(LineEnding::LF),
            Point::P521(key) => key.to_public_key_pem(LineEnding::LF),
        }
        .map_err(unusable("write a file"))?;
        let id = hash::hexadecimal(&FileHash::Sha256.of(pem.as_bytes()));
        Ok(PublicKey { point, pem, id })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

const PUBLIC_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";

/// The block that holds the private key.
fn private_block(text: &str) -> Result<&str, Diagnostic> {
    if text.contains("ENCRYPTED") {
        return Err(Diagnostic::new("encrypted-key", "the private key is encrypted with a password").help(
            "decrypt it into a file that only you can read: `openssl pkcs8 -topk8 -nocrypt -in KEY -out FILE`",
        ));
    }
    ["PRIVATE KEY", "EC PRIVATE KEY"].into_iter().find_map(|label| block(text, label)).ok_or_else(|| {
        Diagnostic::new("invalid-key", "a private key is PEM text with `-----BEGIN PRIVATE KEY-----`")
            .help("name the file that `heirloom key new FILE` wrote, not FILE.pub")
    })
}

/// The text from `BEGIN label` to the end of `END label`.
fn block<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let start = text.find(&format!("-----BEGIN {label}-----"))?;
    let end = format!("-----END {label}-----");
    let length = text[start..].find(&end)? + end.len();
    Some(&text[start..start + length])
}

fn within_limit(text: &str) -> Result<(), Diagnostic> {
    if text.len() as u64 <= KEY_BYTES_MAX {
        return Ok(());
    }
    Err(Diagnostic::new(
        "invalid-key",
        format!("a key has at most {KEY_BYTES_MAX} bytes, this text {}", text.len()),
    ))
}

fn unknown_kind(what: &str) -> Diagnostic {
    Diagnostic::new("invalid-key", format!("{what} must be of the kind ECDSA over P-256, P-384 or P-521"))
        .help("`heirloom key new FILE` makes one")
}

fn unusable<E: fmt::Display>(operation: &'static str) -> impl FnOnce(E) -> KeyError {
    move |reason| KeyError::Unusable { operation, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::DerSignature;

    use super::*;

    /// The example of RFC 6979, section A.2.5, P-256 with SHA-256 over `sample`.
    #[test]
    fn signatures_are_those_of_rfc_6979() {
        let secret = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
        let secret: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).unwrap()).collect();
        let key =
            SigningKey::new(Secret::P256(p256::ecdsa::SigningKey::from_slice(&secret).unwrap())).unwrap();
        let signature = DerSignature::from_bytes(&key.sign(b"sample").unwrap()).unwrap();
        let (r, s) = p256::ecdsa::Signature::try_from(signature).unwrap().split_bytes();
        let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        assert_eq!(digits(&r), "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716");
        assert_eq!(digits(&s), "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8");
        assert!(key.public().verifies(b"sample", &key.sign(b"sample").unwrap()));
        assert!(!key.public().verifies(b"Sample", &key.sign(b"sample").unwrap()));
    }
}
