//! Names that point at a version and may be moved, and the record of every move.

use crate::database::{Rows, values};
use crate::error::RowError;
use crate::history::{Details, append, events};
use crate::names::check_alias;
use crate::reference::{self, Found};
use crate::rollout::overtake;
use crate::{By, Store, StoreError};

/// One move of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasChange {
    /// The model's name.
    pub name: String,
    /// The alias.
    pub alias: String,
    /// What it points at since then.
    pub version: u32,
    /// What it pointed at before.
    pub replaced: Option<u32>,
    /// Who moved it, and when.
    pub by: By,
}

impl Store {
    /// Lets `name@alias` point at version `version` of `name`, and writes that down. Asks nothing:
    /// [`Store::promote`] is what refuses recalled and unsigned versions.
    ///
    /// Errors   an ill-formed alias; no such model or version.
    pub fn set_alias(
        &self,
        name: &str,
        alias: &str,
        version: u32,
        by: &By,
    ) -> Result<AliasChange, StoreError> {
        check_alias(alias)?;
        self.write("set an alias", |rows| {
            let found = reference::find(rows, &format!("{name}@{version}"))?;
            move_alias(rows, &found, alias, by, Move { action: "alias", value: None, reason: None })
        })
    }

    /// Every move of every alias of `name`, oldest first; none if there is no such model.
    pub fn alias_history(&self, name: &str) -> Result<Vec<AliasChange>, StoreError> {
        self.read("read the history of aliases", |rows| moves(rows, name))
    }
}

/// What the history says of a move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Move<'a> {
    /// `alias`, `promote`, `rollback`.
    pub(crate) action: &'a str,
    /// What occasioned it, if a run decided it.
    pub(crate) value: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
}

/// Moves an alias and adds that to the history. A rollout of that alias which is under way ends: what it was to
/// replace is no longer there.
pub(crate) fn move_alias(
    rows: &dyn Rows,
    to: &Found,
    alias: &str,
    by: &By,
    what: Move<'_>,
) -> Result<AliasChange, RowError> {
    overtake(rows, to, alias, by)?;
    let replaced = reference::alias_target(rows, &to.name, alias)?;
    rows.execute(
        "INSERT INTO aliases (name, alias, version) VALUES (?1, ?2, ?3)
         ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version",
        values![&to.name, alias, to.version],
    )?;
    let replaced_text = replaced.map(|number| number.to_string());
    let details = Details {
        subject: Some(alias),
        value: what.value,
        replaced: replaced_text.as_deref(),
        reason: what.reason,
    };
    append(rows, by, what.action, &to.name, Some(to.version), &details)?;
    Ok(AliasChange {
        name: to.name.clone(),
        alias: alias.to_owned(),
        version: to.version,
        replaced,
        by: by.clone(),
    })
}

/// Every move of every alias of `name`, oldest first.
pub(crate) fn moves(rows: &dyn Rows, name: &str) -> Result<Vec<AliasChange>, RowError> {
    let events = events(
        rows,
        "WHERE name = ?1 AND action IN ('alias', 'promote', 'rollback') ORDER BY sequence",
        values![name],
    )?;
    let change = |event: crate::Event| {
        Some(AliasChange {
            alias: event.subject?,
            version: event.version?,
            replaced: event.replaced.and_then(|number| number.parse().ok()),
            by: By { actor: event.actor, unix_ms: event.unix_ms },
            name: event.name,
        })
    };
    Ok(events.into_iter().filter_map(change).collect())
}
