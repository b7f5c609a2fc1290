//! Signatures of versions, keys that the store trusts, and whose signatures it demands.
//!
//! The store keeps documents; whether one is valid is found out by who reads it, with the keys here.

use base::Diagnostic;

use crate::database::{Rows, values};
use crate::error::{RowError, within};
use crate::history::{Details, append};
use crate::limits::DOCUMENT_BYTES_MAX;
use crate::names::check_alias;
use crate::reference::{self, Found};
use crate::settings::setting;
use crate::{By, ModelVersion, Store, StoreError};

const KEY_PREFIX: &str = "trusted_key:";
const REQUIRED: &str = "required_signatures";

/// A signature of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Which key made it: the hexadecimal SHA-256 digest of the public key, as the signature states.
    pub key_id: String,
    /// The signature itself, as a JSON text.
    pub document: String,
    /// When it was added, in milliseconds since 1970.
    pub unix_ms: i64,
}

/// A public key that the store trusts under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// Its name.
    pub name: String,
    /// The public key in PEM.
    pub pem: String,
}

impl Store {
    /// Keeps a signature of the version that `reference` names, in place of an earlier one of that key.
    pub fn add_signature(
        &self,
        reference: &str,
        key_id: &str,
        document: &str,
        by: &By,
    ) -> Result<ModelVersion, StoreError> {
        within(|| "a signature, in bytes,".to_owned(), document.len() as u64, DOCUMENT_BYTES_MAX)?;
        self.write("keep a signature", |rows| {
            let found = reference::find(rows, reference)?;
            insert(
                rows,
                &found,
                &Signature { key_id: key_id.to_owned(), document: document.to_owned(), unix_ms: by.unix_ms },
            )?;
            let details = Details { subject: Some(key_id), ..Details::default() };
            append(rows, by, "sign", &found.name, Some(found.version), &details)?;
            crate::versions::version(rows, &found)
        })
    }

    /// The signatures of a version, by key.
    pub fn signatures(&self, of: &ModelVersion) -> Result<Vec<Signature>, StoreError> {
        let found = Found { name: of.name.clone(), version: of.version };
        self.read("look up signatures", |rows| signatures(rows, &found))
    }

    /// Trusts a public key under a name, in place of an earlier one.
    pub fn trust_key(&self, key: &TrustedKey, by: &By) -> Result<(), StoreError> {
        check_alias(&key.name)?;
        self.set_setting(&format!("{KEY_PREFIX}{}", key.name), &key.pem, by)
    }

    /// The keys that the store trusts, by name.
    pub fn trusted_keys(&self) -> Result<Vec<TrustedKey>, StoreError> {
        self.read("look up trusted keys", trusted)
    }

    /// From now on only versions with a valid signature of one of these trusted keys are promoted; with
    /// none, all are.
    ///
    /// Errors   a name that no trusted key has.
    pub fn require_signatures(&self, names: &[String], by: &By) -> Result<(), StoreError> {
        let known = self.trusted_keys()?;
        for name in names {
            if !known.iter().any(|key| key.name == *name) {
                let names: Vec<&str> = known.iter().map(|key| key.name.as_str()).collect();
                let message = format!("the store trusts no key `{}`", name.escape_debug());
                return Err(Diagnostic::new("unknown-key", message)
                    .help(format!(
                        "it trusts: {}",
                        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
                    ))
                    .into());
            }
        }
        self.set_setting(REQUIRED, &names.join(" "), by)
    }

    /// The names of the trusted keys of which a promotion needs one signature; none if it needs none.
    pub fn required_signatures(&self) -> Result<Vec<String>, StoreError> {
        self.read("read the settings", required)
    }
}

pub(crate) fn signatures(rows: &dyn Rows, of: &Found) -> Result<Vec<Signature>, RowError> {
    rows.all(
        "SELECT key_id, document, unix_ms FROM signatures WHERE name = ?1 AND version = ?2 ORDER BY key_id",
        values![&of.name, of.version],
        |row| Ok(Signature { key_id: row.get(0)?, document: row.get(1)?, unix_ms: row.get(2)? }),
    )
}

pub(crate) fn insert(rows: &dyn Rows, of: &Found, signature: &Signature) -> Result<(), RowError> {
    let Signature { key_id, document, unix_ms } = signature;
    rows.execute(
        "INSERT INTO signatures (name, version, key_id, document, unix_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name, version, key_id)
         DO UPDATE SET document = excluded.document, unix_ms = excluded.unix_ms",
        values![&of.name, of.version, key_id, document, *unix_ms],
    )?;
    Ok(())
}

fn trusted(rows: &dyn Rows) -> Result<Vec<TrustedKey>, RowError> {
    let all: Vec<(String, String)> =
        rows.all("SELECT key, value FROM settings ORDER BY key", &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let key = |(key, pem): (String, String)| {
        Some(TrustedKey { name: key.strip_prefix(KEY_PREFIX)?.to_owned(), pem })
    };
    Ok(all.into_iter().filter_map(key).collect())
}

/// The names of the keys of which a promotion needs one signature.
pub(crate) fn required(rows: &dyn Rows) -> Result<Vec<String>, RowError> {
    let names = setting(rows, REQUIRED)?.unwrap_or_default();
    Ok(names.split_whitespace().map(str::to_owned).collect())
}
