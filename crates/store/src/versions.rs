//! Reading model versions.

use base::Digest;
use rusqlite::{Connection, Row, params};
use serde_json::Value;

use crate::error::{RowError, within};
use crate::limits::DOCUMENT_BYTES_MAX;
use crate::reference::{self, Found};
use crate::{EngineFacts, Manifest, Store, StoreError};

/// A model under its name and number, with the circumstances of its making. Immutable, but for the
/// aliases that point at it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelVersion {
    /// The model's name.
    pub name: String,
    /// Its number under this name, from 1.
    pub version: u32,
    /// Digest of the manifest: equal if and only if the models are.
    pub digest: Digest,
    /// The blob that holds the resolved scheme's text.
    pub scheme: Digest,
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
    /// When it was registered, in milliseconds since 1970.
    pub created_unix_ms: i64,
    /// Bytes of its graph and tensors, whether shared with other models or not.
    pub bytes: u64,
    /// The aliases that point at it, by name.
    pub aliases: Vec<String>,
}

impl ModelVersion {
    /// `name@version`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// A model version and what the model consists of.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its name, number and circumstances.
    pub version: ModelVersion,
    /// Its parts.
    pub manifest: Manifest,
}

/// All versions under one name, in brief.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSummary {
    /// The newest version.
    pub newest: ModelVersion,
    /// How many versions there are.
    pub versions: u32,
    /// Every alias and the version it points at, by alias.
    pub aliases: Vec<(String, u32)>,
}

impl Store {
    /// Every model, by name.
    pub fn list_models(&self) -> Result<Vec<ModelSummary>, StoreError> {
        self.read("list the models", |rows| {
            let mut query = rows.prepare_cached(
                "SELECT name, max(version), count(*) FROM versions GROUP BY name ORDER BY name",
            )?;
            let names = query
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<Vec<(String, u32, u32)>, _>>()?;
            names
                .into_iter()
                .map(|(name, newest, versions)| {
                    let found = Found { name, version: newest };
                    Ok(ModelSummary {
                        newest: version(rows, &found)?,
                        versions,
                        aliases: aliases(rows, &found.name)?,
                    })
                })
                .collect()
        })
    }

    /// Every version of the model `name`, oldest first.
    ///
    /// Errors   no model of that name.
    pub fn versions(&self, name: &str) -> Result<Vec<ModelVersion>, StoreError> {
        self.read("list the versions of a model", |rows| {
            let numbers = version_numbers(rows, name)?;
            if numbers.is_empty() {
                return Err(reference::unknown_model(rows, name)?.into());
            }
            numbers
                .into_iter()
                .map(|number| version(rows, &Found { name: name.to_owned(), version: number }))
                .collect()
        })
    }

    /// The version that `reference` names: `name` (its newest version), `name@N`, `name@alias`, or
    /// at least 8 leading digits of a model's digest (its oldest version, if it has several names).
    ///
    /// Errors   a mistake that tells what there is instead.
    pub fn resolve(&self, reference: &str) -> Result<ModelVersion, StoreError> {
        self.read("look up a model", |rows| version(rows, &reference::find(rows, reference)?))
    }

    /// The version that `reference` names, as in [`Store::resolve`], with its manifest, whose
    /// digest is checked.
    pub fn model(&self, reference: &str) -> Result<Model, StoreError> {
        self.read("look up a model", |rows| {
            let version = version(rows, &reference::find(rows, reference)?)?;
            let manifest = manifest(rows, version.digest)?;
            Ok(Model { version, manifest })
        })
    }
}

/// The version that `found` names. It exists.
pub(crate) fn version(rows: &Connection, found: &Found) -> Result<ModelVersion, RowError> {
    let mut query = rows.prepare_cached(
        "SELECT v.model, v.scheme, v.scheme_digest, v.data_digest, v.metrics, v.run, v.cpu_level,
                v.engine_version, v.created_unix_ms, m.bytes
         FROM versions v JOIN models m ON m.digest = v.model WHERE v.name = ?1 AND v.version = ?2",
    )?;
    let mut answer = query.query(params![found.name, found.version])?;
    let row = answer.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let what = || format!("the row of model {}@{}", found.name, found.version);
    Ok(ModelVersion {
        name: found.name.clone(),
        version: found.version,
        digest: digest(row, 0, what)?,
        scheme: digest(row, 1, what)?,
        scheme_digest: digest(row, 2, what)?,
        data_digest: digest(row, 3, what)?,
        metrics: document(row, 4, what)?,
        run: row.get(5)?,
        engine: EngineFacts { cpu_level: row.get(6)?, format_version: row.get(7)? },
        created_unix_ms: row.get(8)?,
        bytes: row.get::<_, i64>(9)? as u64,
        aliases: aliases_of_version(rows, found)?,
    })
}

/// The manifest of the model `digest`, checked against it.
pub(crate) fn manifest(rows: &Connection, digest: Digest) -> Result<Manifest, RowError> {
    let text: String = rows
        .prepare_cached("SELECT manifest FROM models WHERE digest = ?1")?
        .query_row([digest.to_string()], |row| row.get(0))?;
    let found = Digest::of(text.as_bytes());
    if found != digest {
        let reason = format!("its digest is {found}");
        return Err(StoreError::damaged(format!("the manifest of model {digest}"), reason).into());
    }
    Ok(Manifest::decode(&text)?)
}

/// The numbers of the versions of `name`, oldest first; none if there is no such model.
pub(crate) fn version_numbers(rows: &Connection, name: &str) -> Result<Vec<u32>, RowError> {
    let mut query = rows.prepare_cached("SELECT version FROM versions WHERE name = ?1 ORDER BY version")?;
    let numbers = query.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(numbers)
}

/// The aliases of `name` and the versions they point at, by alias.
pub(crate) fn aliases(rows: &Connection, name: &str) -> Result<Vec<(String, u32)>, RowError> {
    let mut query =
        rows.prepare_cached("SELECT alias, version FROM aliases WHERE name = ?1 ORDER BY alias")?;
    let aliases = query.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(aliases)
}

fn aliases_of_version(rows: &Connection, found: &Found) -> Result<Vec<String>, RowError> {
    let mut query =
        rows.prepare_cached("SELECT alias FROM aliases WHERE name = ?1 AND version = ?2 ORDER BY alias")?;
    let aliases =
        query.query_map(params![found.name, found.version], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(aliases)
}

/// The digest in a column.
pub(crate) fn digest(row: &Row<'_>, column: usize, what: impl Fn() -> String) -> Result<Digest, RowError> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| StoreError::damaged(what(), error).into())
}

/// The JSON document in a column.
pub(crate) fn document(row: &Row<'_>, column: usize, what: impl Fn() -> String) -> Result<Value, RowError> {
    let text: String = row.get(column)?;
    within(&what, text.len() as u64, DOCUMENT_BYTES_MAX)?;
    serde_json::from_str(&text).map_err(|error| StoreError::damaged(what(), error).into())
}
