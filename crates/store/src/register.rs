//! Registering a model: blobs first, then all rows in one transaction.

use base::Digest;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use tensor::Tensor;

use crate::blobs::{Blob, insert_blobs};
use crate::error::{RowError, within};
use crate::limits::{DOCUMENT_BYTES_MAX, TEXT_BYTES_MAX};
use crate::names::check_model_name;
use crate::reference::Found;
use crate::versions::version;
use crate::{BlobEntry, Manifest, ModelVersion, Port, Store, StoreError, TensorEntry};

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
    /// The present time, in milliseconds since 1970.
    pub created_unix_ms: i64,
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
    /// The same model had been registered under this name already; nothing was changed.
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
    /// Errors   an ill-formed name; something beyond a limit; the world. Then nothing is registered.
    pub fn register(&self, record: &ModelRecord) -> Result<Registered, StoreError> {
        let metrics = check(record)?;
        let tensors: Vec<Vec<u8>> = record.tensors.iter().map(|(_, tensor)| tensor.to_bytes()).collect();
        let mut blobs = vec![Blob::of(&record.graph), Blob::of(record.scheme.as_bytes())];
        blobs.extend(tensors.iter().map(|bytes| Blob::of(bytes)));
        let manifest = manifest(record, &blobs);
        let text = manifest.encode()?;
        let entry = Entry { record, blobs: &blobs, manifest: &manifest, text: &text, metrics: &metrics };

        let _writing = self.writing()?;
        self.write_blobs(&blobs)?;
        self.write("register a model", |rows| entry.insert(rows))
    }
}

/// A checked record, with what is computed from it.
struct Entry<'a> {
    record: &'a ModelRecord,
    blobs: &'a [Blob<'a>],
    manifest: &'a Manifest,
    text: &'a str,
    metrics: &'a str,
}

impl Entry<'_> {
    fn insert(&self, rows: &Connection) -> Result<Registered, RowError> {
        let name = &self.record.name;
        let digest = Digest::of(self.text.as_bytes());
        let existing: Option<u32> = rows
            .prepare_cached("SELECT version FROM versions WHERE name = ?1 AND model = ?2")?
            .query_row(params![name, digest.to_string()], |row| row.get(0))
            .optional()?;
        if let Some(number) = existing {
            return Ok(Registered::Existing(version(rows, &Found { name: name.clone(), version: number })?));
        }
        insert_blobs(rows, self.blobs)?;
        self.insert_model(rows, digest)?;
        let number = self.insert_version(rows, digest)?;
        Ok(Registered::New(version(rows, &Found { name: name.clone(), version: number })?))
    }

    fn insert_model(&self, rows: &Connection, digest: Digest) -> Result<(), RowError> {
        rows.prepare_cached(
            "INSERT INTO models (digest, manifest, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute(params![digest.to_string(), self.text, self.manifest.bytes() as i64])?;
        let mut insert = rows
            .prepare_cached("INSERT INTO model_blobs (model, blob) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
        for blob in self.manifest.blobs() {
            insert.execute([digest.to_string(), blob.digest.to_string()])?;
        }
        Ok(())
    }

    fn insert_version(&self, rows: &Connection, digest: Digest) -> Result<u32, RowError> {
        let record = self.record;
        let newest: u32 = rows
            .prepare_cached("SELECT coalesce(max(version), 0) FROM versions WHERE name = ?1")?
            .query_row([&record.name], |row| row.get(0))?;
        let number = newest + 1;
        rows.prepare_cached(
            "INSERT INTO versions (name, version, model, scheme, scheme_digest, data_digest, metrics, run,
                                   cpu_level, engine_version, created_unix_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            record.name,
            number,
            digest.to_string(),
            Digest::of(record.scheme.as_bytes()).to_string(),
            record.scheme_digest.to_string(),
            record.data_digest.to_string(),
            self.metrics,
            record.run,
            record.engine.cpu_level,
            record.engine.format_version,
            record.created_unix_ms,
        ])?;
        Ok(number)
    }
}

/// Refuses what cannot be registered; returns the metrics' text.
fn check(record: &ModelRecord) -> Result<String, StoreError> {
    check_model_name(&record.name)?;
    let length = record.engine.cpu_level.len().max(record.run.as_ref().map_or(0, String::len));
    within(|| "the name of a run or CPU level".to_owned(), length as u64, TEXT_BYTES_MAX)?;
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
