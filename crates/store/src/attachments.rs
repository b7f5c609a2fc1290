//! What is kept beside a version without being part of the model: lists and documents, each under a role.
//!
//! A role is taken once and for good; who wants to keep a newer document of the same kind takes another role. So a
//! version says the same in every store that holds it, and what was added later can arrive later.

use base::{Diagnostic, Digest};

use crate::blobs::Blob;
use crate::database::{Rows, values};
use crate::error::{RowError, within};
use crate::history::{Details, append};
use crate::limits::ATTACHMENTS_MAX;
use crate::names::check_role;
use crate::reference::{self, Found};
use crate::{By, ModelVersion, Store, StoreError};

impl Store {
    /// What is kept beside `version`: the roles and the digests of the bytes, by role.
    pub fn attachments(&self, version: &ModelVersion) -> Result<Vec<(String, Digest)>, StoreError> {
        let found = Found { name: version.name.clone(), version: version.version };
        self.read("look up what is kept beside a model", |rows| attached(rows, &found))
    }

    /// Whether anything is kept beside a version under a role that begins with `prefix`, of letters and dots.
    pub fn has_attachments(&self, prefix: &str) -> Result<bool, StoreError> {
        // Every text that begins with the prefix, and none else, lies between it and the same with its last byte one up.
        let mut behind = prefix.as_bytes().to_vec();
        behind.last_mut().into_iter().for_each(|byte| *byte += 1);
        let behind = String::from_utf8_lossy(&behind).into_owned();
        self.read("look for what is kept beside models", |rows| {
            rows.exists(
                "SELECT 1 FROM version_blobs WHERE role >= ?1 AND role < ?2 LIMIT 1",
                values![prefix, &behind],
            )
        })
    }

    /// Keeps `bytes` beside the version that `reference` names as `role`, and writes that down. The same bytes under
    /// the same role again change nothing.
    ///
    /// Errors   no such version; an ill-formed role, or one that other bytes have; too many of them; the world.
    pub fn attach(
        &self,
        reference: &str,
        role: &str,
        bytes: &[u8],
        by: &By,
    ) -> Result<ModelVersion, StoreError> {
        check_role(role)?;
        let blob = Blob::of(bytes);
        let _writing = self.database.writing()?;
        let written = self.write_blobs(&[blob])?;
        self.write("keep something beside a model", |rows| {
            let found = reference::find(rows, reference)?;
            let there = attached(rows, &found)?;
            match there.iter().find(|(known, _)| known == role) {
                Some((_, digest)) if *digest == blob.digest => {}
                Some(_) => {
                    let message = format!("{}@{} has another `{role}` beside it", found.name, found.version);
                    return Err(StoreError::from(Diagnostic::new("role-taken", message)).into());
                }
                None => {
                    let count = there.len() as u64 + 1;
                    within(|| "the list of what is kept beside a model".to_owned(), count, ATTACHMENTS_MAX)?;
                    written.insert(rows)?;
                    insert_attachments(rows, &found, [(role, blob.digest)].into_iter())?;
                    let digest = blob.digest.to_string();
                    let details = Details { subject: Some(role), value: Some(&digest), ..Details::default() };
                    append(rows, by, "attach", &found.name, Some(found.version), &details)?;
                }
            }
            crate::versions::version(rows, &found)
        })
    }
}

/// The roles and blobs beside a version, by role.
pub(crate) fn attached(rows: &dyn Rows, of: &Found) -> Result<Vec<(String, Digest)>, RowError> {
    rows.all(
        "SELECT role, blob FROM version_blobs WHERE name = ?1 AND version = ?2 ORDER BY role",
        values![&of.name, of.version],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Notes which blobs are kept beside a version, but for roles that it has already. They have rows.
pub(crate) fn insert_attachments<'a>(
    rows: &dyn Rows,
    of: &Found,
    attachments: impl Iterator<Item = (&'a str, Digest)>,
) -> Result<(), RowError> {
    for (role, blob) in attachments {
        rows.execute(
            "INSERT INTO version_blobs (name, version, role, blob) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name, version, role) DO NOTHING",
            values![&of.name, of.version, role, blob],
        )?;
    }
    Ok(())
}
