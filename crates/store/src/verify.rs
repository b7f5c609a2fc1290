//! Checking everything: each blob hashed again, each reference followed.

use std::collections::BTreeMap;

use base::Digest;
use rusqlite::Connection;

use crate::blobs::read_limited;
use crate::checkpoints::decode;
use crate::error::RowError;
use crate::files::is_temporary;
use crate::limits::CHECKPOINT_BYTES_MAX;
use crate::store::{entries, file_name};
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
        let mut snapshot = self.read("check the registry", snapshot)?;
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
        let mut blobs: BTreeMap<String, Option<i64>> =
            snapshot.blobs.iter().map(|(digest, &bytes)| (digest.clone(), Some(bytes))).collect();
        for folder in entries(&self.root.join(Store::BLOBS))? {
            for path in
                entries(&folder)?.iter().map(|path| file_name(path)).filter(|name| !is_temporary(name))
            {
                blobs.entry(format!("{}{path}", file_name(&folder))).or_default();
            }
        }
        for (name, bytes) in blobs {
            report.check(&format!("blob {name}"), self.blob_damage(&name, bytes));
        }
        Ok(())
    }

    /// What is wrong with one blob, whose row says that it has `bytes` bytes.
    fn blob_damage(&self, name: &str, bytes: Option<i64>) -> Option<String> {
        let Ok(digest) = name.parse::<Digest>() else { return Some("its name is not a digest".to_owned()) };
        match self.get(digest) {
            Ok(found) if bytes.is_some_and(|bytes| bytes != found.len() as i64) => {
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

fn snapshot(rows: &Connection) -> Result<Snapshot, RowError> {
    let mut blobs = rows.prepare("SELECT digest, bytes FROM blobs")?;
    let mut models = rows.prepare("SELECT digest, manifest, bytes FROM models ORDER BY digest")?;
    let mut links = rows.prepare("SELECT model, blob FROM model_blobs ORDER BY model, blob")?;
    let mut documents = rows.prepare(
        "SELECT 'version ' || name || '@' || version, metrics FROM versions
         UNION ALL SELECT 'stage result ' || key, result FROM stage_results ORDER BY 1",
    )?;
    let mut model_blobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for link in links.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (model, blob) = link?;
        model_blobs.entry(model).or_default().push(blob);
    }
    Ok(Snapshot {
        blobs: blobs.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?,
        models: models
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?,
        model_blobs,
        documents: documents
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?,
        problems: database_problems(rows)?,
    })
}

/// What the database itself finds wrong: damaged pages, references that lead nowhere.
fn database_problems(rows: &Connection) -> Result<Vec<Problem>, RowError> {
    let mut integrity = rows.prepare("PRAGMA integrity_check")?;
    let mut references = rows.prepare("PRAGMA foreign_key_check")?;
    let mut problems = Vec::new();
    for reason in integrity.query_map([], |row| row.get::<_, String>(0))? {
        problems.push(Problem { what: "the registry".to_owned(), reason: reason? });
    }
    problems.retain(|problem| problem.reason != "ok");
    for pair in references.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(2)?)))? {
        let (table, target) = pair?;
        let reason = format!("a row speaks of one in `{target}` that does not exist");
        problems.push(Problem { what: format!("table `{table}`"), reason });
    }
    Ok(problems)
}
