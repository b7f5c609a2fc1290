//! A signature's file: a Sigstore bundle with a DSSE envelope around a statement.

use base::Diagnostic;
use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

use crate::limits::BUNDLE_BYTES_MAX;
use crate::statement::{Statement, malformed, shown, unsupported};
use crate::{KeyError, PublicKey, SigningKey};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A signature that was read but not checked: nothing in it can be trusted before
/// [`Bundle::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    key_id: Option<String>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Bundle {
    /// Signs `statement`: the same key and statement give the same signature.
    pub fn seal(statement: &Statement, key: &SigningKey) -> Result<Self, SealError> {
        let payload =
            statement.encode().map_err(|mistake| SealError::Statement(Box::new(mistake)))?.into_bytes();
        let signature = key.sign(&authenticated(&payload))?;
        Ok(Bundle { key_id: Some(key.public().id().to_owned()), payload, signature })
    }

    /// Reads a signature's file. Any bytes are either a bundle or a mistake told in words.
    pub fn decode(bytes: &[u8]) -> Result<Self, Diagnostic> {
        if bytes.len() as u64 > BUNDLE_BYTES_MAX {
            return Err(malformed(format!("it has {} bytes, the limit is {BUNDLE_BYTES_MAX}", bytes.len())));
        }
        let text: BundleText = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if text.media_type != MEDIA_TYPE {
            return Err(unsupported(format!(
                "the signature has the media type `{}`, expected `{MEDIA_TYPE}`",
                shown(&text.media_type)
            )));
        }
        let Some(identifier) = text.verification_material.public_key else {
            return Err(unsupported(
                "the signature was made with a certificate or an identity, not with a key",
            ));
        };
        text.dsse_envelope.check()?;
        let Ok([signature]) = <[SignatureText; 1]>::try_from(text.dsse_envelope.signatures) else {
            return Err(malformed("it does not hold exactly one signature"));
        };
        Ok(Bundle {
            key_id: identifier.hint.filter(|hint| !hint.is_empty()),
            payload: base64("payload", &text.dsse_envelope.payload)?,
            signature: base64("sig", &signature.sig)?,
        })
    }

    /// The text of a signature's file.
    pub fn encode(&self) -> Result<String, Diagnostic> {
        let text = BundleText {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: Material {
                public_key: Some(KeyIdentifier { hint: self.key_id.clone() }),
                tlog_entries: Vec::new(),
            },
            dsse_envelope: Envelope {
                payload: Base64::encode_string(&self.payload),
                payload_type: PAYLOAD_TYPE.to_owned(),
                signatures: vec![SignatureText {
                    sig: Base64::encode_string(&self.signature),
                    keyid: Some(String::new()),
                }],
            },
        };
        serde_json::to_string(&text).map_err(|error| malformed(error.to_string()))
    }

    /// The id of the key that is said to have signed, as of [`PublicKey::id`]. Files of older tools
    /// have none.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// What `key` signed.
    ///
    /// Errors   another key signed it; the signature is forged or damaged; a kind of statement that
    /// is not supported.
    pub fn open(&self, key: &PublicKey) -> Result<Statement, Diagnostic> {
        if let Some(signer) = self.key_id().filter(|signer| *signer != key.id()) {
            return Err(Diagnostic::new(
                "wrong-key",
                format!(
                    "the signature was made with the key {}, and this key is {}",
                    shown(signer),
                    key.id()
                ),
            )
            .help("name the public key of the one who signed"));
        }
        if !key.verifies(&authenticated(&self.payload), &self.signature) {
            return Err(Diagnostic::new(
                "forged-signature",
                format!("the signature is not one that the key {} made over this statement", key.id()),
            )
            .help(
                "the signature's file was changed, or another key made it: get both again from the signer",
            ));
        }
        Statement::decode(&self.payload)
    }
}

/// A signature could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// What was to be signed cannot be.
    #[error("{0}")]
    Statement(Box<Diagnostic>),
    /// The key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What is actually signed: `DSSEv1`, the type and the payload, each preceded by its length.
fn authenticated(payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

fn base64(what: &str, text: &str) -> Result<Vec<u8>, Diagnostic> {
    Base64::decode_vec(text).map_err(|error| malformed(format!("`{what}` is not base64: {error}")))
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleText {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<KeyIdentifier>,
    /// Always empty: the method `key` has no transparency log. Not read.
    #[serde(skip_deserializing)]
    tlog_entries: Vec<()>,
}

#[derive(Serialize, Deserialize)]
struct KeyIdentifier {
    hint: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureText>,
}

impl Envelope {
    fn check(&self) -> Result<(), Diagnostic> {
        if self.payload_type == PAYLOAD_TYPE {
            return Ok(());
        }
        Err(unsupported(format!(
            "the signature is over `{}`, expected `{PAYLOAD_TYPE}`",
            shown(&self.payload_type)
        )))
    }
}

#[derive(Serialize, Deserialize)]
struct SignatureText {
    sig: String,
    /// Not used: the key is named in the verification material.
    #[serde(default)]
    keyid: Option<String>,
}
