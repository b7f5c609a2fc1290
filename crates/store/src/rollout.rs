//! Rollouts: an alias that goes from one version to the next step by step.
//!
//! A rollout has no row of its own: it *is* its events. `rollout` begins one, `rollout_plan` says how it shall go,
//! `rollout_step` gives the new version a share of the requests, `rollout_end` says how it ended. Whoever asks reads
//! them from the append-only history, so every server sees the same state, one that was killed finds it again, and
//! nothing can disagree with what the history tells. A change names the state that it was decided on; of two servers
//! that decide at once the second changes nothing.

use base::Diagnostic;

use crate::aliases::{Move, move_alias};
use crate::database::{Rows, values};
use crate::error::RowError;
use crate::history::{Details, append, events};
use crate::names::check_alias;
use crate::promotion::allowed;
use crate::recall::{check_reason, reaching, refusal};
use crate::reference::{self, Found};
use crate::{By, Event, Promotion, Store, StoreError};

/// How a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// The new version answers its share of the requests.
    Running,
    /// The alias points at the new version.
    Promoted,
    /// The alias stayed where it was.
    RolledBack,
}

impl RolloutState {
    /// The word used in documents and in the history: `running`, `promoted`, `rolled back`.
    pub fn name(self) -> &'static str {
        match self {
            RolloutState::Running => "running",
            RolloutState::Promoted => "promoted",
            RolloutState::RolledBack => "rolled back",
        }
    }
}

/// How a rollout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutEnd {
    /// The alias moves to the new version.
    Promote,
    /// The alias stays.
    RollBack,
}

/// An alias on its way from one version to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// The model's name.
    pub name: String,
    /// The alias.
    pub alias: String,
    /// The version that the alias pointed at when it began.
    pub from: u32,
    /// The version that is to take over.
    pub to: u32,
    /// How it stands.
    pub state: RolloutState,
    /// The share of requests that the new version answers, in percent; 0: copies of requests only. Of a rollout that has
    /// ended: the last.
    pub percent: u8,
    /// How it shall go, in the words of who began it; this crate does not know what they mean.
    pub plan: String,
    /// Why the last change was made.
    pub reason: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_unix_ms: i64,
    /// When it last changed.
    pub changed_unix_ms: i64,
    /// The sequence of the event that began it: the rollout's own number.
    pub started: u64,
    /// The sequence of the event that changed it last: it names this very state.
    pub changed: u64,
    /// Why it was begun although a recall reaches the version, if one did.
    despite_recall: Option<String>,
}

/// What a rollout begins with.
#[derive(Debug, Clone, Copy)]
pub struct RolloutStart<'a> {
    /// The first share of the requests, 0 to 100 percent.
    pub percent: u8,
    /// How it shall go, for whoever steps it.
    pub plan: &'a str,
    /// What occasioned it, if a run decided it.
    pub occasion: Option<&'a str>,
}

impl Store {
    /// Begins to move `alias` to the version that `reference` names.
    ///
    /// Errors   as of [`Store::promote`]; the alias points at nothing, or at that version already; a rollout of it is
    /// under way; more than 100 percent.
    pub fn start_rollout(
        &self,
        reference: &str,
        alias: &str,
        start: RolloutStart<'_>,
        promotion: &Promotion,
        by: &By,
    ) -> Result<Rollout, StoreError> {
        check_alias(alias)?;
        promotion.despite_recall.as_deref().map_or(Ok(()), check_reason)?;
        self.write("begin a rollout", |rows| {
            let found = reference::find(rows, reference)?;
            begin(rows, &found, alias, start, promotion, by)
        })
    }

    /// The rollout of `name@alias` that began last, under way or ended, if there ever was one.
    pub fn rollout(&self, name: &str, alias: &str) -> Result<Option<Rollout>, StoreError> {
        self.read("look up a rollout", |rows| newest(rows, name, alias))
    }

    /// Every rollout that is under way, by name and alias.
    pub fn rollouts(&self) -> Result<Vec<Rollout>, StoreError> {
        self.read("look up the rollouts", |rows| {
            let pairs: Vec<(String, String)> = rows.all(
                "SELECT DISTINCT name, subject FROM history WHERE action = 'rollout' ORDER BY name, subject",
                &[],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let mut running = Vec::new();
            for (name, alias) in pairs {
                running.extend(newest(rows, &name, &alias)?.filter(Rollout::is_running));
            }
            Ok(running)
        })
    }

    /// Gives the new version another share of the requests, if the rollout still stands as `seen`; `None` if somebody
    /// else has changed it since.
    ///
    /// Errors   no reason given; more than 100 percent.
    pub fn step_rollout(
        &self,
        seen: &Rollout,
        percent: u8,
        reason: &str,
        by: &By,
    ) -> Result<Option<Rollout>, StoreError> {
        check_percent(percent)?;
        check_reason(reason)?;
        self.write("step a rollout", |rows| {
            if !stands(rows, seen)? {
                return Ok(None);
            }
            step(rows, seen, percent, Some(&seen.percent.to_string()), Some(reason), by)?;
            newest(rows, &seen.name, &seen.alias)
        })
    }

    /// Ends a rollout, if it still stands as `seen`; `None` if somebody else has changed it since. The alias moves in the
    /// same transaction.
    ///
    /// Errors   no reason given; to promote: a recall reaches the version by now.
    pub fn finish_rollout(
        &self,
        seen: &Rollout,
        end: RolloutEnd,
        reason: &str,
        by: &By,
    ) -> Result<Option<Rollout>, StoreError> {
        check_reason(reason)?;
        self.write("end a rollout", |rows| {
            if !stands(rows, seen)? {
                return Ok(None);
            }
            match end {
                RolloutEnd::RollBack => close(rows, seen, RolloutState::RolledBack, reason, by)?,
                RolloutEnd::Promote => {
                    let found = Found { name: seen.name.clone(), version: seen.to };
                    let recalls = reaching(rows, &found)?;
                    if !recalls.is_empty() && seen.despite_recall.is_none() {
                        return Err(refusal(&found, &recalls).into());
                    }
                    close(rows, seen, RolloutState::Promoted, reason, by)?;
                    let what = Move { action: "promote", value: None, reason: Some(reason) };
                    move_alias(rows, &found, &seen.alias, by, what)?;
                }
            }
            newest(rows, &seen.name, &seen.alias)
        })
    }
}

impl Rollout {
    /// Whether it is under way.
    pub fn is_running(&self) -> bool {
        self.state == RolloutState::Running
    }

    /// The version that takes over: `name@N`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.to)
    }

    fn begun(event: &Event, plan: String) -> Option<Self> {
        Some(Rollout {
            name: event.name.clone(),
            alias: event.subject.clone()?,
            from: event.replaced.as_ref()?.parse().ok()?,
            to: event.version?,
            state: RolloutState::Running,
            percent: 0,
            plan,
            reason: event.reason.clone(),
            started_unix_ms: event.unix_ms,
            changed_unix_ms: event.unix_ms,
            started: event.sequence,
            changed: event.sequence,
            despite_recall: event.reason.clone(),
        })
    }

    /// What it is after one more event.
    fn after(&mut self, event: &Event) -> Option<()> {
        match event.action.as_str() {
            "rollout_plan" => self.plan = event.value.clone()?,
            "rollout_step" => self.percent = event.value.as_ref()?.parse().ok()?,
            _ => {
                let states = [RolloutState::Promoted, RolloutState::RolledBack];
                let named = |state: &RolloutState| event.value.as_deref() == Some(state.name());
                self.state = states.into_iter().find(named)?;
            }
        }
        self.reason = event.reason.clone().or(self.reason.take());
        (self.changed, self.changed_unix_ms) = (event.sequence, event.unix_ms);
        Some(())
    }
}

/// Begins a rollout. The caller has checked the alias.
pub(crate) fn begin(
    rows: &dyn Rows,
    found: &Found,
    alias: &str,
    start: RolloutStart<'_>,
    promotion: &Promotion,
    by: &By,
) -> Result<Rollout, RowError> {
    check_percent(start.percent)?;
    let reason = allowed(rows, found, promotion)?;
    let from = match reference::alias_target(rows, &found.name, alias)? {
        Some(from) if from == found.version => return Err(there_already(found, alias).into()),
        Some(from) => from,
        None => return Err(nothing_to_replace(found, alias).into()),
    };
    if let Some(running) = newest(rows, &found.name, alias)?.filter(Rollout::is_running) {
        return Err(under_way(&running).into());
    }
    let from = from.to_string();
    let details = Details { subject: Some(alias), value: start.occasion, replaced: Some(&from), reason };
    append(rows, by, "rollout", &found.name, Some(found.version), &details)?;
    let plan = Details { subject: Some(alias), value: Some(start.plan), ..Details::default() };
    append(rows, by, "rollout_plan", &found.name, Some(found.version), &plan)?;
    let begun = newest(rows, &found.name, alias)?.ok_or_else(|| damaged(&found.name, alias))?;
    step(rows, &begun, start.percent, None, None, by)?;
    Ok(newest(rows, &found.name, alias)?.ok_or_else(|| damaged(&found.name, alias))?)
}

/// Ends a rollout of `alias` that is under way, because the alias moves.
pub(crate) fn overtake(rows: &dyn Rows, to: &Found, alias: &str, by: &By) -> Result<(), RowError> {
    let Some(running) = newest(rows, &to.name, alias)?.filter(Rollout::is_running) else { return Ok(()) };
    let reason = format!("{}@{alias} was moved to version {}", to.name, to.version);
    let state = match to.version == running.to {
        true => RolloutState::Promoted,
        false => RolloutState::RolledBack,
    };
    close(rows, &running, state, &reason, by)
}

fn step(
    rows: &dyn Rows,
    of: &Rollout,
    percent: u8,
    replaced: Option<&str>,
    reason: Option<&str>,
    by: &By,
) -> Result<(), RowError> {
    let value = percent.to_string();
    let details = Details { subject: Some(&of.alias), value: Some(&value), replaced, reason };
    append(rows, by, "rollout_step", &of.name, Some(of.to), &details)?;
    Ok(())
}

fn close(rows: &dyn Rows, of: &Rollout, state: RolloutState, reason: &str, by: &By) -> Result<(), RowError> {
    let percent = of.percent.to_string();
    let details = Details {
        subject: Some(&of.alias),
        value: Some(state.name()),
        replaced: Some(&percent),
        reason: Some(reason),
    };
    append(rows, by, "rollout_end", &of.name, Some(of.to), &details)?;
    Ok(())
}

/// Whether a rollout is under way and nobody has changed it since it was `seen`.
fn stands(rows: &dyn Rows, seen: &Rollout) -> Result<bool, RowError> {
    let now = newest(rows, &seen.name, &seen.alias)?;
    Ok(now.is_some_and(|now| now.is_running() && now.changed == seen.changed))
}

/// The rollout of `name@alias` that began last.
pub(crate) fn newest(rows: &dyn Rows, name: &str, alias: &str) -> Result<Option<Rollout>, RowError> {
    let first = events(
        rows,
        "WHERE name = ?1 AND subject = ?2 AND action = 'rollout' ORDER BY sequence DESC LIMIT 1",
        values![name, alias],
    )?;
    let Some(first) = first.first() else { return Ok(None) };
    let further = events(
        rows,
        "WHERE name = ?1 AND subject = ?2 AND sequence > ?3
           AND action IN ('rollout_plan', 'rollout_step', 'rollout_end') ORDER BY sequence",
        values![name, alias, i64::try_from(first.sequence).unwrap_or(i64::MAX)],
    )?;
    let mut rollout = Rollout::begun(first, String::new()).ok_or_else(|| damaged(name, alias))?;
    for event in &further {
        rollout.after(event).ok_or_else(|| damaged(name, alias))?;
    }
    Ok(Some(rollout))
}

fn damaged(name: &str, alias: &str) -> StoreError {
    StoreError::damaged(format!("the rollout of {name}@{alias}"), "the history tells no rollout that can be")
}

fn check_percent(percent: u8) -> Result<(), StoreError> {
    if percent <= 100 {
        return Ok(());
    }
    let message = format!("{percent} percent of the requests are more than all");
    Err(Diagnostic::new("invalid-percent", message).help("give a number from 0 to 100").into())
}

fn there_already(found: &Found, alias: &str) -> Diagnostic {
    let message = format!("{}@{alias} is version {} already", found.name, found.version);
    Diagnostic::new("nothing-to-roll-out", message).help("name another version")
}

fn nothing_to_replace(found: &Found, alias: &str) -> Diagnostic {
    let Found { name, version } = found;
    Diagnostic::new(
        "nothing-to-replace",
        format!("{name}@{alias} points at nothing, so nothing can be replaced step by step"),
    )
    .help(format!("promote the version at once: `heirloom model promote {name}@{version} --to {alias}`"))
}

/// Says that a rollout is under way.
fn under_way(running: &Rollout) -> Diagnostic {
    let Rollout { name, alias, from, to, percent, .. } = running;
    let message =
        format!("a rollout of {name}@{alias} from version {from} to {to} is under way, at {percent} %");
    Diagnostic::new("rollout-under-way", message).help(format!(
        "end it first: `heirloom model rollback {name} --alias {alias}`, or promote version {to}"
    ))
}
