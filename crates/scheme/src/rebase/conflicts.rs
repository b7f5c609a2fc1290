//! Child, old and new parent, compared key by key.

use base::Diagnostic;

use super::{Inherited, Stated};
use crate::merge::at;
use crate::sections::STEP_TABLES;
use crate::show::{json_value, toml_value};
use crate::tree::{Entry, Node, Place, Table, Value};

/// A key on which the child and the new parent both have a say.
#[derive(Debug, Clone)]
pub(super) struct Conflict {
    /// What the user calls it.
    pub(super) key: Vec<String>,
    /// Whether the child speaks of it in `unset`.
    pub(super) unset: bool,
    /// A key below `key` that alone is given up, if not all of it.
    part: Option<&'static str>,
    /// What is wrong, with the lines of all sides.
    pub(super) diagnostic: Diagnostic,
}

impl Conflict {
    /// What leaves the child's text if the new parent is heard.
    pub(super) fn drop(&self) -> Vec<String> {
        self.key.iter().cloned().chain(self.part.map(str::to_owned)).collect()
    }

    pub(super) fn name(&self) -> String {
        self.key.join(".")
    }
}

/// What the child inherits differently without a say of its own, and where it has one.
pub(super) fn compare(child: &Table, old: &Table, new: &Table) -> (Vec<Inherited>, Vec<Conflict>) {
    let mut comparison = Comparison { old, new, conflicts: Vec::new(), said: Vec::new() };
    comparison.unset(child);
    comparison.table(child, &mut Vec::new());
    let Comparison { conflicts, said, .. } = comparison;
    let mut inherited = Vec::new();
    changes(Some(old), Some(new), &mut Vec::new(), &mut inherited);
    inherited.retain(|(path, _): &(Vec<String>, Inherited)| {
        !said.iter().any(|said| path.starts_with(said) || said.starts_with(path))
    });
    (inherited.into_iter().map(|(_, change)| change).collect(), conflicts)
}

struct Comparison<'a> {
    old: &'a Table,
    new: &'a Table,
    conflicts: Vec<Conflict>,
    /// Every key that the child speaks of.
    said: Vec<Vec<String>>,
}

impl Comparison<'_> {
    fn unset(&mut self, child: &Table) {
        for item in child.get("unset").and_then(Node::list).unwrap_or_default() {
            let Some(text) = item.text() else { continue };
            let key: Vec<String> = text.split('.').map(str::to_owned).collect();
            let (old, new) = (lookup(self.old, &key), lookup(self.new, &key));
            if old.is_some() && !same(old, new) {
                let message = format!("the child unsets `{text}`, which the new parent changed");
                let diagnostic = sides(message, (item.place, "unset here".to_owned()), old, new);
                self.conflicts.push(Conflict { key: key.clone(), unset: true, part: None, diagnostic });
            }
            self.said.push(key);
        }
    }

    fn table(&mut self, table: &Table, path: &mut Vec<String>) {
        let steps = STEP_TABLES.contains(&path.join(".").as_str());
        for entry in &table.entries {
            path.push(entry.name.clone());
            match &entry.node.value {
                _ if path.len() == 1 && matches!(entry.name.as_str(), "inherits" | "unset") => {}
                Value::Table(step) if steps => self.step(entry, step, table, path),
                Value::Table(inner) => self.table(inner, path),
                _ => self.value(entry, path),
            }
            path.pop();
        }
    }

    fn value(&mut self, entry: &Entry, path: &[String]) {
        self.said.push(path.to_vec());
        let (old, new) = (lookup(self.old, path), lookup(self.new, path));
        let agreed = new.is_some_and(|new| new.value.same(&entry.node.value));
        if same(old, new) || agreed {
            return;
        }
        let message = format!("the child and the new parent both change `{}`", path.join("."));
        let own = (entry.node.place, format!("the child says {}", toml_value(&entry.node.value)));
        self.push(path, None, sides(message, own, old, new));
    }

    /// A named step: what it says of itself, of its place and of its end.
    fn step(&mut self, entry: &Entry, step: &Table, siblings: &Table, path: &mut Vec<String>) {
        let (old, new) = (lookup(self.old, path), lookup(self.new, path));
        let name = path.join(".");
        if step.get("remove").is_some_and(|node| node.value == Value::Bool(true)) {
            self.said.push(path.clone());
            if old.is_some() && !same(old, new) {
                let what = if new.is_some() { "changed" } else { "no longer has" };
                let message = format!("the child removes the step `{name}`, which the new parent {what}");
                let own = (entry.key, "removed here".to_owned());
                self.push(path, None, sides(message, own, old, new));
            }
            return;
        }
        if old.is_some() && new.is_none() && step.get("op").is_none() {
            self.said.push(path.clone());
            let message = format!("the child changes the step `{name}`, which the new parent no longer has");
            let own = (entry.key, "changed here".to_owned());
            return self.push(path, None, sides(message, own, old, new));
        }
        for side in ["after", "before"] {
            self.anchor(side, step, siblings, path);
        }
        let settings = step.entries.iter().filter(|entry| !DIRECTIVES.contains(&entry.name.as_str()));
        let settings = Table { entries: settings.cloned().collect(), disputed: None };
        self.table(&settings, path);
    }

    /// `after` or `before` a step that is gone.
    fn anchor(&mut self, side: &'static str, step: &Table, siblings: &Table, path: &[String]) {
        let Some(node) = step.get(side) else { return };
        let (Some(anchor), Some((_, table))) = (node.text(), path.split_last()) else { return };
        let target: Vec<String> = table.iter().cloned().chain([anchor.to_owned()]).collect();
        let own = siblings.get(anchor).and_then(Node::table).is_some_and(|step| step.get("op").is_some());
        let (old, new) = (lookup(self.old, &target), lookup(self.new, &target));
        if own || old.is_none() || new.is_some() {
            return;
        }
        let message = format!(
            "the child puts the step `{}` {side} `{anchor}`, which the new parent no longer has",
            path.join(".")
        );
        self.push(path, Some(side), sides(message, (node.place, "put here".to_owned()), old, new));
    }

    fn push(&mut self, key: &[String], part: Option<&'static str>, diagnostic: Diagnostic) {
        self.conflicts.push(Conflict { key: key.to_vec(), unset: false, part, diagnostic });
    }
}

/// Keys of a step that are no settings.
const DIRECTIVES: [&str; 3] = ["after", "before", "remove"];

/// A conflict with the lines of all sides that have one.
fn sides(message: String, own: (Place, String), old: Option<&Node>, new: Option<&Node>) -> Diagnostic {
    let mut diagnostic = at(Diagnostic::new("rebase-conflict", message), own.0, own.1);
    for (who, node) in [("the new parent", new), ("the old parent", old)] {
        diagnostic = match node {
            Some(node) => at(diagnostic, node.place, said(who, node)),
            None => diagnostic.help(format!("{who} says nothing of it")),
        };
    }
    diagnostic
}

fn said(who: &str, node: &Node) -> String {
    match &node.value {
        Value::Table(_) => format!("{who} has it here"),
        value => format!("{who} says {}", toml_value(value)),
    }
}

/// The value at `path`, unless it was taken out.
fn lookup<'a>(table: &'a Table, path: &[String]) -> Option<&'a Node> {
    let (first, rest) = path.split_first()?;
    let node = table.get(first).filter(|node| node.value != Value::Removed)?;
    if rest.is_empty() { Some(node) } else { lookup(node.table()?, rest) }
}

fn same(old: Option<&Node>, new: Option<&Node>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => old.value.same(&new.value),
        (None, None) => true,
        _ => false,
    }
}

/// Every value that differs between two trees, in the order of the new one; what is gone last.
fn changes(
    old: Option<&Table>,
    new: Option<&Table>,
    path: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, Inherited)>,
) {
    let gone = entries(old).iter().filter(|entry| new.and_then(|new| new.get(&entry.name)).is_none());
    let names: Vec<&str> = entries(new).iter().chain(gone).map(|entry| entry.name.as_str()).collect();
    for name in names {
        path.push(name.to_owned());
        let (was, is) = (old.and_then(|old| old.get(name)), new.and_then(|new| new.get(name)));
        let (before, after) = (was.and_then(stated), is.and_then(stated));
        if before.as_ref().map(|value| &value.text) != after.as_ref().map(|value| &value.text) {
            found.push((path.clone(), Inherited { key: path.join("."), before, after }));
        }
        let tables = (was.and_then(Node::table), is.and_then(Node::table));
        if tables.0.is_some() || tables.1.is_some() {
            changes(tables.0, tables.1, path, found);
        }
        path.pop();
    }
    if let (Some(old), Some(new), true) = (old, new, STEP_TABLES.contains(&path.join(".").as_str())) {
        found.extend(reordered(old, new, path));
    }
}

fn entries(table: Option<&Table>) -> &[Entry] {
    table.map_or(&[], |table| &table.entries)
}

/// A value that is no table.
fn stated(node: &Node) -> Option<Stated> {
    let stated = !matches!(node.value, Value::Table(_) | Value::Removed);
    let text = || toml_value(&node.value);
    stated.then(|| Stated { value: json_value(&node.value), text: text(), span: node.place.span() })
}

/// The steps that both have, if they stand in different order.
fn reordered(old: &Table, new: &Table, path: &[String]) -> Option<(Vec<String>, Inherited)> {
    let names = |table: &Table, other: &Table| -> Vec<String> {
        let live = |table: &Table, name: &str| table.get(name).is_some_and(|node| node.table().is_some());
        let steps = table.entries.iter().map(|entry| entry.name.clone());
        steps.filter(|name| live(table, name) && live(other, name)).collect()
    };
    let (before, after) = (names(old, new), names(new, old));
    let order = |names: Vec<String>| {
        let text = format!("the order {}", names.join(", "));
        Some(Stated { value: names.into(), text, span: None })
    };
    // A key of its own, so that a child that changes one step still hears of it.
    (before != after).then(|| {
        let key = path.join(".");
        (
            path.iter().cloned().chain([String::new()]).collect(),
            Inherited { key, before: order(before), after: order(after) },
        )
    })
}
