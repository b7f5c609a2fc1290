//! Names that point at a version and may be moved, and the record of every move.

use rusqlite::{OptionalExtension, params};

use crate::names::check_alias;
use crate::versions::version_numbers;
use crate::{Store, StoreError, reference};

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
    /// When, in milliseconds since 1970.
    pub unix_ms: i64,
}

impl Store {
    /// Lets `name@alias` point at version `version` of `name`, and writes that down.
    ///
    /// Errors   an ill-formed alias; no such model or version.
    pub fn set_alias(
        &self,
        name: &str,
        alias: &str,
        version: u32,
        unix_ms: i64,
    ) -> Result<AliasChange, StoreError> {
        check_alias(alias)?;
        self.write("set an alias", |rows| {
            let numbers = version_numbers(rows, name)?;
            if numbers.is_empty() {
                return Err(reference::unknown_model(rows, name)?.into());
            }
            if numbers.binary_search(&version).is_err() {
                return Err(reference::unknown_version(&numbers, name, &version.to_string()).into());
            }
            let replaced: Option<u32> = rows
                .prepare_cached("SELECT version FROM aliases WHERE name = ?1 AND alias = ?2")?
                .query_row([name, alias], |row| row.get(0))
                .optional()?;
            rows.prepare_cached(
                "INSERT INTO aliases (name, alias, version) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version",
            )?
            .execute(params![name, alias, version])?;
            rows.prepare_cached(
                "INSERT INTO alias_history (name, alias, version, replaced, unix_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![name, alias, version, replaced, unix_ms])?;
            Ok(AliasChange { name: name.to_owned(), alias: alias.to_owned(), version, replaced, unix_ms })
        })
    }

    /// Every move of every alias of `name`, oldest first; none if there is no such model.
    pub fn alias_history(&self, name: &str) -> Result<Vec<AliasChange>, StoreError> {
        self.read("read the history of aliases", |rows| {
            let mut query = rows.prepare_cached(
                "SELECT name, alias, version, replaced, unix_ms FROM alias_history WHERE name = ?1 ORDER BY sequence",
            )?;
            let changes = query.query_map([name], |row| {
                Ok(AliasChange {
                    name: row.get(0)?,
                    alias: row.get(1)?,
                    version: row.get(2)?,
                    replaced: row.get(3)?,
                    unix_ms: row.get(4)?,
                })
            })?;
            Ok(changes.collect::<Result<_, _>>()?)
        })
    }
}
