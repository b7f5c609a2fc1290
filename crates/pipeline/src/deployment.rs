//! What becomes of a registered version: `[deploy]` of its scheme, carried out.

use base::Diagnostic;
use scheme::Deploy;
use serde::{Deserialize, Serialize};
use store::{Deployed, ModelVersion, Promotion, RolloutStart, Store};

use crate::error::RunError;
use crate::events::Event;
use crate::inheritance::registered_scheme;
use crate::keys;
use crate::session::Session;

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentOutcome {
    /// The alias points at it.
    Promoted,
    /// It takes over step by step; whoever serves carries that on.
    RollingOut,
    /// It was promoted or rolled out on the same occasion before, whatever happened since.
    Before,
    /// It is registered, and the alias stays: a signature is missing, or another rollout is under way.
    Withheld,
}

/// What became of a version, with the circumstances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The alias of `[deploy]`.
    pub alias: String,
    /// What became of the version.
    pub outcome: DeploymentOutcome,
    /// `name@N` that the alias pointed at, or still does while the new version takes over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaced: Option<String>,
    /// The share of requests that the new version begins with, in percent; of a rollout.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub percent: Option<u8>,
    /// Why it was withheld.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// The `[deploy]` of the scheme that made `version`, if that has one.
pub fn deploy_of(store: &Store, version: &ModelVersion) -> Result<Option<Deploy>, RunError> {
    Ok(registered_scheme(store, version)?.deploy)
}

/// Carries out `[deploy]` of the session's scheme for `version`, once on an occasion. Tells.
pub(crate) fn deploy(
    session: &mut Session<'_, '_>,
    version: &ModelVersion,
    occasion: &str,
) -> Result<Option<Deployment>, RunError> {
    let Some(wanted) = &session.scheme.deploy else { return Ok(None) };
    let found = carry_out(session, wanted, version, occasion)?;
    session.journal.tell_last(&Event::Deployed(found.clone()))?;
    Ok(Some(found))
}

fn carry_out(
    session: &Session<'_, '_>,
    wanted: &Deploy,
    version: &ModelVersion,
    occasion: &str,
) -> Result<Deployment, RunError> {
    let (store, alias, by) = (session.open.store(), wanted.alias.as_str(), session.by());
    let plan = wanted.plan();
    let text = plan.as_ref().map(keys::json).unwrap_or_default();
    let percent = plan.and_then(|plan| plan.steps.first().copied());
    let start = percent.map(|percent| RolloutStart { percent, plan: &text, occasion: None });
    let (id, promotion) = (version.id(), Promotion::default());
    let with = |outcome| Deployment {
        alias: alias.to_owned(),
        outcome,
        replaced: None,
        percent: None,
        reason: None,
    };
    let number = |number: u32| format!("{}@{number}", version.name);
    Ok(match store.deploy(&id, alias, start, occasion, &promotion, &by) {
        Ok(Deployed::Promoted(change)) => {
            Deployment { replaced: change.replaced.map(number), ..with(DeploymentOutcome::Promoted) }
        }
        Ok(Deployed::RollingOut(rollout)) => Deployment {
            replaced: Some(number(rollout.from)),
            percent: Some(rollout.percent),
            ..with(DeploymentOutcome::RollingOut)
        },
        Ok(Deployed::Before) => with(DeploymentOutcome::Before),
        Err(error) => {
            let Some(mistake) = error.mistake() else { return Err(error.into()) };
            let reason = told(&mistake);
            store.withhold(&id, alias, occasion, &reason, &by)?;
            Deployment { reason: Some(reason), ..with(DeploymentOutcome::Withheld) }
        }
    })
}

/// What speaks against it, and what to do, in one text.
fn told(mistake: &Diagnostic) -> String {
    let help = mistake.help.iter().map(|help| format!("; {help}"));
    format!("{}{}", mistake.message, help.collect::<String>())
}
