//! What differs between two resolved schemes, by key: texts, layout and inheritance do not matter.

use serde::Serialize;
use serde_json::Value as Json;

use crate::resolved::ResolvedScheme;
use crate::sections::STEP_TABLES;
use crate::show;
use crate::tree::{Node, Table, Value};

/// What has to happen to one scheme to make another of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Values that only the second has, in its order.
    pub added: Vec<KeyValue>,
    /// Values that only the first has, in its order.
    pub removed: Vec<KeyValue>,
    /// Values that both have and that differ, in the second's order; and for a table of steps
    /// (`preprocess`, `model.layers`, `evaluate.gate`) the names in order, where the order does not follow from taking
    /// steps out and adding others at the end.
    pub changed: Vec<Change>,
}

/// A value with its dotted key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// The value, in its canonical form.
    pub value: Json,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Its dotted key.
    pub key: String,
    /// In the first scheme.
    pub before: Json,
    /// In the second scheme.
    pub after: Json,
}

impl Difference {
    /// Whether both schemes say the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Compares two schemes, defaults and derived values included.
pub fn diff(before: &ResolvedScheme, after: &ResolvedScheme) -> Difference {
    let (before, after) = (&before.tree, &after.tree);
    Difference {
        added: only_in(after, before),
        removed: only_in(before, after),
        changed: order_changes(before, after).into_iter().chain(changes(before, after)).collect(),
    }
}

fn is_leaf(node: &Node) -> bool {
    node.table().is_none()
}

fn only_in(one: &Table, other: &Table) -> Vec<KeyValue> {
    let alone = |(key, _): &(String, &Node)| !other.at(key).is_some_and(is_leaf);
    let leaves = one.leaves().into_iter().filter(alone);
    leaves.map(|(key, node)| KeyValue { key, value: show::json_value(&node.value) }).collect()
}

fn changes(before: &Table, after: &Table) -> Vec<Change> {
    let change = |(key, node): (String, &Node)| {
        let older = before.at(&key).filter(|older| is_leaf(older) && !older.value.same(&node.value))?;
        let (before, after) = (show::json_value(&older.value), show::json_value(&node.value));
        Some(Change { key, before, after })
    };
    after.leaves().into_iter().filter_map(change).collect()
}

fn order_changes(before: &Table, after: &Table) -> Vec<Change> {
    let change = |key: &str| {
        let (old, new) = (steps(before, key), steps(after, key));
        let kept = old.iter().filter(|name| new.contains(name));
        let added = new.iter().filter(|name| !old.contains(name));
        let implied: Vec<&str> = kept.chain(added).copied().collect();
        (implied != new).then(|| Change { key: key.to_owned(), before: old.into(), after: new.into() })
    };
    STEP_TABLES.into_iter().filter_map(change).collect()
}

fn steps<'a>(tree: &'a Table, key: &str) -> Vec<&'a str> {
    let Some(Value::Table(table)) = tree.at(key).map(|node| &node.value) else { return Vec::new() };
    table.entries.iter().map(|entry| entry.name.as_str()).collect()
}
