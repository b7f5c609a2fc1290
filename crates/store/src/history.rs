//! The history: everything that ever happened to names and versions, in the order in which it took
//! effect. Rows are added in the transaction of the change itself and never change.

use crate::database::{Row, Rows, values};
use crate::error::{RowError, within};
use crate::limits::ANNOTATION_BYTES_MAX;
use crate::{Store, StoreError};

/// Who does something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// A person's or a machine's name, as the caller knows it.
    pub actor: String,
    /// The present time, in milliseconds since 1970.
    pub unix_ms: i64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// 1, 2, 3 ... without gaps, in the order in which things took effect.
    pub sequence: u64,
    /// When, by the clock of who did it, in milliseconds since 1970.
    pub unix_ms: i64,
    /// Who did it.
    pub actor: String,
    /// What: `register`, `alias`, `promote`, `rollback`, `rollout`, `rollout_step`, `refuse`, `override_gate`, `recall`,
    /// `annotate`, `sign` ...
    pub action: String,
    /// The model or scheme, or empty.
    pub name: String,
    /// Its version, if the event is about one.
    pub version: Option<u32>,
    /// The alias, annotation or setting.
    pub subject: Option<String>,
    /// What it is since then.
    pub value: Option<String>,
    /// What it was before.
    pub replaced: Option<String>,
    /// Why, in the words of who did it.
    pub reason: Option<String>,
}

/// The optional parts of an [`Event`].
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Details<'a> {
    pub(crate) subject: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
    pub(crate) replaced: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
}

impl Store {
    /// Everything that happened to the model or scheme `name`, or to all with `None`, oldest first.
    pub fn history(&self, name: Option<&str>) -> Result<Vec<Event>, StoreError> {
        self.read("read the history", |rows| match name {
            Some(name) => events(rows, "WHERE name = ?1 ORDER BY sequence", values![name]),
            None => events(rows, "ORDER BY sequence", &[]),
        })
    }

    /// Everything that happened after the event `sequence`, oldest first.
    pub fn history_since(&self, sequence: u64) -> Result<Vec<Event>, StoreError> {
        let after = i64::try_from(sequence).unwrap_or(i64::MAX);
        self.read("read the history", |rows| {
            events(rows, "WHERE sequence > ?1 ORDER BY sequence", values![after])
        })
    }

    /// The sequence of the newest event, 0 if there is none. Every move of an alias, every registration, recall and step
    /// of a rollout raises it: who watches a store asks this and reads more only when it has changed. One look into an
    /// index, whatever the store holds.
    pub fn change_counter(&self) -> Result<u64, StoreError> {
        self.read("look whether something changed", newest)
    }
}

/// The sequence of the newest event.
fn newest(rows: &dyn Rows) -> Result<u64, RowError> {
    rows.only("SELECT coalesce(max(sequence), 0) FROM history", &[])
}

/// The events that the end of a query selects.
pub(crate) fn events(
    rows: &dyn Rows,
    end: &str,
    values: &[crate::database::Value<'_>],
) -> Result<Vec<Event>, RowError> {
    let query = format!(
        "SELECT sequence, unix_ms, actor, action, name, version, subject, value, replaced, reason
         FROM history {end}"
    );
    rows.all(&query, values, event)
}

fn event(row: &dyn Row) -> Result<Event, RowError> {
    Ok(Event {
        sequence: row.get(0)?,
        unix_ms: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        name: row.get(4)?,
        version: row.get(5)?,
        subject: row.get(6)?,
        value: row.get(7)?,
        replaced: row.get(8)?,
        reason: row.get(9)?,
    })
}

/// Adds an event. Writers enter one at a time, so the next number is the order of effect.
pub(crate) fn append(
    rows: &dyn Rows,
    by: &By,
    action: &str,
    name: &str,
    version: Option<u32>,
    details: &Details<'_>,
) -> Result<u64, RowError> {
    for text in [Some(by.actor.as_str()), details.reason, details.value].into_iter().flatten() {
        within(|| "a text in the history".to_owned(), text.len() as u64, ANNOTATION_BYTES_MAX)?;
    }
    let sequence = newest(rows)? + 1;
    rows.execute(
        "INSERT INTO history
             (sequence, unix_ms, actor, action, name, version, subject, value, replaced, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        values![
            sequence as i64,
            by.unix_ms,
            &by.actor,
            action,
            name,
            version,
            details.subject,
            details.value,
            details.replaced,
            details.reason,
        ],
    )?;
    Ok(sequence)
}
