//! What people say about a version: description, licence, intended use, tags, deprecation.

use std::collections::BTreeMap;

use base::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::database::{Rows, values};
use crate::error::{RowError, within};
use crate::history::{Details, append};
use crate::limits::ANNOTATION_BYTES_MAX;
use crate::lineage::{Direction, relatives};
use crate::names::check_tag;
use crate::reference::{self, Found};
use crate::{By, ModelVersion, Store, StoreError};

const DESCRIPTION: &str = "description";
const LICENCE: &str = "licence";
const INTENDED_USE: &str = "intended_use";
const DEPRECATED: &str = "deprecated";
const TAG_PREFIX: &str = "tag:";

/// What is said about a version; empty texts are not said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// What it is, for people.
    pub description: String,
    /// Under which terms it may be used: an SPDX expression.
    pub licence: String,
    /// What it is meant for.
    pub intended_use: String,
    /// Words to find it by, sorted.
    pub tags: Vec<String>,
    /// Why it should no longer be chosen, if it should not.
    pub deprecated: Option<String>,
}

/// A change of what is said about a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Annotation {
    /// A new description; empty takes it away.
    Description(String),
    /// Another licence; empty takes it away.
    Licence(String),
    /// Another intended use; empty takes it away.
    IntendedUse(String),
    /// One tag more.
    Tag(String),
    /// One tag less.
    Untag(String),
    /// It should no longer be chosen, for this reason.
    Deprecated(String),
    /// It may be chosen again.
    NotDeprecated,
}

impl Store {
    /// What is said about a version.
    pub fn about(&self, version: &ModelVersion) -> Result<About, StoreError> {
        let found = Found { name: version.name.clone(), version: version.version };
        self.read("look up what is said about a model", |rows| about(rows, &found))
    }

    /// The licences of a version and of everything it descends from, as `name@N` and licence, the version
    /// itself first. Who states none is left out.
    pub fn licences(&self, version: &ModelVersion) -> Result<Vec<(String, String)>, StoreError> {
        let found = Found { name: version.name.clone(), version: version.version };
        self.read("look up licences", |rows| {
            let mut stated = Vec::new();
            for each in relatives(rows, &found, Direction::Ancestors)? {
                if let Some(licence) = value_of(rows, &each, LICENCE)? {
                    stated.push((format!("{}@{}", each.name, each.version), licence));
                }
            }
            Ok(stated)
        })
    }

    /// Says something about the version that `reference` names, and writes that down.
    ///
    /// Errors   no such version; an ill-formed tag; a text beyond the limit.
    pub fn annotate(&self, reference: &str, annotation: &Annotation, by: &By) -> Result<(), StoreError> {
        let (key, value) = annotation.row()?;
        self.write("say something about a model", |rows| {
            let found = reference::find(rows, reference)?;
            let replaced = value_of(rows, &found, &key)?;
            if replaced == value {
                return Ok(());
            }
            set(rows, &found, &key, value.as_deref())?;
            let details = Details {
                subject: Some(&key),
                value: value.as_deref(),
                replaced: replaced.as_deref(),
                ..Details::default()
            };
            let action = if key == DEPRECATED { "deprecate" } else { "annotate" };
            append(rows, by, action, &found.name, Some(found.version), &details)?;
            Ok(())
        })
    }
}

impl Annotation {
    /// The row's key and its new value; `None` takes it away.
    fn row(&self) -> Result<(String, Option<String>), StoreError> {
        let text = |key: &str, value: &String| (key.to_owned(), (!value.is_empty()).then(|| value.clone()));
        let (key, value) = match self {
            Annotation::Description(value) => text(DESCRIPTION, value),
            Annotation::Licence(value) => text(LICENCE, value),
            Annotation::IntendedUse(value) => text(INTENDED_USE, value),
            Annotation::Tag(tag) => (tag_key(tag)?, Some(String::new())),
            Annotation::Untag(tag) => (tag_key(tag)?, None),
            Annotation::Deprecated(reason) if reason.trim().is_empty() => {
                return Err(Diagnostic::new("no-reason", "a deprecation needs a reason")
                    .help("say what to use instead, and why")
                    .into());
            }
            Annotation::Deprecated(reason) => text(DEPRECATED, reason),
            Annotation::NotDeprecated => (DEPRECATED.to_owned(), None),
        };
        let length = value.as_ref().map_or(0, String::len) as u64;
        within(|| format!("the {key} of a model, in bytes,"), length, ANNOTATION_BYTES_MAX)?;
        Ok((key, value))
    }
}

fn tag_key(tag: &str) -> Result<String, StoreError> {
    check_tag(tag)?;
    Ok(format!("{TAG_PREFIX}{tag}"))
}

/// What is said about the version `of`.
pub(crate) fn about(rows: &dyn Rows, of: &Found) -> Result<About, RowError> {
    let pairs: Vec<(String, String)> = rows.all(
        "SELECT key, value FROM annotations WHERE name = ?1 AND version = ?2 ORDER BY key",
        values![&of.name, of.version],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut said: BTreeMap<String, String> = pairs.into_iter().collect();
    let mut text = |key: &str| said.remove(key).unwrap_or_default();
    let mut about = About {
        description: text(DESCRIPTION),
        licence: text(LICENCE),
        intended_use: text(INTENDED_USE),
        ..About::default()
    };
    about.deprecated = said.remove(DEPRECATED);
    about.tags = said.keys().filter_map(|key| key.strip_prefix(TAG_PREFIX)).map(str::to_owned).collect();
    Ok(about)
}

/// Says all of `said` about a version of which nothing was said yet.
pub(crate) fn set_about(rows: &dyn Rows, of: &Found, said: &About) -> Result<(), RowError> {
    let mut annotations = vec![
        Annotation::Description(said.description.clone()),
        Annotation::Licence(said.licence.clone()),
        Annotation::IntendedUse(said.intended_use.clone()),
    ];
    annotations.extend(said.tags.iter().cloned().map(Annotation::Tag));
    annotations.extend(said.deprecated.iter().cloned().map(Annotation::Deprecated));
    for annotation in annotations {
        let (key, value) = annotation.row()?;
        if let Some(value) = value {
            set(rows, of, &key, Some(&value))?;
        }
    }
    Ok(())
}

fn value_of(rows: &dyn Rows, of: &Found, key: &str) -> Result<Option<String>, RowError> {
    rows.first(
        "SELECT value FROM annotations WHERE name = ?1 AND version = ?2 AND key = ?3",
        values![&of.name, of.version, key],
        |row| row.get(0),
    )
}

fn set(rows: &dyn Rows, of: &Found, key: &str, value: Option<&str>) -> Result<(), RowError> {
    match value {
        Some(value) => rows.execute(
            "INSERT INTO annotations (name, version, key, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name, version, key) DO UPDATE SET value = excluded.value",
            values![&of.name, of.version, key, value],
        )?,
        None => rows.execute(
            "DELETE FROM annotations WHERE name = ?1 AND version = ?2 AND key = ?3",
            values![&of.name, of.version, key],
        )?,
    };
    Ok(())
}
