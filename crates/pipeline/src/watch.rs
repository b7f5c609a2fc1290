//! Closing the loop: whether the data of a scheme, or drift, calls for a new model.
//!
//! The history is all that is remembered. A scheme and the state of its data make an occasion; a run writes down what it
//! decided on it in the transaction of the decision itself. So whoever watches may be killed at any moment: the next one
//! asks the history, and goes on with the checkpoints of a run that was cut.

use base::{Diagnostic, Digest};
use scheme::ResolvedScheme;
use store::{By, Rollout, Store};

use crate::error::RunError;
use crate::occasion::{Cause, Occasion};
use crate::report::RunReport;
use crate::source::source_of;

/// What is to be done about a scheme.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// Nothing: what is there was decided on.
    Nothing(store::Event),
    /// Nothing yet: another version is taking over.
    RollingOut(Box<Rollout>),
    /// A new model.
    Run(Order),
}

/// A model to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Why.
    pub why: Why,
    /// What the run names as its cause.
    pub cause: Cause,
    /// Names the scheme, the data as it is now, and the drift: two looks that find the same name found the same.
    pub occasion: String,
    /// `name@N` to inherit from, the version that serves; none if none does or the scheme itself says where its model
    /// comes from.
    pub inherit: Option<String>,
}

/// Why a model is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nobody has decided about this data under this scheme: one of both changed.
    Data,
    /// What comes in is no longer what was learnt from.
    Drift,
}

impl Why {
    /// The word in documents: `data`, `drift`.
    pub fn name(self) -> &'static str {
        match self {
            Why::Data => "data",
            Why::Drift => "drift",
        }
    }
}

/// Looks whether `scheme`, as its author wrote it, calls for a new model. `drift` is the digest of a report of drift that
/// raises an alarm; each report counts once. `store` is the store as far as there is one.
///
/// Errors   a scheme without `[deploy]`; data that cannot be read; the world.
pub fn due(scheme: &ResolvedScheme, store: Option<&Store>, drift: Option<Digest>) -> Result<Due, RunError> {
    let Some(deploy) = &scheme.deploy else {
        let message = format!("{} has no [deploy], so nothing says where a new model goes", scheme.name);
        let found = Diagnostic::new("no-deploy", message);
        return Err(found.help("add `[deploy]` with `alias = \"production\"`").into());
    };
    let cause = Cause { scheme: scheme.digest(), drift };
    let occasion = occasion(scheme, &cause)?;
    let order = |why, inherit| Due::Run(Order { why, cause, occasion: occasion.name(), inherit });
    let Some(store) = store else { return Ok(order(Why::Data, None)) };
    let decisions = store.decisions(&scheme.name)?;
    let last = |wanted: &dyn Fn(&str) -> bool| {
        let about = |event: &&store::Event| event.value.as_deref().is_some_and(wanted);
        decisions.iter().rev().find(about).cloned()
    };
    let why = match (last(&|name| occasion.same_data(name)), drift) {
        (None, _) => Why::Data,
        (Some(decided), None) => return Ok(Due::Nothing(decided)),
        (Some(_), Some(_)) => match last(&|name| occasion.same_drift(name)) {
            Some(decided) => return Ok(Due::Nothing(decided)),
            None => Why::Drift,
        },
    };
    if let Some(rollout) = store.rollout(&scheme.name, &deploy.alias)?.filter(Rollout::is_running) {
        return Ok(Due::RollingOut(Box::new(rollout)));
    }
    let serving = store.alias_target(&scheme.name, &deploy.alias)?;
    let inherit = serving.filter(|_| scheme.model.inherit.is_none());
    Ok(order(why, inherit.map(|version| format!("{}@{version}", scheme.name))))
}

/// Writes down that a run which found everything done decided nothing new, so that it is not asked for again.
pub fn settle(
    scheme: &ResolvedScheme,
    store: &Store,
    cause: &Cause,
    report: &RunReport,
    by: &By,
) -> Result<(), RunError> {
    let (Some(deploy), name) = (&scheme.deploy, occasion(scheme, cause)?.name()) else { return Ok(()) };
    let decided = store.decisions(&scheme.name)?;
    if decided.iter().any(|event| event.value.as_deref() == Some(&name)) {
        return Ok(());
    }
    let reason = format!("{} was made from the same before; nothing new came of it", report.model);
    Ok(store.withhold(&report.model, &deploy.alias, &name, &reason, by)?)
}

fn occasion(scheme: &ResolvedScheme, cause: &Cause) -> Result<Occasion, RunError> {
    Ok(cause.occasion(data::fingerprint(&source_of(scheme)?)?))
}
