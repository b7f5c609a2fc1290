//! What runs decide about the models that they make: promoted, rolled out, withheld, refused.
//!
//! A decision is one event that names its *occasion*: a digest of what brought it about, such as a scheme and the state
//! of its data. It is written in the transaction of what it decides, so a run that was killed and goes on decides
//! nothing twice, and whoever watches data knows what was decided about it already.

use crate::aliases::{Move, move_alias};
use crate::database::{Rows, values};
use crate::error::RowError;
use crate::history::{Details, append, events};
use crate::names::{check_alias, check_model_name};
use crate::promotion::allowed;
use crate::recall::check_reason;
use crate::reference;
use crate::rollout::{self, begin};
use crate::{AliasChange, By, Event, Promotion, Rollout, RolloutStart, Store, StoreError};

/// A gate that refused a model which somebody registered all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateOverride {
    /// The gate's name in the scheme.
    pub gate: String,
    /// What it said, with its figures.
    pub said: String,
    /// Why it was overruled.
    pub reason: String,
}

/// What became of a version that is to be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deployed {
    /// The alias points at it.
    Promoted(AliasChange),
    /// It takes over step by step.
    RollingOut(Rollout),
    /// That was done before on the same occasion, whatever happened since.
    Before,
}

impl Store {
    /// Lets `alias` go to the version that `reference` names, on `occasion`: step by step as `plan` says if the alias
    /// points at another version, at once otherwise. The same version on the same occasion is deployed once and not
    /// again.
    ///
    /// Errors   as of [`Store::promote`] and [`Store::start_rollout`].
    pub fn deploy(
        &self,
        reference: &str,
        alias: &str,
        plan: Option<RolloutStart<'_>>,
        occasion: &str,
        promotion: &Promotion,
        by: &By,
    ) -> Result<Deployed, StoreError> {
        check_alias(alias)?;
        self.write("deploy a model", |rows| {
            let found = reference::find(rows, reference)?;
            let same = |event: &Event| {
                event.version == Some(found.version) && event.subject.as_deref() == Some(alias)
            };
            let before = decisions(rows, &found.name)?;
            if before.iter().any(|event| event.value.as_deref() == Some(occasion) && same(event)) {
                return Ok(Deployed::Before);
            }
            let target = reference::alias_target(rows, &found.name, alias)?;
            match plan.filter(|_| target.is_some_and(|target| target != found.version)) {
                Some(start) => {
                    let start = RolloutStart { occasion: Some(occasion), ..start };
                    begin(rows, &found, alias, start, promotion, by).map(Deployed::RollingOut)
                }
                None => {
                    let reason = allowed(rows, &found, promotion)?;
                    let what = Move { action: "promote", value: Some(occasion), reason };
                    move_alias(rows, &found, alias, by, what).map(Deployed::Promoted)
                }
            }
        })
    }

    /// Writes down that on `occasion` a model called `name` was made and refused, so that nothing was registered.
    ///
    /// Errors   an ill-formed name; no reason given.
    pub fn refuse(&self, name: &str, occasion: &str, reason: &str, by: &By) -> Result<(), StoreError> {
        check_model_name(name)?;
        check_reason(reason)?;
        self.write("write a refusal down", |rows| {
            let details = Details { value: Some(occasion), reason: Some(reason), ..Details::default() };
            append(rows, by, "refuse", name, None, &details).map(drop)
        })
    }

    /// Writes down that on `occasion` the version that `reference` names was registered and could not be deployed to
    /// `alias`.
    ///
    /// Errors   no such version; no reason given.
    pub fn withhold(
        &self,
        reference: &str,
        alias: &str,
        occasion: &str,
        reason: &str,
        by: &By,
    ) -> Result<(), StoreError> {
        check_reason(reason)?;
        self.write("write down that a model was not deployed", |rows| {
            let found = reference::find(rows, reference)?;
            let details = Details {
                subject: Some(alias),
                value: Some(occasion),
                reason: Some(reason),
                ..Details::default()
            };
            append(rows, by, "withhold", &found.name, Some(found.version), &details).map(drop)
        })
    }

    /// Every decision of a run about models called `name`, oldest first: events `promote`, `rollout`, `withhold` and
    /// `refuse` whose `value` is their occasion.
    pub fn decisions(&self, name: &str) -> Result<Vec<Event>, StoreError> {
        self.read("read what was decided", |rows| decisions(rows, name))
    }

    /// The version that `name@alias` points at, if there is such a model and alias.
    pub fn alias_target(&self, name: &str, alias: &str) -> Result<Option<u32>, StoreError> {
        self.read("look up an alias", |rows| reference::alias_target(rows, name, alias))
    }

    /// Whether a rollout of `name@alias` is under way.
    pub fn is_rolling_out(&self, name: &str, alias: &str) -> Result<bool, StoreError> {
        self.read("look up a rollout", |rows| {
            Ok(rollout::newest(rows, name, alias)?.is_some_and(|rollout| rollout.is_running()))
        })
    }
}

fn decisions(rows: &dyn Rows, name: &str) -> Result<Vec<Event>, RowError> {
    events(
        rows,
        "WHERE name = ?1 AND value IS NOT NULL AND action IN ('promote', 'rollout', 'withhold', 'refuse')
         ORDER BY sequence",
        values![name],
    )
}

/// Writes the overruled gates of a version down, each once.
pub(crate) fn note_overrides(
    rows: &dyn Rows,
    of: &reference::Found,
    overrides: &[GateOverride],
    by: &By,
) -> Result<(), RowError> {
    let known = events(
        rows,
        "WHERE name = ?1 AND version = ?2 AND action = 'override_gate' ORDER BY sequence",
        values![&of.name, of.version],
    )?;
    for each in overrides {
        let same = |event: &Event| {
            event.subject.as_deref() == Some(&each.gate) && event.reason.as_deref() == Some(&each.reason)
        };
        if !known.iter().any(same) {
            let details = Details {
                subject: Some(&each.gate),
                value: Some(&each.said),
                reason: Some(&each.reason),
                ..Details::default()
            };
            append(rows, by, "override_gate", &of.name, Some(of.version), &details)?;
        }
    }
    Ok(())
}
