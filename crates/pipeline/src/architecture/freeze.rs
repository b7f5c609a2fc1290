//! `train.freeze`: what does not learn.

use base::{Diagnostic, Diagnostics};
use inherit::transfer::matches;
use scheme::ResolvedScheme;

use super::Plan;

/// Takes what the scheme freezes out of what is learnt.
///
/// Errors   a pattern that no tensor matches; nothing left to learn.
pub(super) fn freeze(scheme: &ResolvedScheme, plan: &mut Plan) -> Result<(), Diagnostics> {
    let patterns = scheme.train.freeze.as_deref().unwrap_or_default();
    let mut problems = Diagnostics::default();
    for pattern in patterns {
        let found: Vec<String> = plan.kept.iter().filter(|name| matches(pattern, name)).cloned().collect();
        if found.is_empty() {
            problems.push(unmatched(scheme, plan, pattern));
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
            at(scheme, Diagnostic::new("nothing-learns", "every tensor of the network is frozen"))
                .help("leave the last layer out of `train.freeze`"),
        );
    }
    problems.or(())
}

fn unmatched(scheme: &ResolvedScheme, plan: &Plan, pattern: &str) -> Diagnostic {
    let layer = |name: &String| name.rsplit_once('.').map_or(name.clone(), |(layer, _)| layer.to_owned());
    let mut layers: Vec<String> = plan.kept.iter().map(layer).collect();
    layers.dedup();
    let message =
        format!("`train.freeze` speaks of `{pattern}`, and the network has no layer or tensor of this name");
    let found = at(scheme, Diagnostic::new("unknown-tensor", message));
    match base::nearest(pattern, layers.iter().map(String::as_str)) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found.help(format!("layers with tensors: {}", layers.join(", "))),
    }
}

fn at(scheme: &ResolvedScheme, diagnostic: Diagnostic) -> Diagnostic {
    match scheme.span_of("train.freeze") {
        Some(span) => diagnostic.at(span, ""),
        None => diagnostic,
    }
}
