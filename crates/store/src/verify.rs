//! Checking everything: each blob hashed again, each reference followed.

use std::collections::BTreeMap;

use base::Digest;

use crate::blobs::disk::read_limited;
use crate::blobs::{Encoding, blob_row};
use crate::checkpoints::decode;
use crate::database::Rows;
use crate::error::RowError;
use crate::limits::CHECKPOINT_BYTES_MAX;
use crate::{Manifest, Store, StoreError};

/// What checking a store came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// How many blobs, models, versions, stage results and checkpoints were checked.
    pub checked: u64,
    /// What is wrong with them; nothing if all is well.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about: `blob ab12...`, `model cd34...`, `version mnist@1`.
    pub what: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The rows of one moment.
struct Snapshot {
    blobs: BTreeMap<String, i64>,
    models: Vec<(String, String, i64)>,
    model_blobs: BTreeMap<String, Vec<String>>,
    documents: Vec<(String, String)>,
    problems: Vec<Problem>,
}

impl Store {
    /// Checks the database, every blob on the disk, every manifest, every reference and every
    /// checkpoint. Finds everything that is wrong; an error means that it could not look.
    pub fn verify(&self) -> Result<Verification, StoreError> {
        // The rows first: blobs are written before rows, so each row's blob is there to be found.
        let mut snapshot = self.read("check the registry", |rows| {
            let problems = self.database.problems(rows)?;
            snapshot(rows, problems)
        })?;
        let mut report = Verification { checked: 0, problems: std::mem::take(&mut snapshot.problems) };
        self.verify_blobs(&snapshot, &mut report)?;
        verify_models(&snapshot, &mut report);
        for (what, text) in &snapshot.documents {
            let outcome = serde_json::from_str::<serde::de::IgnoredAny>(text);
            report.check(what, outcome.map_err(|error| error.to_string()).err());
        }
        for path in self.checkpoint_files()? {
            let damage = match read_limited(&path, CHECKPOINT_BYTES_MAX) {
                Ok(bytes) => decode(&bytes).err(),
                // A run that is under way replaces its checkpoints.
                Err(_) if !path.exists() => continue,
                Err(error) => Some(error.to_string()),
            };
            report.check(&format!("checkpoint {}", path.display()), damage);
        }
        Ok(report)
    }

    /// Hashes every blob that a row or a file speaks of.
    fn verify_blobs(&self, snapshot: &Snapshot, report: &mut Verification) -> Result<(), StoreError> {
        for (name, &bytes) in &snapshot.blobs {
            report.check(&format!("blob {name}"), self.blob_damage(name, Some(bytes)));
        }
        for (key, _) in self.blobs.list()? {
            let digest = Encoding::of_key(&key).map(|(digest, _)| digest.to_string());
            if digest.as_ref().is_none_or(|digest| !snapshot.blobs.contains_key(digest)) {
                let name = digest.unwrap_or(key);
                report.check(&format!("blob {name}"), self.blob_damage(&name, None));
            }
        }
        Ok(())
    }

    /// What is wrong with one blob, whose row says that it has `bytes` bytes.
    fn blob_damage(&self, name: &str, bytes: Option<i64>) -> Option<String> {
        let Ok(digest) = name.parse::<Digest>() else { return Some("its name is not a digest".to_owned()) };
        let row = match self.read("look up a blob", |rows| blob_row(rows, digest)) {
            Ok(row) => row,
            Err(error) => return Some(error.to_string()),
        };
        match self.content(digest, row) {
            Ok((found, _)) if bytes.is_some_and(|bytes| bytes != found.len() as i64) => {
                Some(format!("its row says {bytes:?} bytes and it has {}", found.len()))
            }
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        }
    }
}

impl Verification {
    fn check(&mut self, what: &str, damage: Option<String>) {
        self.checked += 1;
        if let Some(reason) = damage {
            self.problems.push(Problem { what: what.to_owned(), reason });
        }
    }
}

fn verify_models(snapshot: &Snapshot, report: &mut Verification) {
    for (digest, text, bytes) in &snapshot.models {
        let damage = model_damage(snapshot, digest, text, *bytes).err();
        report.check(&format!("model {digest}"), damage);
    }
}

/// What is wrong with one model: its digest, its document, or the blobs that it speaks of.
fn model_damage(snapshot: &Snapshot, digest: &str, text: &str, bytes: i64) -> Result<(), String> {
    let found = Digest::of(text.as_bytes()).to_string();
    if found != digest {
        return Err(format!("the digest of its manifest is {found}"));
    }
    let manifest = Manifest::decode(text).map_err(|error| error.to_string())?;
    if manifest.bytes() as i64 != bytes {
        return Err(format!("its row says {bytes} bytes and its manifest {}", manifest.bytes()));
    }
    let mut named = Vec::new();
    for blob in manifest.blobs() {
        let name = blob.digest.to_string();
        match snapshot.blobs.get(&name) {
            None => return Err(format!("its manifest speaks of blob {name}, which has no row")),
            Some(&found) if found as u64 != blob.bytes => {
                return Err(format!("blob {name} should have {} bytes and has {found}", blob.bytes));
            }
            Some(_) => named.push(name),
        }
    }
    match snapshot.model_blobs.get(digest) {
        Some(rows) if *rows == named => Ok(()),
        _ => Err("its rows do not name the blobs of its manifest".to_owned()),
    }
}

fn snapshot(rows: &dyn Rows, problems: Vec<Problem>) -> Result<Snapshot, RowError> {
    let mut model_blobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    rows.each("SELECT model, blob FROM model_blobs ORDER BY model, blob", &[], &mut |row| {
        model_blobs.entry(row.get(0)?).or_default().push(row.get(1)?);
        Ok(())
    })?;
    let pair = |row: &dyn crate::database::Row| Ok((row.get(0)?, row.get(1)?));
    Ok(Snapshot {
        blobs: rows.all("SELECT digest, bytes FROM blobs", &[], pair)?.into_iter().collect(),
        models: rows.all("SELECT digest, manifest, bytes FROM models ORDER BY digest", &[], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?,
        model_blobs,
        documents: rows.all(
            "SELECT 'version ' || name || '@' || version, metrics FROM versions
             UNION ALL SELECT 'stage result ' || key, result FROM stage_results ORDER BY 1",
            &[],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?,
        problems,
    })
}
