//! Gates that refuse and are overruled: by name, for a reason, and written down.

use base::{Diagnostic, nearest};
use inherit::compare::Outcome;
use scheme::ResolvedScheme;
use serde::{Deserialize, Serialize};
use store::{GateOverride, ModelVersion, Store};

use crate::error::RunError;
use crate::gates::GateReport;
use crate::keys::to_value;

/// Under which role what was overruled is kept beside a version; of later ones, with the time behind it.
pub(crate) const ROLE: &str = "overrides";

/// Gates that shall not stop a run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Their names in the scheme.
    pub gates: Vec<String>,
    /// Why, in the words of who overrules.
    pub reason: String,
}

/// A gate that refused a model which was registered all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overruled {
    /// The gate's name in the scheme.
    pub gate: String,
    /// What it said, with its figures.
    pub said: String,
    /// Why it was overruled.
    pub reason: String,
    /// Who overruled it.
    pub actor: String,
    /// When, in milliseconds since 1970.
    pub unix_ms: i64,
}

/// Refuses an override of a gate that the scheme does not have, or without a reason.
pub(crate) fn check(scheme: &ResolvedScheme, wanted: Option<&Override>) -> Result<(), RunError> {
    let Some(wanted) = wanted else { return Ok(()) };
    if wanted.reason.trim().is_empty() {
        let found = Diagnostic::new("no-reason", "a gate is overruled for a reason, and none is given");
        return Err(found.help("say why, for whoever reads the history: `--reason TEXT`").into());
    }
    let known: Vec<&str> = scheme.evaluate.gate.iter().map(|step| step.name.as_str()).collect();
    let unknown = wanted.gates.iter().filter(|name| !known.contains(&name.as_str())).map(|name| {
        let found = Diagnostic::new("unknown-gate", format!("{} has no gate `{name}`", scheme.name));
        match (nearest(name, known.iter().copied()), known.is_empty()) {
            (Some(near), _) => found.help(format!("did you mean `{near}`?")),
            (None, true) => found.help("it has no gate at all"),
            (None, false) => found.help(format!("its gates are {}", known.join(", "))),
        }
    });
    Ok(base::Diagnostics(unknown.collect()).or(())?)
}

/// The refusals among `reports` that are overruled, one for each gate.
pub(crate) fn overruled(
    reports: &[GateReport],
    wanted: Option<&Override>,
    actor: &str,
    unix_ms: i64,
) -> Vec<Overruled> {
    let Some(wanted) = wanted else { return Vec::new() };
    let said = |gate: &String| {
        let refusing = |report: &&GateReport| report.gate == *gate && report.outcome == Outcome::Refuse;
        let said: Vec<&str> =
            reports.iter().filter(refusing).map(|report| report.sentence.as_str()).collect();
        (!said.is_empty()).then(|| Overruled {
            gate: gate.clone(),
            said: said.join(" "),
            reason: wanted.reason.clone(),
            actor: actor.to_owned(),
            unix_ms,
        })
    };
    let mut gates = wanted.gates.clone();
    gates.sort();
    gates.dedup();
    gates.iter().filter_map(said).collect()
}

/// As the store writes them into the history.
pub(crate) fn for_history(overruled: &[Overruled]) -> Vec<GateOverride> {
    let each = |one: &Overruled| GateOverride {
        gate: one.gate.clone(),
        said: one.said.clone(),
        reason: one.reason.clone(),
    };
    overruled.iter().map(each).collect()
}

/// As they are kept beside the version.
pub(crate) fn encode(overruled: &[Overruled]) -> Vec<u8> {
    to_value(&overruled).to_string().into_bytes()
}

/// The gates that were overruled when `version` was registered, as far as they travel with it.
pub fn overruled_of(store: &Store, version: &ModelVersion) -> Result<Vec<Overruled>, RunError> {
    let mut found: Vec<Overruled> = Vec::new();
    for (role, digest) in store.attachments(version)? {
        if role == ROLE || role.strip_prefix(ROLE).is_some_and(|rest| rest.starts_with('.')) {
            let read = serde_json::from_slice::<Vec<Overruled>>(&store.get(digest)?);
            found.extend(read.map_err(|error| RunError::damaged("the overruled gates of a model", error))?);
        }
    }
    Ok(found)
}
