//! Between the stages: the model is held against its gates, and goes on or is refused. Both are written down.

use base::Diagnostics;
use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::events::Event;
use crate::examination::{AgainstParent, Examined};
use crate::gates::{self, GateReport};
use crate::metrics::Metrics;
use crate::overrides::{self, Overruled};
use crate::session::Session;

/// Bytes of a reason in the history; what is longer is in the run's folder.
const REASON_BYTES_MAX: usize = 8 << 10;

/// The account of a run whose model was refused: the document `refused.json` in the run's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusalReport {
    /// Version of this document's form.
    pub format_version: u32,
    /// The name that the model would have had.
    pub name: String,
    /// Digest of the resolved scheme.
    pub scheme_digest: String,
    /// The run.
    pub run: String,
    /// What was measured.
    pub metrics: Metrics,
    /// The model beside its parent, if it has one that could sit the same test cases.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub against_parent: Option<AgainstParent>,
    /// What every gate said.
    pub gates: Vec<GateReport>,
}

impl RefusalReport {
    /// The version that this program writes.
    pub const FORMAT_VERSION: u32 = 1;
}

/// Tells what the evaluation came to.
pub(crate) fn tell(session: &mut Session<'_, '_>, examined: &Examined) -> Result<(), RunError> {
    session.journal.tell(&Event::Evaluated { metrics: Box::new(examined.metrics.clone()) })?;
    session.notices(&examined.notices)?;
    match &examined.against_parent {
        Some(brief) => session.journal.tell(&Event::ComparedWithParent(brief.clone())),
        None => Ok(()),
    }
}

/// Tells what the gates say, and stops where one refuses the model and is not overruled; that goes into the history with
/// its reason. Returns the gates that were overruled.
pub(crate) fn pass(
    session: &mut Session<'_, '_>,
    examined: &Examined,
    occasion: &str,
) -> Result<Vec<Overruled>, RunError> {
    let gates = &examined.gates;
    if gates.is_empty() {
        return Ok(Vec::new());
    }
    session.journal.tell(&Event::GatesJudged { gates: gates.clone() })?;
    let (options, by) = (session.options, session.by());
    let overruled = overrides::overruled(gates, options.overrides.as_ref(), &by.actor, by.unix_ms);
    for one in &overruled {
        let text = format!("the gate `{}` refuses and is overruled: {}", one.gate, one.reason);
        session.notices(&[text])?;
    }
    let counts = |report: &&GateReport| !overruled.iter().any(|one| one.gate == report.gate);
    let refusing: Vec<GateReport> = gates.iter().filter(counts).cloned().collect();
    let refusals = gates::refusals(session.scheme, &refusing);
    if refusals.0.is_empty() {
        return Ok(overruled);
    }
    session.open.store().refuse(&session.scheme.name, occasion, &reason(&refusals), &by)?;
    session.write_refusal(&RefusalReport {
        format_version: RefusalReport::FORMAT_VERSION,
        name: session.scheme.name.clone(),
        scheme_digest: session.scheme.digest().to_string(),
        run: session.run.clone().unwrap_or_default(),
        metrics: examined.metrics.clone(),
        against_parent: examined.against_parent.clone(),
        gates: gates.clone(),
    })?;
    Err(RunError::Refused(refusals))
}

/// All refusals as one text for the history.
fn reason(refusals: &Diagnostics) -> String {
    let said: Vec<&str> = refusals.0.iter().map(|refusal| refusal.message.as_str()).collect();
    let mut text = said.join(" ");
    if text.len() > REASON_BYTES_MAX {
        let end = (0..=REASON_BYTES_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
