//! `train.freeze`: what does not learn.

use base::{Diagnostic, Diagnostics};
use inherit::transfer::matches;
use scheme::ResolvedScheme;

use super::Plan;
use super::groups::unmatched;
use crate::inheritance::at;

/// Takes what the scheme freezes out of what is learnt.
///
/// Errors   a pattern that no tensor matches; nothing left to learn.
pub(super) fn freeze(scheme: &ResolvedScheme, plan: &mut Plan) -> Result<(), Diagnostics> {
    let patterns = scheme.train.freeze.as_deref().unwrap_or_default();
    let mut problems = Diagnostics::default();
    for pattern in patterns {
        let found: Vec<String> = plan.kept.iter().filter(|name| matches(pattern, name)).cloned().collect();
        if found.is_empty() {
            problems.push(unmatched(scheme, plan, "train.freeze", pattern));
        }
        plan.frozen.extend(found);
    }
    let constants =
        |name: &String| plan.graph.find_value(name).and_then(|id| plan.graph.value(id).constant.as_ref());
    plan.summary.frozen =
        plan.learnt.intersection(&plan.frozen).filter_map(constants).map(|tensor| tensor.len()).sum();
    plan.learnt.retain(|name| !plan.frozen.contains(name));
    if plan.learnt.is_empty() && problems.0.is_empty() {
        problems.push(
            at(
                scheme,
                "train.freeze",
                Diagnostic::new("nothing-learns", "every tensor of the network is frozen"),
            )
            .help("leave the last layer out of `train.freeze`"),
        );
    }
    problems.or(())
}
