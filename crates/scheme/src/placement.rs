//! The order of named steps: `after`, `before` and `remove`.

use std::collections::BTreeSet;

use base::{Diagnostic, Diagnostics};

use crate::merge::at;
use crate::suggest::suggest;
use crate::tree::{Node, Place, Table, Value};

/// Where a step goes.
pub(crate) struct Directive {
    step: String,
    side: Side,
    anchor: String,
    place: Place,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    After,
    Before,
}

/// Takes `after`, `before` and `remove` out of the steps of `child`; carries out `remove` in `base`.
pub(crate) fn take_directives(
    child: &mut Table,
    base: &mut Table,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> Vec<Directive> {
    let mut directives = Vec::new();
    let mut kept = Vec::new();
    for mut entry in std::mem::take(&mut child.entries) {
        let Value::Table(table) = &mut entry.node.value else {
            kept.push(entry);
            continue;
        };
        let after = table.take("after").map(|found| (Side::After, found));
        let before = table.take("before").map(|found| (Side::Before, found));
        if let (Some((_, after)), Some((_, before))) = (&after, &before) {
            let message = format!("the step `{}` has both `after` and `before`", entry.name);
            let diagnostic = Diagnostic::new("impossible-combination", message);
            diagnostics.push(at(at(diagnostic, after.key, ""), before.key, ""));
        }
        for (side, found) in after.into_iter().chain(before) {
            match &found.node.value {
                Value::Text(anchor) => directives.push(Directive {
                    step: entry.name.clone(),
                    side,
                    anchor: anchor.clone(),
                    place: found.node.place,
                }),
                other => {
                    diagnostics.push(wrong_type(&found.name, "the name of a step", other, found.node.place))
                }
            }
        }
        let remove = table.take("remove");
        match remove.map(|entry| entry.node) {
            Some(Node { value: Value::Bool(true), place, .. }) => {
                if let Some(extra) = table.entries.first() {
                    let message = format!("the step `{}` is removed, so it takes no settings", entry.name);
                    diagnostics.push(at(Diagnostic::new("impossible-combination", message), extra.key, ""));
                }
                directives.retain(|directive| directive.step != entry.name);
                remove_step(base, &entry.name, path, place, diagnostics);
            }
            Some(Node { value: Value::Bool(false), .. }) | None => kept.push(entry),
            Some(node) => diagnostics.push(wrong_type("remove", "true or false", &node.value, node.place)),
        }
    }
    child.entries = kept;
    directives
}

fn wrong_type(key: &str, expected: &str, found: &Value, place: Place) -> Diagnostic {
    let message = format!("`{key}` is {expected}, not {}", found.kind());
    at(Diagnostic::new("wrong-type", message), place, format!("expected {expected}"))
}

fn remove_step(base: &mut Table, name: &str, path: &str, place: Place, diagnostics: &mut Diagnostics) {
    match base.get_mut(name) {
        Some(node) if node.value != Value::Removed => node.replace(Node::new(Value::Removed, place)),
        _ => diagnostics.push(unknown_step(base, name, path, place)),
    }
}

fn unknown_step(table: &Table, name: &str, path: &str, place: Place) -> Diagnostic {
    let names: Vec<&str> = table
        .entries
        .iter()
        .filter(|entry| entry.node.value != Value::Removed)
        .map(|entry| entry.name.as_str())
        .collect();
    let diagnostic = Diagnostic::new("unknown-step", format!("[{path}] has no step `{name}`"));
    let diagnostic = at(diagnostic, place, "");
    let diagnostic = match suggest(name, &names) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    };
    if names.is_empty() || names.len() > 12 {
        return diagnostic;
    }
    diagnostic.help(format!("its steps are {}", names.join(", ")))
}

/// Moves steps to where they were put. A step whose anchor is itself moved waits for it; several
/// steps after one anchor keep the order in which they are written.
pub(crate) fn place(
    table: &mut Table,
    mut pending: Vec<Directive>,
    path: &str,
    diagnostics: &mut Diagnostics,
) {
    let mut followers: Vec<(String, String)> = Vec::new(); // (anchor, the last step put after it)
    if let Some(dispute) = &table.disputed
        && pending.iter().any(|directive| [&dispute.first.0, &dispute.second.0].contains(&&directive.step))
    {
        table.disputed = None;
    }
    pending.retain(|directive| {
        if directive.anchor == directive.step {
            let message = format!("the step `{}` cannot stand next to itself", directive.step);
            diagnostics.push(at(Diagnostic::new("cyclic-steps", message), directive.place, ""));
            return false;
        }
        let known = table.get(&directive.anchor).is_some_and(|node| node.value != Value::Removed);
        if !known {
            diagnostics.push(unknown_step(table, &directive.anchor, path, directive.place));
        }
        known
    });
    while !pending.is_empty() {
        let waiting: BTreeSet<&str> = pending.iter().map(|directive| directive.step.as_str()).collect();
        let free = pending.iter().position(|directive| !waiting.contains(directive.anchor.as_str()));
        let Some(index) = free else {
            let message = "these steps wait for each other".to_owned();
            let diagnostic =
                pending.iter().fold(Diagnostic::new("cyclic-steps", message), |diagnostic, directive| {
                    at(diagnostic, directive.place, "")
                });
            diagnostics.push(diagnostic);
            return;
        };
        let directive = pending.remove(index);
        put(table, &directive, &mut followers);
    }
}

fn put(table: &mut Table, directive: &Directive, followers: &mut Vec<(String, String)>) {
    let Some(entry) = table.take(&directive.step) else { return };
    let follower = followers.iter_mut().find(|(anchor, _)| *anchor == directive.anchor);
    let next_to = match (&follower, directive.side) {
        (Some((_, last)), Side::After) => last.as_str(),
        _ => directive.anchor.as_str(),
    };
    let position = table.position(next_to).unwrap_or(table.entries.len());
    let index = if directive.side == Side::After { position + 1 } else { position };
    table.entries.insert(index.min(table.entries.len()), entry);
    match follower {
        Some((_, last)) if directive.side == Side::After => last.clone_from(&directive.step),
        None if directive.side == Side::After => {
            followers.push((directive.anchor.clone(), directive.step.clone()))
        }
        _ => {}
    }
}
