//! Registering a model: blobs first, then all rows in one transaction.

use base::Digest;
use serde_json::Value;
use tensor::Tensor;

use crate::annotations::{About, set_about};
use crate::attachments::insert_attachments;
use crate::blobs::{Blob, Written};
use crate::database::{Rows, values};
use crate::decisions::note_overrides;
use crate::error::{RowError, within};
use crate::history::{By, Details, append};
use crate::limits::{ATTACHMENTS_MAX, DOCUMENT_BYTES_MAX, PARENTS_MAX, TEXT_BYTES_MAX};
use crate::lineage::{ParentRecord, insert_parents};
use crate::names::{check_model_name, check_role};
use crate::recall::check_reason;
use crate::reference::Found;
use crate::versions::{newest_number, version};
use crate::{BlobEntry, GateOverride, Manifest, ModelVersion, Port, Store, StoreError, TensorEntry};

/// Everything about a model that is to be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRecord {
    /// What it shall be called.
    pub name: String,
    /// Its ONNX protobuf bytes, with or without weights.
    pub graph: Vec<u8>,
    /// Its tensors by name, in an order that is always the same.
    pub tensors: Vec<(String, Tensor)>,
    /// What goes in.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
    /// Class names by class number; empty if the model does not classify.
    pub labels: Vec<String>,
    /// How raw data becomes the inputs; any JSON that decides the answers.
    pub preprocessing: Value,
    /// The resolved scheme's text.
    pub scheme: String,
    /// The resolved scheme's own digest.
    pub scheme_digest: Digest,
    /// Digest of the data that it was made from.
    pub data_digest: Digest,
    /// What was measured.
    pub metrics: Value,
    /// The run that made it.
    pub run: Option<String>,
    /// What computed it.
    pub engine: EngineFacts,
    /// Description, licence, intended use, tags.
    pub about: About,
    /// Which versions it was made from, and how.
    pub parents: Vec<ParentRecord>,
    /// Bytes to be kept beside it that are no part of the model, by role: `scheme_sources`,
    /// `records`, `cases`.
    pub attachments: Vec<(String, Vec<u8>)>,
    /// Gates that refused it and were overruled; written into the history of the version, in the same transaction.
    pub overrides: Vec<GateOverride>,
    /// Who registers it, and when.
    pub by: By,
}

/// What computed a model's weights; part of reproducing them, not of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    /// The CPU feature level, such as `avx2`.
    pub cpu_level: String,
    /// The version of the engine's arithmetic.
    pub format_version: u32,
}

/// What registering came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Registered {
    /// A version that did not exist before.
    New(ModelVersion),
    /// The same model had been registered under this name already; but for overruled gates nothing was changed.
    Existing(ModelVersion),
}

impl Registered {
    /// The version, new or not.
    pub fn version(&self) -> &ModelVersion {
        let (Registered::New(version) | Registered::Existing(version)) = self;
        version
    }
}

impl Store {
    /// Registers a model as the next version of its name, durably, whoever else registers at the
    /// same time. A model of the same digest under the same name is not registered again.
    ///
    /// Errors   an ill-formed name; an unknown parent, or one that it shares nothing with though it
    /// says it was fine-tuned from it; something beyond a limit; the world. Then nothing is registered.
    pub fn register(&self, record: &ModelRecord) -> Result<Registered, StoreError> {
        let metrics = check(record)?;
        let tensors: Vec<Vec<u8>> = record.tensors.iter().map(|(_, tensor)| tensor.to_bytes()).collect();
        let mut blobs = vec![Blob::of(&record.graph), Blob::of(record.scheme.as_bytes())];
        blobs.extend(tensors.iter().map(|bytes| Blob::of(bytes)));
        let manifest = manifest(record, &blobs);
        let text = manifest.encode()?;
        let attached: Vec<Blob<'_>> = record.attachments.iter().map(|(_, bytes)| Blob::of(bytes)).collect();

        let _writing = self.database.writing()?;
        let written = self.write_blobs(&[&blobs[..], &attached[..]].concat())?;
        let entry = Entry { record, written, attached, manifest, text, metrics };
        self.write("register a model", |rows| entry.insert(rows))
    }

    /// The bytes that were kept beside `version` as `role`, if any were.
    pub fn attachment(&self, version: &ModelVersion, role: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.attachment_digest(version, role)?.map(|digest| self.get(digest)).transpose()
    }

    /// The digest of the bytes that were kept beside `version` as `role`, if any were.
    pub fn attachment_digest(
        &self,
        version: &ModelVersion,
        role: &str,
    ) -> Result<Option<Digest>, StoreError> {
        self.read("look up what is kept beside a model", |rows| {
            rows.first(
                "SELECT blob FROM version_blobs WHERE name = ?1 AND version = ?2 AND role = ?3",
                values![&version.name, version.version, role],
                |row| row.get(0),
            )
        })
    }
}

/// A checked record, with what is computed from it.
struct Entry<'a> {
    record: &'a ModelRecord,
    written: Written<'a>,
    attached: Vec<Blob<'a>>,
    manifest: Manifest,
    text: String,
    metrics: String,
}

impl Entry<'_> {
    fn insert(&self, rows: &dyn Rows) -> Result<Registered, RowError> {
        let record = self.record;
        let name = &record.name;
        let digest = Digest::of(self.text.as_bytes());
        let existing: Option<u32> = rows.first(
            "SELECT version FROM versions WHERE name = ?1 AND model = ?2",
            values![name, digest],
            |row| row.get(0),
        )?;
        if let Some(number) = existing {
            let found = Found { name: name.clone(), version: number };
            note_overrides(rows, &found, &record.overrides, &record.by)?;
            return Ok(Registered::Existing(version(rows, &found)?));
        }
        self.written.insert(rows)?;
        insert_model(rows, digest, &self.text, &self.manifest)?;
        let number = newest_number(rows, name)?.unwrap_or(0) + 1;
        let found = Found { name: name.clone(), version: number };
        self.row(number, digest).insert(rows)?;
        let attached = record.attachments.iter().zip(&self.attached);
        insert_attachments(rows, &found, attached.map(|((role, _), blob)| (role.as_str(), blob.digest)))?;
        insert_parents(rows, &found, &self.manifest, &record.parents)?;
        set_about(rows, &found, &record.about)?;
        let digest = digest.to_string();
        let details = Details { value: Some(&digest), ..Details::default() };
        append(rows, &record.by, "register", name, Some(number), &details)?;
        note_overrides(rows, &found, &record.overrides, &record.by)?;
        Ok(Registered::New(version(rows, &found)?))
    }

    fn row(&self, number: u32, model: Digest) -> VersionRow {
        let record = self.record;
        VersionRow {
            name: record.name.clone(),
            version: number,
            model,
            scheme: Digest::of(record.scheme.as_bytes()),
            scheme_digest: record.scheme_digest,
            data_digest: record.data_digest,
            metrics: self.metrics.clone(),
            run: record.run.clone(),
            engine: record.engine.clone(),
            created_unix_ms: record.by.unix_ms,
        }
    }
}

/// One row of `versions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionRow {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) model: Digest,
    pub(crate) scheme: Digest,
    pub(crate) scheme_digest: Digest,
    pub(crate) data_digest: Digest,
    pub(crate) metrics: String,
    pub(crate) run: Option<String>,
    pub(crate) engine: EngineFacts,
    pub(crate) created_unix_ms: i64,
}

impl VersionRow {
    pub(crate) fn insert(&self, rows: &dyn Rows) -> Result<(), RowError> {
        rows.execute(
            "INSERT INTO versions (name, version, model, scheme, scheme_digest, data_digest, metrics, run,
                                   cpu_level, engine_version, created_unix_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            values![
                &self.name,
                self.version,
                self.model,
                self.scheme,
                self.scheme_digest,
                self.data_digest,
                &self.metrics,
                self.run.as_deref(),
                &self.engine.cpu_level,
                self.engine.format_version,
                self.created_unix_ms,
            ],
        )?;
        Ok(())
    }
}

/// Adds the content of a model, unless it is there. Its blobs have rows.
pub(crate) fn insert_model(
    rows: &dyn Rows,
    digest: Digest,
    text: &str,
    manifest: &Manifest,
) -> Result<(), RowError> {
    let added = rows.execute(
        "INSERT INTO models (digest, manifest, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        values![digest, text, manifest.bytes() as i64],
    )?;
    if added == 0 {
        return Ok(());
    }
    for blob in manifest.blobs() {
        rows.execute(
            "INSERT INTO model_blobs (model, blob) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            values![digest, blob.digest],
        )?;
    }
    Ok(())
}

/// Refuses what cannot be registered; returns the metrics' text.
fn check(record: &ModelRecord) -> Result<String, StoreError> {
    check_model_name(&record.name)?;
    let length = record.engine.cpu_level.len().max(record.run.as_ref().map_or(0, String::len));
    within(|| "the name of a run or CPU level".to_owned(), length as u64, TEXT_BYTES_MAX)?;
    within(|| "the list of a model's parents".to_owned(), record.parents.len() as u64, PARENTS_MAX)?;
    let attachments = record.attachments.len() as u64;
    within(|| "the list of what is kept beside a model".to_owned(), attachments, ATTACHMENTS_MAX)?;
    record.attachments.iter().try_for_each(|(role, _)| check_role(role))?;
    record.overrides.iter().try_for_each(|each| check_reason(&each.reason))?;
    document_text("the metrics of a model", &record.metrics)
}

/// A JSON document's text, within the limit.
pub(crate) fn document_text(what: &str, document: &Value) -> Result<String, StoreError> {
    let text = document.to_string();
    within(|| format!("the length in bytes of {what}"), text.len() as u64, DOCUMENT_BYTES_MAX)?;
    Ok(text)
}

/// The manifest of `record`, whose blobs are the graph, the scheme and the tensors.
fn manifest(record: &ModelRecord, blobs: &[Blob<'_>]) -> Manifest {
    let tensors = record.tensors.iter().zip(&blobs[2..]).map(|((name, tensor), blob)| TensorEntry {
        name: name.clone(),
        dtype: tensor.dtype(),
        shape: tensor.shape().to_vec(),
        digest: blob.digest,
    });
    Manifest {
        format_version: Manifest::FORMAT_VERSION,
        graph: BlobEntry { digest: blobs[0].digest, bytes: record.graph.len() as u64 },
        tensors: tensors.collect(),
        inputs: record.inputs.clone(),
        outputs: record.outputs.clone(),
        labels: record.labels.clone(),
        preprocessing: record.preprocessing.clone(),
    }
}
