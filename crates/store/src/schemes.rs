//! Registered schemes: `name@N`, kept resolved and as written, with what they inherit.

use base::{Diagnostic, Digest, nearest};
use serde::{Deserialize, Serialize};

use crate::blobs::{Blob, Written};
use crate::database::{Row, Rows, values};
use crate::error::{RowError, within};
use crate::history::{Details, append};
use crate::limits::{ANNOTATION_BYTES_MAX, ATTACHMENTS_MAX, DOCUMENT_BYTES_MAX, PARENTS_MAX};
use crate::names::check_scheme_name;
use crate::reference::{listed, shown};
use crate::{By, Store, StoreError};

/// One file of a scheme, as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemeSource {
    /// Its path below the folder that holds the store, or its name if it was elsewhere; `/` between
    /// folders.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A direct parent of a scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemeParent {
    /// As the child wrote it.
    pub reference: String,
    /// The parent's name, or its file's path.
    pub name: String,
    /// The parent's version; a file has none.
    pub version: Option<u32>,
    /// The parent's digest when the child was registered, as the caller computes it.
    #[serde(with = "crate::manifest::digest_text")]
    pub digest: Digest,
}

/// A scheme that is to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemeRecord {
    /// What it shall be called.
    pub name: String,
    /// Its files, the root first.
    pub sources: Vec<SchemeSource>,
    /// The resolved scheme's text.
    pub resolved: String,
    /// The resolved scheme's own digest.
    pub scheme_digest: Digest,
    /// What it delivers, for people.
    pub description: String,
    /// What the root inherits, in its order.
    pub parents: Vec<SchemeParent>,
    /// Who registers it, and when.
    pub by: By,
}

/// A registered scheme. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemeVersion {
    /// Its name.
    pub name: String,
    /// Its number under this name, from 1.
    pub version: u32,
    /// The resolved scheme's own digest.
    pub scheme_digest: Digest,
    /// The blob with the resolved text.
    pub resolved: Digest,
    /// The blob with the files as written.
    pub sources: Digest,
    /// What it delivers, for people.
    pub description: String,
    /// When it was registered, in milliseconds since 1970.
    pub created_unix_ms: i64,
    /// What it inherits, in its order.
    pub parents: Vec<SchemeParent>,
}

impl SchemeVersion {
    /// `name@version`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// What registering a scheme came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemeRegistered {
    /// A version that did not exist before.
    New(SchemeVersion),
    /// The newest version under this name is the same, to the letter; nothing was changed.
    Existing(SchemeVersion),
}

impl SchemeRegistered {
    /// The version, new or not.
    pub fn version(&self) -> &SchemeVersion {
        let (SchemeRegistered::New(version) | SchemeRegistered::Existing(version)) = self;
        version
    }
}

/// A scheme that inherits from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemeChild {
    /// The child.
    pub child: SchemeVersion,
    /// How it says what it inherits.
    pub reference: String,
    /// The version of the parent that it is pinned to.
    pub pinned: Option<u32>,
    /// How many versions the parent has had since.
    pub behind: u32,
}

impl Store {
    /// Registers a scheme as the next version of its name. The same files as in the newest version
    /// are not registered again.
    ///
    /// Errors   an ill-formed name; something beyond a limit; the world. Then nothing is registered.
    pub fn register_scheme(&self, record: &SchemeRecord) -> Result<SchemeRegistered, StoreError> {
        let sources = check(record)?;
        let blobs = [Blob::of(record.resolved.as_bytes()), Blob::of(sources.as_bytes())];
        let _writing = self.database.writing()?;
        let written = self.write_blobs(&blobs)?;
        self.write("register a scheme", |rows| insert(rows, record, &blobs, &written))
    }

    /// Every version of every registered scheme, by name, oldest first.
    pub fn list_schemes(&self) -> Result<Vec<SchemeVersion>, StoreError> {
        self.read("list the schemes", |rows| select(rows, "ORDER BY s.name, s.version", &[]))
    }

    /// The registered scheme `name`, in the version given or the newest; `None` if there is none.
    pub fn find_scheme(&self, name: &str, version: Option<u32>) -> Result<Option<SchemeVersion>, StoreError> {
        self.read("look up a scheme", |rows| find(rows, name, version))
    }

    /// The registered scheme that `reference` names: `name` (its newest version) or `name@N`.
    ///
    /// Errors   a mistake that tells what there is instead.
    pub fn scheme_version(&self, reference: &str) -> Result<SchemeVersion, StoreError> {
        let (name, number) = match reference.split_once('@') {
            Some((name, number)) => (name, number.parse().ok()),
            None => (reference, None),
        };
        let wants_number = reference.contains('@');
        self.read("look up a scheme", |rows| {
            let found = if wants_number && number.is_none() { None } else { find(rows, name, number)? };
            match found {
                Some(found) => Ok(found),
                None => Err(unknown(rows, reference)?.into()),
            }
        })
    }

    /// The files of a registered scheme as they were written, the root first.
    pub fn scheme_sources(&self, version: &SchemeVersion) -> Result<Vec<SchemeSource>, StoreError> {
        decode_sources(&self.get(version.sources)?, &version.id())
    }

    /// The resolved text of a registered scheme.
    pub fn scheme_resolved(&self, version: &SchemeVersion) -> Result<String, StoreError> {
        String::from_utf8(self.get(version.resolved)?)
            .map_err(|error| StoreError::damaged(format!("the resolved scheme {}", version.id()), error))
    }

    /// The registered scheme with this digest, its oldest name and version.
    pub fn scheme_of_digest(&self, scheme_digest: Digest) -> Result<Option<SchemeVersion>, StoreError> {
        self.read("look up a scheme", |rows| {
            let mut found = select(
                rows,
                "WHERE s.scheme_digest = ?1 ORDER BY s.created_unix_ms, s.name, s.version",
                values![scheme_digest],
            )?;
            Ok((!found.is_empty()).then(|| found.swap_remove(0)))
        })
    }

    /// Which registered schemes inherit from the scheme `name`, directly, by name and number.
    pub fn scheme_children(&self, name: &str) -> Result<Vec<SchemeChild>, StoreError> {
        self.read("look up who inherits from a scheme", |rows| {
            let newest: Option<u32> =
                rows.only("SELECT max(version) FROM schemes WHERE name = ?1", values![name])?;
            let children = select(
                rows,
                "WHERE EXISTS (SELECT 1 FROM scheme_parents p WHERE p.name = s.name
                               AND p.version = s.version AND p.parent_name = ?1)
                 ORDER BY s.name, s.version",
                values![name],
            )?;
            let child = |child: SchemeVersion| {
                let parent = child.parents.iter().find(|parent| parent.name == name)?;
                let (reference, pinned) = (parent.reference.clone(), parent.version);
                let behind = newest.zip(pinned).map_or(0, |(newest, pinned)| newest.saturating_sub(pinned));
                Some(SchemeChild { reference, pinned, behind, child })
            };
            Ok(children.into_iter().filter_map(child).collect())
        })
    }
}

fn insert(
    rows: &dyn Rows,
    record: &SchemeRecord,
    blobs: &[Blob<'_>; 2],
    written: &Written<'_>,
) -> Result<SchemeRegistered, RowError> {
    let [resolved, sources] = [blobs[0].digest, blobs[1].digest];
    let newest = find(rows, &record.name, None)?;
    if let Some(newest) = &newest
        && (newest.resolved, newest.sources) == (resolved, sources)
    {
        return Ok(SchemeRegistered::Existing(newest.clone()));
    }
    written.insert(rows)?;
    let version = SchemeVersion {
        name: record.name.clone(),
        version: newest.map_or(0, |newest| newest.version) + 1,
        scheme_digest: record.scheme_digest,
        resolved,
        sources,
        description: record.description.clone(),
        created_unix_ms: record.by.unix_ms,
        parents: record.parents.clone(),
    };
    insert_scheme(rows, &version)?;
    let digest = version.scheme_digest.to_string();
    let details = Details { value: Some(&digest), ..Details::default() };
    append(rows, &record.by, "register_scheme", &version.name, Some(version.version), &details)?;
    Ok(SchemeRegistered::New(version))
}

/// Adds the rows of one version. Its blobs have rows.
pub(crate) fn insert_scheme(rows: &dyn Rows, version: &SchemeVersion) -> Result<(), RowError> {
    rows.execute(
        "INSERT INTO schemes
             (name, version, scheme_digest, resolved, sources, description, created_unix_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        values![
            &version.name,
            version.version,
            version.scheme_digest,
            version.resolved,
            version.sources,
            &version.description,
            version.created_unix_ms,
        ],
    )?;
    for (position, parent) in version.parents.iter().enumerate() {
        rows.execute(
            "INSERT INTO scheme_parents
                 (name, version, position, reference, parent_name, parent_version, digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            values![
                &version.name,
                version.version,
                position as i64,
                &parent.reference,
                &parent.name,
                parent.version,
                parent.digest,
            ],
        )?;
    }
    Ok(())
}

/// The registered scheme `name`, in the version given or the newest.
pub(crate) fn find(
    rows: &dyn Rows,
    name: &str,
    version: Option<u32>,
) -> Result<Option<SchemeVersion>, RowError> {
    let mut found = match version {
        Some(version) => select(rows, "WHERE s.name = ?1 AND s.version = ?2", values![name, version])?,
        None => select(rows, "WHERE s.name = ?1 ORDER BY s.version DESC LIMIT 1", values![name])?,
    };
    Ok(found.pop())
}

fn select(
    rows: &dyn Rows,
    end: &str,
    values: &[crate::database::Value<'_>],
) -> Result<Vec<SchemeVersion>, RowError> {
    let query = format!(
        "SELECT s.name, s.version, s.scheme_digest, s.resolved, s.sources, s.description, s.created_unix_ms
         FROM schemes s {end}"
    );
    let mut found = rows.all(&query, values, read)?;
    for version in &mut found {
        version.parents = rows.all(
            "SELECT reference, parent_name, parent_version, digest FROM scheme_parents
             WHERE name = ?1 AND version = ?2 ORDER BY position",
            values![&version.name, version.version],
            |row| {
                Ok(SchemeParent {
                    reference: row.get(0)?,
                    name: row.get(1)?,
                    version: row.get(2)?,
                    digest: row.get(3)?,
                })
            },
        )?;
    }
    Ok(found)
}

fn read(row: &dyn Row) -> Result<SchemeVersion, RowError> {
    Ok(SchemeVersion {
        name: row.get(0)?,
        version: row.get(1)?,
        scheme_digest: row.get(2)?,
        resolved: row.get(3)?,
        sources: row.get(4)?,
        description: row.get(5)?,
        created_unix_ms: row.get(6)?,
        parents: Vec::new(),
    })
}

/// Reads files as they were kept.
pub(crate) fn decode_sources(bytes: &[u8], id: &str) -> Result<Vec<SchemeSource>, StoreError> {
    let damaged = |reason: String| StoreError::damaged(format!("the files of scheme {id}"), reason);
    within(|| "the files of a scheme, in bytes,".to_owned(), bytes.len() as u64, DOCUMENT_BYTES_MAX)?;
    let sources: Vec<SchemeSource> =
        serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    within(|| "the list of a scheme's files".to_owned(), sources.len() as u64, ATTACHMENTS_MAX)?;
    if sources.is_empty() { Err(damaged("there is none".to_owned())) } else { Ok(sources) }
}

/// Refuses what cannot be registered; returns the text of the files.
fn check(record: &SchemeRecord) -> Result<String, StoreError> {
    check_scheme_name(&record.name)?;
    within(|| "a description, in bytes,".to_owned(), record.description.len() as u64, ANNOTATION_BYTES_MAX)?;
    within(|| "the list of a scheme's parents".to_owned(), record.parents.len() as u64, PARENTS_MAX)?;
    let text = serde_json::to_string(&record.sources)
        .map_err(|error| StoreError::damaged("the files of a new scheme", error))?;
    decode_sources(text.as_bytes(), &record.name)?;
    Ok(text)
}

fn unknown(rows: &dyn Rows, reference: &str) -> Result<Diagnostic, RowError> {
    let known: Vec<String> =
        rows.all("SELECT name, version FROM schemes ORDER BY name, version DESC", &[], |row| {
            Ok(format!("{}@{}", row.get::<String>(0)?, row.get::<u32>(1)?))
        })?;
    let diagnostic =
        Diagnostic::new("unknown-scheme", format!("there is no registered scheme `{}`", shown(reference)));
    if known.is_empty() {
        return Ok(diagnostic.help("`heirloom scheme register FILE` registers one"));
    }
    let diagnostic = match nearest(&shown(reference), known.iter().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    };
    Ok(diagnostic.help(format!("registered are {}", listed(&known))))
}
