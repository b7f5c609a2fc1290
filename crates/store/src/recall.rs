//! Recalls: a version that must not be used, and with it everything that descends from it.
//!
//! Only the recall itself is a row. Who is affected follows from lineage when it is asked, so a child
//! that is registered later is affected too.

use std::collections::BTreeSet;

use base::Diagnostic;

use crate::database::{Rows, values};
use crate::error::{RowError, within};
use crate::history::{Details, append};
use crate::limits::{ANNOTATION_BYTES_MAX, LISTED_MAX};
use crate::lineage::{Direction, relatives};
use crate::reference::{self, Found};
use crate::versions::version;
use crate::{By, ModelVersion, Store, StoreError};

/// A recalled version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recall {
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Why.
    pub reason: String,
}

/// An alias and what it points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alias {
    /// The model's name.
    pub name: String,
    /// The alias.
    pub alias: String,
    /// The version that it points at.
    pub version: u32,
}

/// Whom a recall affects.
#[derive(Debug, Clone, PartialEq)]
pub struct RecallReport {
    /// The recalled version.
    pub recalled: ModelVersion,
    /// `name@N` of every version that descends from it.
    pub descendants: Vec<(String, u32)>,
    /// Every alias that points at one of these or at the version itself.
    pub aliases: Vec<Alias>,
}

impl Store {
    /// Recalls the version that `reference` names, and says whom that affects.
    ///
    /// Errors   no such version; no reason given.
    pub fn recall(&self, reference: &str, reason: &str, by: &By) -> Result<RecallReport, StoreError> {
        check_reason(reason)?;
        self.write("recall a model", |rows| {
            let found = reference::find(rows, reference)?;
            let report = affected(rows, &found)?;
            let before: Option<String> = rows.first(
                "SELECT reason FROM recalls WHERE name = ?1 AND version = ?2",
                values![&found.name, found.version],
                |row| row.get(0),
            )?;
            if before.as_deref() == Some(reason) {
                return Ok(report);
            }
            rows.execute(
                "INSERT INTO recalls (name, version, reason) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name, version) DO UPDATE SET reason = excluded.reason",
                values![&found.name, found.version, reason],
            )?;
            let details = Details { reason: Some(reason), replaced: before.as_deref(), ..Details::default() };
            append(rows, by, "recall", &found.name, Some(found.version), &details)?;
            Ok(report)
        })
    }

    /// Whom a recall of the version that `reference` names affects, or would.
    pub fn recall_report(&self, reference: &str) -> Result<RecallReport, StoreError> {
        self.read("look up whom a recall affects", |rows| affected(rows, &reference::find(rows, reference)?))
    }

    /// Takes a recall back.
    ///
    /// Errors   no such version; it is not recalled itself; no reason given.
    pub fn withdraw_recall(
        &self,
        reference: &str,
        reason: &str,
        by: &By,
    ) -> Result<ModelVersion, StoreError> {
        check_reason(reason)?;
        self.write("withdraw a recall", |rows| {
            let found = reference::find(rows, reference)?;
            let removed = rows.execute(
                "DELETE FROM recalls WHERE name = ?1 AND version = ?2",
                values![&found.name, found.version],
            )?;
            if removed == 0 {
                let message = format!("{}@{} is not recalled", found.name, found.version);
                return Err(Diagnostic::new("not-recalled", message).into());
            }
            let details = Details { reason: Some(reason), ..Details::default() };
            append(rows, by, "withdraw_recall", &found.name, Some(found.version), &details)?;
            version(rows, &found)
        })
    }

    /// The recalls that reach `version`: its own, and those of its ancestors.
    pub fn recalls_of(&self, version: &ModelVersion) -> Result<Vec<Recall>, StoreError> {
        let found = Found { name: version.name.clone(), version: version.version };
        self.read("look up recalls", |rows| reaching(rows, &found))
    }

    /// The name and number of every version that a recall reaches.
    pub fn recalled(&self) -> Result<BTreeSet<(String, u32)>, StoreError> {
        self.read("look up recalls", |rows| {
            let pairs = rows.all(
                "WITH RECURSIVE kin (name, version) AS (
                     SELECT name, version FROM recalls
                     UNION SELECT p.name, p.version FROM parents p
                           JOIN kin k ON p.parent_name = k.name AND p.parent_version = k.version)
                 SELECT name, version FROM kin",
                &[],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            Ok(pairs.into_iter().collect())
        })
    }
}

fn affected(rows: &dyn Rows, found: &Found) -> Result<RecallReport, RowError> {
    let kin = relatives(rows, found, Direction::Descendants)?;
    let aliases: Vec<Alias> =
        rows.all("SELECT name, alias, version FROM aliases ORDER BY name, alias", &[], |row| {
            Ok(Alias { name: row.get(0)?, alias: row.get(1)?, version: row.get(2)? })
        })?;
    let descendants: Vec<(String, u32)> =
        kin.iter().skip(1).map(|found| (found.name.clone(), found.version)).collect();
    let reached: BTreeSet<(&str, u32)> =
        kin.iter().map(|found| (found.name.as_str(), found.version)).collect();
    let reaches = |alias: &Alias| reached.contains(&(alias.name.as_str(), alias.version));
    Ok(RecallReport {
        recalled: version(rows, found)?,
        descendants,
        aliases: aliases.iter().filter(|alias| reaches(alias)).cloned().collect(),
    })
}

/// The recalls of a version and of its ancestors.
pub(crate) fn reaching(rows: &dyn Rows, found: &Found) -> Result<Vec<Recall>, RowError> {
    let recalls: Vec<Recall> =
        rows.all("SELECT name, version, reason FROM recalls ORDER BY name, version", &[], |row| {
            Ok(Recall { name: row.get(0)?, version: row.get(1)?, reason: row.get(2)? })
        })?;
    if recalls.is_empty() {
        return Ok(recalls);
    }
    let kin: BTreeSet<(String, u32)> = relatives(rows, found, Direction::Ancestors)?
        .into_iter()
        .map(|found| (found.name, found.version))
        .collect();
    Ok(recalls.into_iter().filter(|recall| kin.contains(&(recall.name.clone(), recall.version))).collect())
}

/// Refuses to use a version that a recall reaches.
pub(crate) fn refusal(found: &Found, recalls: &[Recall]) -> Diagnostic {
    let id = format!("{}@{}", found.name, found.version);
    let own = recalls.iter().any(|recall| recall.name == found.name && recall.version == found.version);
    let message =
        if own { format!("{id} is recalled") } else { format!("{id} descends from a recalled model") };
    let mut diagnostic = Diagnostic::new("recalled", message);
    for recall in recalls.iter().take(LISTED_MAX) {
        diagnostic = diagnostic.help(format!("{}@{}: {}", recall.name, recall.version, recall.reason));
    }
    diagnostic.help("to use it all the same, say why: `--despite-recall \"reason\"`; that is written down")
}

pub(crate) fn check_reason(reason: &str) -> Result<(), StoreError> {
    if reason.trim().is_empty() {
        return Err(Diagnostic::new("no-reason", "a reason is needed")
            .help("say why, for whoever reads the history")
            .into());
    }
    within(|| "a reason, in bytes,".to_owned(), reason.len() as u64, ANNOTATION_BYTES_MAX)
}
