//! The tree that a scheme is before it is typed: ordered tables, every value with its place.

use std::sync::Arc;

use base::{FileId, Span};

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Default,
    Derived,
    At(Span),
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    /// A TOML date or time, as written.
    Date(String),
    List(Vec<Node>),
    Table(Table),
    /// Taken out by `unset` or `remove`. Kept until the end of the merge, so that one parent's
    /// removal can be told from another's silence.
    Removed,
}

/// A value in its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
    /// What an unrelated parent says instead, until a child decides.
    pub(crate) rival: Option<Box<Node>>,
    /// What it replaced, the nearest last. Shared, because trees are copied for each of their
    /// children and histories grow with every generation.
    pub(crate) replaced: Vec<Arc<Node>>,
}

/// Equal is what stands there now; how it came about follows from that.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        (&self.value, self.place, &self.rival) == (&other.value, other.place, &other.rival)
    }
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Where the key stands.
    pub(crate) key: Place,
    pub(crate) node: Node,
}

/// Entries in order. At most [`crate::parse::ENTRIES_MAX`], so that looking through all is cheap.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    /// Two steps that two unrelated parents put in different order, until a child places one.
    pub(crate) disputed: Option<Dispute>,
}

/// Two steps whose order is disputed, with the places where the parents speak of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dispute {
    pub(crate) first: (String, Place),
    pub(crate) second: (String, Place),
}

impl Place {
    pub(crate) fn span(self) -> Option<Span> {
        match self {
            Place::At(span) => Some(span),
            Place::Default | Place::Derived => None,
        }
    }

    pub(crate) fn file(self) -> Option<FileId> {
        self.span().map(|span| span.file)
    }
}

impl Node {
    pub(crate) fn new(value: Value, place: Place) -> Self {
        Node { value, place, rival: None, replaced: Vec::new() }
    }

    /// Puts `newer` in its place and keeps in mind what was there.
    pub(crate) fn replace(&mut self, newer: Node) {
        let older = std::mem::replace(self, newer);
        older.become_past(&mut self.replaced);
    }

    /// Appends everything that was said here before, a rival first, the nearest last.
    fn become_past(mut self, past: &mut Vec<Arc<Node>>) {
        if let Some(rival) = self.rival.take() {
            rival.become_past(past);
        }
        past.append(&mut self.replaced);
        past.push(Arc::new(self));
    }

    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self.value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// The number, whole or not.
    pub(crate) fn real(&self) -> Option<f64> {
        match self.value {
            Value::Integer(number) => Some(number as f64),
            Value::Real(number) => Some(number),
            _ => None,
        }
    }

    /// All files that wrote some part of this value.
    pub(crate) fn files(&self) -> Vec<FileId> {
        let mut files = Vec::new();
        self.collect_files(&mut files);
        files.sort();
        files.dedup();
        files
    }

    fn collect_files(&self, files: &mut Vec<FileId>) {
        files.extend(self.place.file());
        if let Value::Table(table) = &self.value {
            table.entries.iter().for_each(|entry| entry.node.collect_files(files));
        }
        if let Some(rival) = &self.rival {
            rival.collect_files(files);
        }
    }
}

impl Value {
    /// What it is, for messages: `an integer`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Bool(_) => "a boolean",
            Value::Integer(_) => "an integer",
            Value::Real(_) => "a real number",
            Value::Text(_) => "a text",
            Value::Date(_) => "a date",
            Value::List(_) => "an array",
            Value::Table(_) => "a table",
            Value::Removed => "nothing",
        }
    }

    /// Whether both say the same, wherever they stand.
    pub(crate) fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.value.same(&b.value))
            }
            (Value::Table(a), Value::Table(b)) => {
                a.entries.len() == b.entries.len()
                    && a.entries
                        .iter()
                        .all(|x| b.get(&x.name).is_some_and(|node| node.value.same(&x.node.value)))
            }
            (a, b) => a == b,
        }
    }
}

/// What the dotted key `path` says below the entry `name`: nothing more, or a key of it; `None` if it leads elsewhere.
/// The names of layers have dots themselves, so that a border is where a name ends.
pub(crate) fn below<'p>(name: &str, path: &'p str) -> Option<Option<&'p str>> {
    match path.strip_prefix(name)? {
        "" => Some(None),
        rest => rest.strip_prefix('.').map(Some),
    }
}

impl Table {
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|entry| &entry.node)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.name == name).map(|entry| &mut entry.node)
    }

    /// Takes an entry out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Entry> {
        self.position(name).map(|index| self.entries.remove(index))
    }

    /// Adds or replaces an entry.
    pub(crate) fn put(&mut self, entry: Entry) {
        match self.position(&entry.name) {
            Some(index) => self.entries[index] = entry,
            None => self.entries.push(entry),
        }
    }

    /// Every value that is no table, with its dotted key, in order.
    pub(crate) fn leaves(&self) -> Vec<(String, &Node)> {
        let mut leaves = Vec::new();
        self.collect_leaves("", &mut leaves);
        leaves
    }

    fn collect_leaves<'a>(&'a self, prefix: &str, leaves: &mut Vec<(String, &'a Node)>) {
        for Entry { name, node, .. } in &self.entries {
            match &node.value {
                Value::Table(inner) => inner.collect_leaves(&format!("{prefix}{name}."), leaves),
                _ => leaves.push((format!("{prefix}{name}"), node)),
            }
        }
    }

    /// The value at a dotted key.
    pub(crate) fn at(&self, path: &str) -> Option<&Node> {
        self.entries.iter().find_map(|entry| match below(&entry.name, path)? {
            None => Some(&entry.node),
            Some(rest) => entry.node.table()?.at(rest),
        })
    }

    /// The value at a dotted key.
    pub(crate) fn at_mut(&mut self, path: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find_map(|entry| match (below(&entry.name, path)?, &mut entry.node) {
            (None, node) => Some(node),
            (Some(rest), Node { value: Value::Table(table), .. }) => table.at_mut(rest),
            (Some(_), _) => None,
        })
    }
}
