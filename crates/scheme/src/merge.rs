//! A child over what it inherits: tables merge, scalars and arrays replace, named steps keep their
//! order.

use base::{Diagnostic, Diagnostics};

use crate::parse::ENTRIES_MAX;
use crate::placement;
use crate::sections::STEP_TABLES;
use crate::suggest::suggest;
use crate::tree::{Entry, Node, Place, Table, Value};

/// Among more keys than this, none is suggested.
const KEYS_MAX: usize = 200;

/// Lays `child` over `base`. `path` is the dotted key of both, empty at the top.
pub(crate) fn overlay(base: &mut Table, mut child: Table, path: &str, diagnostics: &mut Diagnostics) {
    let directives = if STEP_TABLES.contains(&path) {
        placement::take_directives(&mut child, base, path, diagnostics)
    } else {
        Vec::new()
    };
    for entry in child.entries {
        let path = join(path, &entry.name);
        match base.position(&entry.name) {
            Some(index) => overlay_entry(&mut base.entries[index], entry, &path, diagnostics),
            None => base.entries.push(fresh(entry, &path, diagnostics)),
        }
    }
    placement::place(base, directives, path, diagnostics);
}

fn overlay_entry(base: &mut Entry, child: Entry, path: &str, diagnostics: &mut Diagnostics) {
    match (&mut base.node, child.node) {
        (
            Node { value: Value::Table(inner), place, rival: None, .. },
            Node { value: Value::Table(table), place: new, .. },
        ) => {
            overlay(inner, table, path, diagnostics);
            *place = new;
            base.key = child.key;
        }
        (older, node) => {
            let newer = fresh(Entry { node, ..child }, path, diagnostics);
            base.key = newer.key;
            older.replace(newer.node);
        }
    }
}

/// An entry with nothing below it. Its steps still obey `after` and `before`.
fn fresh(entry: Entry, path: &str, diagnostics: &mut Diagnostics) -> Entry {
    let value = match entry.node.value {
        Value::Table(table) => {
            let mut base = Table::default();
            overlay(&mut base, table, path, diagnostics);
            Value::Table(base)
        }
        value => value,
    };
    Entry { node: Node { value, ..entry.node }, ..entry }
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Takes the keys listed in `unset` out of what is inherited.
pub(crate) fn unset(base: &mut Table, keys: &[Node], diagnostics: &mut Diagnostics) {
    if let Some(extra) = keys.get(ENTRIES_MAX) {
        let message = format!("`unset` lists at most {ENTRIES_MAX} keys");
        diagnostics.push(at(Diagnostic::new("too-many-keys", message), extra.place, ""));
    }
    for key in keys.iter().take(ENTRIES_MAX) {
        let Some(text) = key.text() else {
            let message = format!("`unset` lists dotted keys as texts, not {}", key.value.kind());
            diagnostics.push(at(Diagnostic::new("wrong-type", message), key.place, "expected a text"));
            continue;
        };
        match base.at_mut(text) {
            Some(node) if node.value != Value::Removed => node.replace(Node::new(Value::Removed, key.place)),
            _ => diagnostics.push(nothing_to_unset(base, text, key.place)),
        }
    }
}

fn nothing_to_unset(base: &Table, key: &str, place: Place) -> Diagnostic {
    let mut keys = Vec::new();
    collect_keys(base, "", &mut keys);
    let message = format!("nothing inherited sets `{key}`, so there is nothing to unset");
    let diagnostic = at(Diagnostic::new("nothing-to-unset", message), place, "");
    match suggest(key, &keys.iter().map(String::as_str).collect::<Vec<_>>()) {
        Some(name) => diagnostic.help(format!("did you mean `{name}`?")),
        None => diagnostic,
    }
}

fn collect_keys(table: &Table, path: &str, keys: &mut Vec<String>) {
    for entry in &table.entries {
        if keys.len() > KEYS_MAX {
            return;
        }
        let path = join(path, &entry.name);
        if let Value::Table(inner) = &entry.node.value {
            collect_keys(inner, &path, keys);
        }
        if entry.node.value != Value::Removed {
            keys.push(path);
        }
    }
}

/// Labels a diagnostic with a place, if it has one.
pub(crate) fn at(diagnostic: Diagnostic, place: Place, text: impl Into<String>) -> Diagnostic {
    match place {
        Place::At(span) => diagnostic.at(span, text),
        Place::Default | Place::Derived => diagnostic,
    }
}

/// The end of the merge: reports what no child decided and moves what was taken out, with its dotted
/// key, to `removed`.
pub(crate) fn finish(
    table: &mut Table,
    path: &str,
    removed: &mut Vec<(String, Node)>,
    diagnostics: &mut Diagnostics,
) {
    if let Some(dispute) = &table.disputed {
        let ((first, first_place), (second, second_place)) = (&dispute.first, &dispute.second);
        let message =
            format!("two parents put the steps `{first}` and `{second}` of [{path}] in different order");
        let diagnostic = Diagnostic::new("conflicting-parents", message).help(format!(
            "decide it here: give `{second}` an `after = \"{first}\"` or a `before = \"{first}\"`"
        ));
        diagnostics.push(at(at(diagnostic, *first_place, ""), *second_place, ""));
    }
    for entry in &mut table.entries {
        let path = join(path, &entry.name);
        if let Some(rival) = &entry.node.rival {
            let message = format!("two parents set `{path}` differently, and neither inherits the other");
            let diagnostic = Diagnostic::new("conflicting-parents", message)
                .help(format!("decide it in the child: set `{path}` there"));
            let diagnostic = at(diagnostic, entry.node.place, "one parent sets it here");
            diagnostics.push(at(diagnostic, rival.place, "another sets it here"));
        }
        if let Value::Table(inner) = &mut entry.node.value {
            finish(inner, &path, removed, diagnostics);
        }
    }
    let taken_out = table.entries.extract_if(.., |entry| entry.node.value == Value::Removed);
    removed.extend(taken_out.map(|entry| (join(path, &entry.name), entry.node)));
}

#[cfg(test)]
mod tests {
    use base::FileId;
    use proptest::prelude::*;

    use super::*;
    use crate::combine::{Lineage, combine};
    use crate::parse::parse;

    /// Trees over few keys whose kind is fixed by their name, as the settings tables fix it.
    fn tree() -> impl Strategy<Value = String> {
        let leaf = (prop::sample::select(&["a", "t.b", "t.c", "t.u.d", "v.e"][..]), 0..3)
            .prop_map(|(key, value)| (key.to_owned(), value));
        prop::collection::btree_map(
            leaf.clone().prop_map(|(key, _)| key),
            leaf.prop_map(|(_, value)| value),
            0..5,
        )
        .prop_map(|leaves| leaves.iter().map(|(key, value)| format!("{key} = {value}\n")).collect())
    }

    fn read(text: &str, file: u32) -> Table {
        parse(text, FileId(file), &mut Diagnostics::default()).unwrap_or_default()
    }

    fn over(mut base: Table, child: Table) -> Table {
        overlay(&mut base, child, "", &mut Diagnostics::default());
        base
    }

    fn beside(mut first: Table, second: Table) -> Table {
        combine(&mut first, second, "", &Lineage::default());
        first
    }

    fn same(a: &Table, b: &Table) -> bool {
        Value::Table(a.clone()).same(&Value::Table(b.clone()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn layers_group_freely(a in tree(), b in tree(), c in tree()) {
            let (a, b, c) = (read(&a, 0), read(&b, 1), read(&c, 2));
            let left = over(over(a.clone(), b.clone()), c.clone());
            let right = over(a, over(b, c));
            prop_assert!(same(&left, &right));
        }

        #[test]
        fn a_layer_over_itself_changes_nothing(a in tree()) {
            let a = read(&a, 0);
            prop_assert!(same(&over(a.clone(), a.clone()), &a));
            prop_assert!(same(&over(Table::default(), a.clone()), &a));
            prop_assert!(same(&over(a.clone(), Table::default()), &a));
        }

        /// Parents in either order: the same conflicts, and the same values where there are none.
        #[test]
        fn parents_stand_side_by_side(a in tree(), b in tree()) {
            let (a, b) = (read(&a, 0), read(&b, 1));
            let (mut left, mut right) = (beside(a.clone(), b.clone()), beside(b, a));
            let (mut left_found, mut right_found) = (Diagnostics::default(), Diagnostics::default());
            finish(&mut left, "", &mut Vec::new(), &mut left_found);
            finish(&mut right, "", &mut Vec::new(), &mut right_found);
            prop_assert_eq!(left_found.0.len(), right_found.0.len());
            prop_assert!(!left_found.0.is_empty() || same(&left, &right));
        }
    }
}
