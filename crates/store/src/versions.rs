//! Reading model versions.

use std::collections::BTreeMap;

use base::Digest;
use serde_json::Value;

use crate::database::{Row, Rows, values};
use crate::error::{RowError, within};
use crate::limits::DOCUMENT_BYTES_MAX;
use crate::reference::{self, Found};
use crate::{EngineFacts, Manifest, Store, StoreError, database};

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
            let newest = select(
                rows,
                "JOIN (SELECT name, max(version) AS version FROM versions GROUP BY name) newest
                 ON newest.name = v.name AND newest.version = v.version ORDER BY v.name",
                &[],
            )?;
            let counts: Vec<u32> =
                rows.all("SELECT count(*) FROM versions GROUP BY name ORDER BY name", &[], |row| row.get(0))?;
            let summaries = newest.into_iter().zip(counts);
            summaries
                .map(|(newest, versions)| {
                    let aliases = aliases(rows, &newest.name)?;
                    Ok(ModelSummary { newest, versions, aliases })
                })
                .collect()
        })
    }

    /// Every version of the model `name`, oldest first.
    ///
    /// Errors   no model of that name.
    pub fn versions(&self, name: &str) -> Result<Vec<ModelVersion>, StoreError> {
        self.read("list the versions of a model", |rows| {
            let found = select(rows, "WHERE v.name = ?1 ORDER BY v.version", values![name])?;
            if found.is_empty() { Err(reference::unknown_model(rows, name)?.into()) } else { Ok(found) }
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
pub(crate) fn version(rows: &dyn Rows, found: &Found) -> Result<ModelVersion, RowError> {
    let mut versions =
        select(rows, "WHERE v.name = ?1 AND v.version = ?2", values![&found.name, found.version])?;
    versions.pop().ok_or_else(|| {
        RowError::damaged(format!("the row of model {}@{}", found.name, found.version), "it is missing")
    })
}

/// The versions that the end of a query selects, with their aliases.
pub(crate) fn select(
    rows: &dyn Rows,
    end: &str,
    values: &[database::Value<'_>],
) -> Result<Vec<ModelVersion>, RowError> {
    select_with(rows, "", end, values)
}

/// As [`select`], with a `WITH` in front.
pub(crate) fn select_with(
    rows: &dyn Rows,
    with: &str,
    end: &str,
    values: &[database::Value<'_>],
) -> Result<Vec<ModelVersion>, RowError> {
    let query = format!(
        "{with} SELECT v.name, v.version, v.model, v.scheme, v.scheme_digest, v.data_digest, v.metrics, v.run,
                v.cpu_level, v.engine_version, v.created_unix_ms, m.bytes
         FROM versions v JOIN models m ON m.digest = v.model {end}"
    );
    let mut versions = rows.all(&query, values, read_version)?;
    let mut known: BTreeMap<String, Vec<(String, u32)>> = BTreeMap::new();
    for version in &mut versions {
        if !known.contains_key(&version.name) {
            known.insert(version.name.clone(), aliases(rows, &version.name)?);
        }
        let of_this = known[&version.name].iter().filter(|(_, number)| *number == version.version);
        version.aliases = of_this.map(|(alias, _)| alias.clone()).collect();
    }
    Ok(versions)
}

fn read_version(row: &dyn Row) -> Result<ModelVersion, RowError> {
    let (name, version): (String, u32) = (row.get(0)?, row.get(1)?);
    let what = || format!("the row of model {name}@{version}");
    Ok(ModelVersion {
        digest: row.get(2)?,
        scheme: row.get(3)?,
        scheme_digest: row.get(4)?,
        data_digest: row.get(5)?,
        metrics: document(row, 6, what)?,
        run: row.get(7)?,
        engine: EngineFacts { cpu_level: row.get(8)?, format_version: row.get(9)? },
        created_unix_ms: row.get(10)?,
        bytes: row.get(11)?,
        aliases: Vec::new(),
        version,
        name,
    })
}

/// The manifest of the model `digest`, checked against it.
pub(crate) fn manifest(rows: &dyn Rows, digest: Digest) -> Result<Manifest, RowError> {
    Ok(Manifest::decode(&manifest_text(rows, digest)?)?)
}

/// The manifest's text of the model `digest`, checked against it.
pub(crate) fn manifest_text(rows: &dyn Rows, digest: Digest) -> Result<String, RowError> {
    let text: String = rows.only("SELECT manifest FROM models WHERE digest = ?1", values![digest])?;
    let found = Digest::of(text.as_bytes());
    if found != digest {
        let reason = format!("its digest is {found}");
        return Err(StoreError::damaged(format!("the manifest of model {digest}"), reason).into());
    }
    Ok(text)
}

/// The numbers of the versions of `name`, oldest first; none if there is no such model.
pub(crate) fn version_numbers(rows: &dyn Rows, name: &str) -> Result<Vec<u32>, RowError> {
    rows.all("SELECT version FROM versions WHERE name = ?1 ORDER BY version", values![name], |row| row.get(0))
}

/// The number of the newest version of `name`, if there is such a model.
pub(crate) fn newest_number(rows: &dyn Rows, name: &str) -> Result<Option<u32>, RowError> {
    rows.only("SELECT max(version) FROM versions WHERE name = ?1", values![name])
}

/// The aliases of `name` and the versions they point at, by alias.
pub(crate) fn aliases(rows: &dyn Rows, name: &str) -> Result<Vec<(String, u32)>, RowError> {
    rows.all("SELECT alias, version FROM aliases WHERE name = ?1 ORDER BY alias", values![name], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// The JSON document in a column.
pub(crate) fn document(row: &dyn Row, column: usize, what: impl Fn() -> String) -> Result<Value, RowError> {
    let text: String = row.get(column)?;
    within(&what, text.len() as u64, DOCUMENT_BYTES_MAX)?;
    serde_json::from_str(&text).map_err(|error| RowError::damaged(what(), error))
}
