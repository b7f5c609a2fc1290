//! What a model's versions are used for: `promote`, `rollback`, `recall`, `deprecate`, `annotate`.

use provenance::trusted_signers;
use serde_json::json;
use store::{AliasChange, Annotation, ModelVersion, Promotion, RecallReport, Rollout, Store};

use super::rollout;
use crate::arguments::{Annotate, Promote, Recall, Rollback, StoreChoice};
use crate::failure::Failure;
use crate::{author, terminal};

/// Of more versions, only the first are listed for people.
const LISTED_MAX: usize = 50;

/// Lets an alias point at a version.
pub(super) fn promote(arguments: &Promote) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let version = store.resolve(&arguments.model)?;
    let promotion = Promotion {
        despite_recall: arguments.despite_recall.clone(),
        verified_keys: verified_keys(&store, &version.id())?,
    };
    if let Some(percent) = arguments.canary {
        let begun = rollout::begin(&store, &version, arguments, percent, &promotion)?;
        note_deprecation(&store, &version)?;
        return rollout::tell(&store, &begun, arguments.json.wanted);
    }
    let change = store.promote(&version.id(), &arguments.alias, &promotion, &author::by())?;
    note_deprecation(&store, &version)?;
    tell(&change, arguments.json.wanted)
}

/// Says that what was promoted should no longer be chosen.
fn note_deprecation(store: &Store, version: &ModelVersion) -> Result<(), Failure> {
    if let Some(reason) = store.about(version)?.deprecated {
        terminal::say(&format!("note: {} is deprecated: {}", version.id(), terminal::printable(&reason)));
    }
    Ok(())
}

/// Lets an alias point at what it pointed at before.
pub(super) fn rollback(arguments: &Rollback) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let reason = arguments.reason.as_deref();
    if let Some(running) = store.rollout(&arguments.name, &arguments.alias)?.filter(Rollout::is_running) {
        return rollout::end(&store, &running, reason, arguments.json.wanted);
    }
    let target = store.rollback_target(&arguments.name, &arguments.alias)?;
    let verified_keys = match target {
        Some(number) => verified_keys(&store, &format!("{}@{number}", arguments.name))?,
        None => Vec::new(),
    };
    let promotion = Promotion { verified_keys, ..Promotion::default() };
    let change = store.roll_back(&arguments.name, &arguments.alias, &promotion, reason, &author::by())?;
    tell(&change, arguments.json.wanted)
}

/// The names of the trusted keys that a version is truly signed with; not looked at if the store demands none.
pub(crate) fn verified_keys(store: &Store, reference: &str) -> Result<Vec<String>, Failure> {
    if store.required_signatures()?.is_empty() {
        return Ok(Vec::new());
    }
    Ok(trusted_signers(store, &store.model(reference)?)?)
}

fn tell(change: &AliasChange, as_json: bool) -> Result<(), Failure> {
    let AliasChange { name, alias, version, replaced, .. } = change;
    if as_json {
        return terminal::print_json(
            &json!({ "name": name, "alias": alias, "version": version, "replaced": replaced }),
        );
    }
    let before = match replaced {
        Some(before) if before == version => " as before".to_owned(),
        Some(before) => format!(", before: {name}@{before}"),
        None => String::new(),
    };
    terminal::print(&format!("{name}@{alias} is now {name}@{version}{before}\n"))
}

/// Says that a version must not be used, or takes that back.
pub(super) fn recall(arguments: &Recall) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let reason = arguments.reason.as_deref().unwrap_or_default();
    if arguments.withdraw {
        let version = store.withdraw_recall(&arguments.model, reason, &author::by())?;
        return terminal::print(&format!("{} is no longer recalled\n", version.id()));
    }
    let report = match arguments.dry_run {
        true => store.recall_report(&arguments.model)?,
        false => store.recall(&arguments.model, reason, &author::by())?,
    };
    if arguments.json.wanted {
        return terminal::print_json(&document(&report, arguments.dry_run));
    }
    terminal::print(&account(&report, arguments.dry_run))
}

fn document(report: &RecallReport, dry_run: bool) -> serde_json::Value {
    let descendants: Vec<String> =
        report.descendants.iter().map(|(name, version)| format!("{name}@{version}")).collect();
    let aliases = report
        .aliases
        .iter()
        .map(|alias| json!({ "name": alias.name, "alias": alias.alias, "version": alias.version }));
    json!({
        "model": report.recalled.id(),
        "dry_run": dry_run,
        "descendants": descendants,
        "aliases": aliases.collect::<Vec<_>>(),
    })
}

fn account(report: &RecallReport, dry_run: bool) -> String {
    let verb = if dry_run { "would be recalled" } else { "is recalled" };
    let mut text = format!("{} {verb}\n", report.recalled.id());
    text += &format!("descendants: {}\n", report.descendants.len());
    for (name, version) in report.descendants.iter().take(LISTED_MAX) {
        text += &format!("  {name}@{version}\n");
    }
    if report.descendants.len() > LISTED_MAX {
        text += &format!("  and {} more: --json lists them all\n", report.descendants.len() - LISTED_MAX);
    }
    text += &format!("aliases that point at one of them: {}\n", report.aliases.len());
    for alias in &report.aliases {
        text += &format!("  {}@{} -> {}@{}\n", alias.name, alias.alias, alias.name, alias.version);
    }
    text
}

/// Says that a version should no longer be chosen, or that it may be again.
pub(super) fn deprecate(model: &str, reason: Option<&str>, choice: &StoreChoice) -> Result<(), Failure> {
    let store = choice.open()?;
    let version = store.resolve(model)?;
    let annotation = match reason {
        Some(reason) => Annotation::Deprecated(reason.to_owned()),
        None => Annotation::NotDeprecated,
    };
    store.annotate(&version.id(), &annotation, &author::by())?;
    let state = if reason.is_some() { "is deprecated" } else { "is not deprecated" };
    terminal::print(&format!("{} {state}\n", version.id()))
}

/// Says something about a version.
pub(super) fn annotate(arguments: &Annotate) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let version = store.resolve(&arguments.model)?;
    let texts = [
        arguments.description.clone().map(Annotation::Description),
        arguments.licence.clone().map(Annotation::Licence),
        arguments.intended_use.clone().map(Annotation::IntendedUse),
    ];
    let tags = arguments.tags.iter().cloned().map(Annotation::Tag);
    let untags = arguments.untags.iter().cloned().map(Annotation::Untag);
    for annotation in texts.into_iter().flatten().chain(tags).chain(untags) {
        store.annotate(&version.id(), &annotation, &author::by())?;
    }
    let about = store.about(&version)?;
    let facts = super::show::about_facts(&about).into_iter().filter(|(_, fact)| !fact.is_empty());
    let facts = std::iter::once(("model", version.id())).chain(facts);
    terminal::print(&crate::tables::facts(terminal::width(), facts))
}
