//! Taking a package in: blobs first, a few at a time so that a second attempt goes on where the first
//! was cut, then all rows in one transaction.

use std::collections::BTreeMap;

use base::{Diagnostic, Digest};

use crate::attachments::insert_attachments;
use crate::blobs::Blob;
use crate::database::{Rows, values};
use crate::error::RowError;
use crate::history::{Details, append};
use crate::limits::TRANSFER_BATCH_BYTES;
use crate::lineage::insert_parent;
use crate::manifest::Manifest;
use crate::package::{Package, PackedScheme, PackedVersion};
use crate::reference::Found;
use crate::register::{VersionRow, insert_model};
use crate::schemes::insert_scheme;
use crate::versions::newest_number;
use crate::{By, SchemeParent, SchemeVersion, Signature, Store, StoreError, annotations, signatures};

/// Where the blobs of a package come from.
pub trait BlobSource {
    /// The bytes called `digest`. Whoever asks hashes them.
    fn blob(&mut self, digest: Digest) -> Result<Vec<u8>, StoreError>;
}

impl BlobSource for &Store {
    fn blob(&mut self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        self.get(digest)
    }
}

/// What became of one version or scheme of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its name.
    pub name: String,
    /// Its number where it comes from.
    pub from: u32,
    /// Its number here.
    pub version: u32,
    /// Whether it is new here.
    pub new: bool,
}

/// What taking a package in came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Received {
    /// Model versions, parents first.
    pub versions: Vec<Arrival>,
    /// Registered schemes.
    pub schemes: Vec<Arrival>,
    /// Blobs that were not here before.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// Takes in `package`, whose blobs come from `source`. `progress` is told the bytes done and the
    /// bytes to do. Nothing of it is visible before all of it is; a second attempt after a kill does
    /// not fetch again what arrived. A version whose number is taken here by another model gets the
    /// next free one, and the same model under the same name is not added again.
    ///
    /// Errors   a package that is not closed; a blob that is not what its digest says; the world.
    pub fn receive(
        &self,
        package: &Package,
        source: &mut dyn BlobSource,
        by: &By,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Received, StoreError> {
        package.check().map_err(|reason| refused(&reason))?;
        if !package.left_out.is_empty() {
            return Err(refused("the weights of ancestors are left out of the package"));
        }
        let _writing = self.database.writing()?;
        let (blobs, bytes) = self.fetch(package, source, progress)?;
        let (versions, schemes) = self.write("take in models", |rows| {
            let schemes = insert_schemes(rows, package, by)?;
            Ok((insert_versions(rows, package, by)?, schemes))
        })?;
        Ok(Received { versions, schemes, blobs, bytes })
    }

    /// Fetches the blobs that are not here, and returns how many and how many bytes they were.
    fn fetch(
        &self,
        package: &Package,
        source: &mut dyn BlobSource,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(u64, u64), StoreError> {
        let mut missing = Vec::new();
        for entry in &package.blobs {
            if !self.contains(entry.digest)? {
                missing.push(*entry);
            }
        }
        let total: u64 = missing.iter().map(|entry| entry.bytes).sum();
        let (mut batch, mut waiting, mut done) = (Vec::new(), 0, 0);
        for (index, entry) in missing.iter().enumerate() {
            let bytes = source.blob(entry.digest)?;
            let found = Digest::of(&bytes);
            if found != entry.digest {
                return Err(refused(&format!("what it holds as blob {} has digest {found}", entry.digest)));
            }
            if bytes.len() as u64 != entry.bytes {
                return Err(refused(&format!(
                    "blob {} has {} bytes, not {}",
                    found,
                    bytes.len(),
                    entry.bytes
                )));
            }
            waiting += bytes.len() as u64;
            batch.push(bytes);
            if waiting >= TRANSFER_BATCH_BYTES || index + 1 == missing.len() {
                self.keep(&batch)?;
                batch.clear();
                done += std::mem::take(&mut waiting);
                progress(done, total);
            }
        }
        Ok((missing.len() as u64, total))
    }

    /// Keeps blobs and their rows. The caller holds the writing lock until something points to them.
    fn keep(&self, batch: &[Vec<u8>]) -> Result<(), StoreError> {
        let blobs: Vec<Blob<'_>> = batch.iter().map(|bytes| Blob::of(bytes)).collect();
        let written = self.write_blobs(&blobs)?;
        self.write("keep blobs", |rows| written.insert(rows))
    }
}

fn refused(reason: &str) -> StoreError {
    Diagnostic::new("bad-package", format!("the models cannot be taken in: {reason}"))
        .help("nothing was added; make the bundle again, or check the store that it comes from with `heirloom store verify`")
        .into()
}

/// The number that something gets here: its own if that is free.
fn free_number(taken: bool, wanted: u32, newest: Option<u32>) -> u32 {
    if taken || wanted == 0 { newest.unwrap_or(0).saturating_add(1) } else { wanted }
}

pub(crate) fn insert_versions(rows: &dyn Rows, package: &Package, by: &By) -> Result<Vec<Arrival>, RowError> {
    let mut numbers: BTreeMap<(&str, u32), u32> = BTreeMap::new();
    let mut arrivals = Vec::with_capacity(package.versions.len());
    for packed in &package.versions {
        let existing: Option<u32> = rows.first(
            "SELECT version FROM versions WHERE name = ?1 AND model = ?2",
            values![&packed.name, packed.model()],
            |row| row.get(0),
        )?;
        let number = match existing {
            Some(number) => number,
            None => insert_version(rows, packed, &numbers, by)?,
        };
        let here = Found { name: packed.name.clone(), version: number };
        add_later(rows, packed, &here, by)?;
        numbers.insert((&packed.name, packed.version), number);
        arrivals.push(Arrival {
            name: packed.name.clone(),
            from: packed.version,
            version: number,
            new: existing.is_none(),
        });
    }
    Ok(arrivals)
}

fn insert_version(
    rows: &dyn Rows,
    packed: &PackedVersion,
    numbers: &BTreeMap<(&str, u32), u32>,
    by: &By,
) -> Result<u32, RowError> {
    let taken = rows.exists(
        "SELECT 1 FROM versions WHERE name = ?1 AND version = ?2",
        values![&packed.name, packed.version],
    )?;
    let number = free_number(taken, packed.version, newest_number(rows, &packed.name)?);
    let here = Found { name: packed.name.clone(), version: number };
    let model = packed.model();
    insert_model(rows, model, &packed.manifest, &Manifest::decode(&packed.manifest)?)?;
    VersionRow {
        name: packed.name.clone(),
        version: number,
        model,
        scheme: packed.scheme,
        scheme_digest: packed.scheme_digest,
        data_digest: packed.data_digest,
        metrics: packed.metrics.clone(),
        run: packed.run.clone(),
        engine: packed.engine(),
        created_unix_ms: packed.created_unix_ms,
    }
    .insert(rows)?;
    annotations::set_about(rows, &here, &packed.about)?;
    for parent in &packed.parents {
        // A closed package has every parent before its child.
        let version = numbers.get(&(parent.name.as_str(), parent.version)).copied().unwrap_or(parent.version);
        let found = Found { name: parent.name.clone(), version };
        insert_parent(rows, &here, parent.relation, &found, &parent.facts)?;
    }
    let (value, replaced) = (model.to_string(), packed.id());
    let details = Details { value: Some(&value), subject: Some(&replaced), ..Details::default() };
    append(rows, by, "receive", &here.name, Some(number), &details)?;
    Ok(number)
}

/// What can be added to a version arrives even if it was here already: what is kept beside it, signatures, recalls.
fn add_later(rows: &dyn Rows, packed: &PackedVersion, here: &Found, by: &By) -> Result<(), RowError> {
    insert_attachments(rows, here, packed.attachments.iter().map(|each| (each.role.as_str(), each.blob)))?;
    for packed in &packed.signatures {
        let signature = Signature {
            key_id: packed.key_id.clone(),
            document: packed.document.clone(),
            unix_ms: packed.unix_ms,
        };
        signatures::insert(rows, here, &signature)?;
    }
    if let Some(reason) = &packed.recalled {
        let added = rows.execute(
            "INSERT INTO recalls (name, version, reason) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            values![&here.name, here.version, reason],
        )?;
        if added > 0 {
            let details = Details { reason: Some(reason), ..Details::default() };
            append(rows, by, "recall", &here.name, Some(here.version), &details)?;
        }
    }
    Ok(())
}

fn insert_schemes(rows: &dyn Rows, package: &Package, by: &By) -> Result<Vec<Arrival>, RowError> {
    let mut arrivals = Vec::with_capacity(package.schemes.len());
    for packed in &package.schemes {
        let key = values![&packed.name, packed.resolved, packed.sources];
        let existing: Option<u32> = rows.first(
            "SELECT version FROM schemes WHERE name = ?1 AND resolved = ?2 AND sources = ?3 ORDER BY version",
            key,
            |row| row.get(0),
        )?;
        let number = match existing {
            Some(number) => number,
            None => insert_packed_scheme(rows, packed, by)?,
        };
        arrivals.push(Arrival {
            name: packed.name.clone(),
            from: packed.version,
            version: number,
            new: existing.is_none(),
        });
    }
    Ok(arrivals)
}

fn insert_packed_scheme(rows: &dyn Rows, packed: &PackedScheme, by: &By) -> Result<u32, RowError> {
    let taken = crate::schemes::find(rows, &packed.name, Some(packed.version))?.is_some();
    if taken {
        // What inherits `name@N` says so in its text, so another number would change its meaning.
        let message = format!("this store has another scheme called {}", packed.id());
        return Err(Diagnostic::new("scheme-exists", message)
            .help("register one of the two under another name")
            .into());
    }
    let parents: Vec<SchemeParent> = packed.parents.clone();
    insert_scheme(
        rows,
        &SchemeVersion {
            name: packed.name.clone(),
            version: packed.version,
            scheme_digest: packed.scheme_digest,
            resolved: packed.resolved,
            sources: packed.sources,
            description: packed.description.clone(),
            created_unix_ms: packed.created_unix_ms,
            parents,
        },
    )?;
    let digest = packed.scheme_digest.to_string();
    let details = Details { value: Some(&digest), ..Details::default() };
    append(rows, by, "receive_scheme", &packed.name, Some(packed.version), &details)?;
    Ok(packed.version)
}
