//! What an alias such as `production` serves: promoting a version to it, and rolling back.

use base::Diagnostic;

use crate::aliases::{Move, move_alias};
use crate::database::{Rows, values};
use crate::error::RowError;
use crate::history::{Details, append, events};
use crate::names::check_alias;
use crate::recall::{check_reason, reaching, refusal};
use crate::reference::{self, Found};
use crate::signatures::required;
use crate::{AliasChange, By, Store, StoreError};

/// What a promotion is allowed by.
#[derive(Debug, Clone, Default)]
pub struct Promotion {
    /// Why a version that a recall reaches is promoted all the same.
    pub despite_recall: Option<String>,
    /// Names of the trusted keys whose signatures of this version the caller has verified.
    pub verified_keys: Vec<String>,
}

impl Store {
    /// Lets `alias` point at the version that `reference` names, if nothing speaks against it.
    ///
    /// Errors   no such version; an ill-formed alias; a recall reaches it and no reason is given; the
    /// store demands a signature that was not verified.
    pub fn promote(
        &self,
        reference: &str,
        alias: &str,
        promotion: &Promotion,
        by: &By,
    ) -> Result<AliasChange, StoreError> {
        check_alias(alias)?;
        promotion.despite_recall.as_deref().map_or(Ok(()), check_reason)?;
        self.write("promote a model", |rows| {
            let found = reference::find(rows, reference)?;
            let reason = allowed(rows, &found, promotion)?;
            move_alias(rows, &found, alias, by, Move { action: "promote", value: None, reason })
        })
    }

    /// Whether the version that `reference` names may be put to use: the rules of [`Store::promote`]. If a reason
    /// overcomes a recall, that is written down as `action`; else nothing is.
    ///
    /// Errors   as of [`Store::promote`].
    pub fn allow(
        &self,
        reference: &str,
        action: &str,
        promotion: &Promotion,
        by: &By,
    ) -> Result<(), StoreError> {
        promotion.despite_recall.as_deref().map_or(Ok(()), check_reason)?;
        let overcome = self.read("look up whether a model may be used", |rows| {
            Ok(allowed(rows, &reference::find(rows, reference)?, promotion)?.is_some())
        })?;
        if !overcome {
            return Ok(());
        }
        self.write("write down why a recalled model is used", |rows| {
            let found = reference::find(rows, reference)?;
            let details = Details { reason: allowed(rows, &found, promotion)?, ..Details::default() };
            append(rows, by, action, &found.name, Some(found.version), &details)?;
            Ok(())
        })
    }

    /// Lets `name@alias` point at what it pointed at before, that is last served, passing over versions
    /// that a recall reaches by now. Rolling back again goes further back. A rollout that is under way ends with it;
    /// who only wants to end that calls [`Store::finish_rollout`].
    ///
    /// Errors   no such model or alias; nothing served before; the store demands signatures.
    pub fn roll_back(
        &self,
        name: &str,
        alias: &str,
        promotion: &Promotion,
        reason: Option<&str>,
        by: &By,
    ) -> Result<AliasChange, StoreError> {
        reason.map_or(Ok(()), check_reason)?;
        self.write("roll back a model", |rows| {
            let current = reference::find(rows, &format!("{name}@{alias}"))?;
            let mut passed = Vec::new();
            for version in served_before(rows, name, alias)? {
                let found = Found { name: name.to_owned(), version };
                if found != current && reaching(rows, &found)?.is_empty() {
                    allowed(rows, &found, promotion)?;
                    let what = Move { action: "rollback", value: None, reason };
                    return move_alias(rows, &found, alias, by, what);
                }
                passed.push(version);
            }
            Err(nothing_before(&current, alias, &passed).into())
        })
    }

    /// Where [`Store::roll_back`] would go, if anywhere.
    pub fn rollback_target(&self, name: &str, alias: &str) -> Result<Option<u32>, StoreError> {
        self.read("look up what served before", |rows| {
            let current = reference::find(rows, &format!("{name}@{alias}"))?;
            for version in served_before(rows, name, alias)? {
                let found = Found { name: name.to_owned(), version };
                if found != current && reaching(rows, &found)?.is_empty() {
                    return Ok(Some(version));
                }
            }
            Ok(None)
        })
    }
}

/// What served before the present version, the last first: moves push, rollbacks pop.
fn served_before(rows: &dyn Rows, name: &str, alias: &str) -> Result<Vec<u32>, RowError> {
    let events = events(
        rows,
        "WHERE name = ?1 AND subject = ?2 AND action IN ('alias', 'promote', 'rollback') ORDER BY sequence",
        values![name, alias],
    )?;
    let mut served: Vec<u32> = Vec::new();
    for event in events {
        let Some(version) = event.version else { continue };
        match served.iter().rposition(|&each| each == version) {
            Some(position) if event.action == "rollback" => served.truncate(position + 1),
            _ => served.push(version),
        }
    }
    served.pop();
    served.reverse();
    Ok(served)
}

/// The reason to be written down, if what speaks against a version is overcome.
pub(crate) fn allowed<'a>(
    rows: &dyn Rows,
    found: &Found,
    promotion: &'a Promotion,
) -> Result<Option<&'a str>, RowError> {
    let recalls = reaching(rows, found)?;
    if !recalls.is_empty() && promotion.despite_recall.is_none() {
        return Err(refusal(found, &recalls).into());
    }
    let demanded = required(rows)?;
    if !demanded.is_empty() && !demanded.iter().any(|name| promotion.verified_keys.contains(name)) {
        let id = format!("{}@{}", found.name, found.version);
        let message = format!("{id} has no valid signature of {}", demanded.join(" or "));
        return Err(Diagnostic::new("signature-required", message)
            .help(format!("sign it: `heirloom model sign {id} --key FILE`"))
            .into());
    }
    Ok(promotion.despite_recall.as_deref().filter(|_| !recalls.is_empty()))
}

fn nothing_before(current: &Found, alias: &str, passed: &[u32]) -> Diagnostic {
    let message = format!("`{}@{alias}` has served nothing before version {}", current.name, current.version);
    let diagnostic = Diagnostic::new("nothing-to-roll-back-to", message);
    let recalled: Vec<String> =
        passed.iter().filter(|&&version| version != current.version).map(u32::to_string).collect();
    match recalled.is_empty() {
        true => diagnostic
            .help(format!("promote a version: `heirloom model promote {}@N --to {alias}`", current.name)),
        false => diagnostic.help(format!("recalled since: version {}", recalled.join(", "))),
    }
}
