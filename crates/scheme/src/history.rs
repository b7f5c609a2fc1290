//! How the values of a resolved scheme came about: what the merge replaced and took out.

use crate::derive::Derivations;
use crate::tree::{Node, Place, Table, Value, below};

/// The merge as it was before the checks.
#[derive(Debug)]
pub(crate) struct History {
    /// What the texts come to, with derived values and without defaults.
    pub(crate) merged: Table,
    /// What was taken out and not set again, by dotted key.
    pub(crate) removed: Vec<(String, Node)>,
    pub(crate) derivations: Derivations,
}

impl History {
    /// What was said of `key` before the value that it has now, the nearest first: values of older
    /// generations and of parents that were not followed, and `Value::Removed` where a text took it out.
    pub(crate) fn older(&self, key: &str) -> Vec<(&Value, Place)> {
        let mut found = Vec::new();
        for (removed, node) in &self.removed {
            match key.strip_prefix(removed.as_str()) {
                Some("") => collect_with_itself(node, None, &mut found),
                Some(rest) if rest.starts_with('.') => {
                    collect_with_itself(node, Some(&rest[1..]), &mut found)
                }
                _ => {}
            }
        }
        for (node, rest) in entered(&self.merged, key) {
            collect(node, rest, &mut found);
        }
        let mut seen = Vec::new();
        found.retain(|(_, place)| {
            let new = !seen.contains(place);
            seen.push(*place);
            new
        });
        found
    }
}

/// What `node` replaced at `rest`, a key below it.
fn collect<'a>(node: &'a Node, rest: Option<&str>, found: &mut Vec<(&'a Value, Place)>) {
    if let (Some(rest), Value::Table(table)) = (rest, &node.value) {
        for (inner, rest) in entered(table, rest) {
            collect(inner, rest, found);
        }
    }
    for older in node.replaced.iter().rev() {
        collect_with_itself(older, rest, found);
    }
}

/// What `node` says at `rest` and what that replaced.
fn collect_with_itself<'a>(node: &'a Node, rest: Option<&str>, found: &mut Vec<(&'a Value, Place)>) {
    match (rest, &node.value) {
        (None, value) | (Some(_), value @ Value::Removed) => found.push((value, node.place)),
        (Some(rest), Value::Table(table)) => {
            for (inner, rest) in entered(table, rest) {
                collect_with_itself(inner, rest, found);
            }
        }
        (Some(_), _) => {}
    }
    for older in node.replaced.iter().rev() {
        collect_with_itself(older, rest, found);
    }
}

/// The entries that the dotted `key` leads to or into, with what it says below them.
fn entered<'a, 'k>(table: &'a Table, key: &'k str) -> impl Iterator<Item = (&'a Node, Option<&'k str>)> {
    table.entries.iter().filter_map(move |entry| Some((&entry.node, below(&entry.name, key)?)))
}
