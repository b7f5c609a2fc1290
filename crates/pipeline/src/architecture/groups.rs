//! The layers of a network as far as they hold tensors, and whether what the scheme says of them fits.

use std::collections::BTreeSet;

use base::{Diagnostic, Diagnostics};
use inherit::transfer::matches;
use scheme::ResolvedScheme;

use super::Plan;
use crate::inheritance::at;

/// The layer of a tensor: what stands before the last dot of its name.
pub(crate) fn layer_of(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(layer, _)| layer)
}

/// The tensors of the model's own, layer by layer, in the order in which an example passes through them.
pub(crate) fn layers(plan: &Plan) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut layers: Vec<Vec<String>> = Vec::new();
    let reads = plan.graph.nodes().flat_map(|(_, node)| node.inputs.iter().flatten());
    for name in reads.map(|&id| &plan.graph.value(id).name) {
        if !plan.kept.contains(name) || !seen.insert(name) {
            continue;
        }
        match layers.iter_mut().find(|layer| layer_of(&layer[0]) == layer_of(name)) {
            Some(layer) => layer.push(name.clone()),
            None => layers.push(vec![name.clone()]),
        }
    }
    layers
}

/// Refuses what holds a child to its parent where the network gives it nothing to hold.
///
/// Errors   a rate for no tensor; nothing that is inherited, or nothing that could begin later; too few classes in common.
pub(super) fn check(scheme: &ResolvedScheme, plan: &mut Plan) -> Result<(), Diagnostics> {
    let mut problems = Diagnostics::default();
    let train = &scheme.train;
    for rate in train.rates.iter().flatten() {
        if !plan.kept.iter().any(|name| matches(&rate.pattern, name)) {
            problems.push(unmatched(scheme, plan, "train.rates", &rate.pattern));
        }
    }
    let inherited = plan.summary.transfer.iter().flat_map(|transfer| &transfer.tensors);
    let learns_inherited =
        inherited.filter(|tensor| tensor.inherited > 0).any(|tensor| plan.learnt.contains(&tensor.name));
    let holding = [("train.l2_sp", train.l2_sp.is_some()), ("train.ewc", train.ewc.is_some())];
    for (key, _) in holding.into_iter().filter(|&(_, wanted)| wanted && !learns_inherited) {
        let message = format!("`{key}` holds what is inherited, and nothing that learns is");
        problems.push(at(scheme, key, Diagnostic::new("nothing-inherited", message)));
    }
    if train.ewc.is_some() && plan.known.len() < 2 && learns_inherited {
        let message = format!("parent and child have too few classes in common: {}", plan.known.len());
        problems.push(
            at(scheme, "train.ewc", Diagnostic::new("nothing-to-consolidate", message))
                .help("classes are matched by their names; `train.l2_sp` needs none"),
        );
    }
    if let Some(unfreeze) = train.unfreeze {
        let layers = layers(plan);
        let learning = |layer: &&Vec<String>| layer.iter().any(|name| plan.changes(name));
        let learning: Vec<&Vec<String>> = layers.iter().filter(learning).collect();
        let head =
            learning.iter().filter(|layer| layer.iter().any(|name| !plan.wholly_inherited(name))).count();
        let others = learning.len() - head.max(1).min(learning.len());
        if others == 0 {
            let message = "every layer that learns belongs to the head, so none could begin later";
            problems.push(at(scheme, "train.unfreeze", Diagnostic::new("nothing-to-unfreeze", message)));
        }
        let last = unfreeze.every.map_or(0, |every| others.saturating_sub(1).saturating_mul(every));
        let late = unfreeze.probe_epochs.saturating_add(last);
        if others > 0 && late >= train.epochs {
            plan.notices.push(format!(
                "the last layer would begin to learn in epoch {}, and there are {}: it stays as it is inherited",
                late.saturating_add(1),
                train.epochs
            ));
        }
    }
    problems.or(())
}

/// A pattern that speaks of no tensor.
pub(super) fn unmatched(scheme: &ResolvedScheme, plan: &Plan, key: &str, pattern: &str) -> Diagnostic {
    let mut layers: Vec<String> = plan.kept.iter().map(|name| layer_of(name).to_owned()).collect();
    layers.dedup();
    let message =
        format!("`{key}` speaks of `{pattern}`, and the network has no layer or tensor of this name");
    let found = at(scheme, key, Diagnostic::new("unknown-tensor", message));
    match base::nearest(pattern, layers.iter().map(String::as_str)) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found.help(format!("layers with tensors: {}", layers.join(", "))),
    }
}
