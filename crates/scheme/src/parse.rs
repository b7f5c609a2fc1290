//! TOML text to tree, with limits.

use std::ops::Range;

use base::{Diagnostic, Diagnostics, FileId, Span};
use toml_edit::{Array, Document, InlineTable, Item, Key};

use crate::tree::{Entry, Node, Place, Table, Value};

/// Largest scheme file, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of tables and arrays.
const NESTING_MAX: usize = 16;
/// Most keys (hence steps) in one table.
pub(crate) const ENTRIES_MAX: usize = 1000;

/// Parses the text of `file`. What is too deep or too wide is left out and reported.
pub(crate) fn parse(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> Option<Table> {
    match Document::parse(text) {
        Ok(document) => {
            let mut reader = Reader { file, diagnostics };
            let whole = Span { file, start: 0, end: 0 };
            Some(reader.entries(document.as_table(), |key| document.as_table().key(key), whole, 1))
        }
        Err(error) => {
            let message = error.message().lines().next().unwrap_or("invalid TOML").to_owned();
            let span = error.span().unwrap_or(0..0);
            let mut diagnostic =
                Diagnostic::new("syntax-error", format!("this is not valid TOML: {message}"))
                    .at(span_in(file, span), "here");
            diagnostic.help.extend(error.message().lines().skip(1).map(str::to_owned));
            diagnostics.push(diagnostic);
            None
        }
    }
}

pub(crate) fn span_in(file: FileId, range: Range<usize>) -> Span {
    Span { file, start: range.start, end: range.end }
}

struct Reader<'a> {
    file: FileId,
    diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    /// The entries of any kind of table; `parent` stands in where the parser kept no position.
    fn entries<'t, T>(
        &mut self,
        items: T,
        key_of: impl Fn(&str) -> Option<&'t Key>,
        parent: Span,
        depth: usize,
    ) -> Table
    where
        T: IntoIterator<Item = (&'t str, &'t Item)>,
    {
        let mut table = Table::default();
        for (name, item) in items {
            let key = key_of(name).and_then(Key::span).map_or(parent, |range| span_in(self.file, range));
            if table.entries.len() == ENTRIES_MAX {
                self.report("too-many-keys", format!("a table has at most {ENTRIES_MAX} keys"), key);
                break;
            }
            if let Some(node) = self.item(item, key, depth) {
                table.entries.push(Entry { name: name.to_owned(), key: Place::At(key), node });
            }
        }
        table
    }

    fn item(&mut self, item: &Item, key: Span, depth: usize) -> Option<Node> {
        let span = item.span().map_or(key, |range| span_in(self.file, range));
        if depth > NESTING_MAX {
            self.report("too-deep", format!("tables and arrays nest at most {NESTING_MAX} deep"), span);
            return None;
        }
        let value = match item {
            Item::None => return None,
            Item::Value(value) => return self.value(value, key, depth),
            Item::Table(table) => Value::Table(self.entries(table, |name| table.key(name), span, depth + 1)),
            Item::ArrayOfTables(tables) => Value::List(
                tables
                    .iter()
                    .map(|table| {
                        let place = table.span().map_or(span, |range| span_in(self.file, range));
                        let inner = self.entries(table, |name| table.key(name), place, depth + 2);
                        Node::new(Value::Table(inner), Place::At(place))
                    })
                    .collect(),
            ),
        };
        Some(Node::new(value, Place::At(span)))
    }

    fn value(&mut self, value: &toml_edit::Value, key: Span, depth: usize) -> Option<Node> {
        let span = value.span().map_or(key, |range| span_in(self.file, range));
        if depth > NESTING_MAX {
            self.report("too-deep", format!("tables and arrays nest at most {NESTING_MAX} deep"), span);
            return None;
        }
        let value = match value {
            toml_edit::Value::Boolean(flag) => Value::Bool(*flag.value()),
            toml_edit::Value::Integer(number) => Value::Integer(*number.value()),
            toml_edit::Value::Float(number) => Value::Real(*number.value()),
            toml_edit::Value::String(text) => Value::Text(text.value().clone()),
            toml_edit::Value::Datetime(date) => Value::Date(date.value().to_string()),
            toml_edit::Value::Array(items) => self.array(items, span, depth),
            toml_edit::Value::InlineTable(table) => self.inline_table(table, span, depth),
        };
        Some(Node::new(value, Place::At(span)))
    }

    fn array(&mut self, items: &Array, span: Span, depth: usize) -> Value {
        Value::List(items.iter().filter_map(|item| self.value(item, span, depth + 1)).collect())
    }

    fn inline_table(&mut self, table: &InlineTable, span: Span, depth: usize) -> Value {
        let mut entries = Table::default();
        for (name, value) in table.iter() {
            let key = table.key(name).and_then(Key::span).map_or(span, |range| span_in(self.file, range));
            if entries.entries.len() == ENTRIES_MAX {
                self.report("too-many-keys", format!("a table has at most {ENTRIES_MAX} keys"), key);
                break;
            }
            if let Some(node) = self.value(value, key, depth + 1) {
                entries.entries.push(Entry { name: name.to_owned(), key: Place::At(key), node });
            }
        }
        Value::Table(entries)
    }

    fn report(&mut self, code: &'static str, message: String, span: Span) {
        self.diagnostics.push(Diagnostic::new(code, message).at(span, ""));
    }
}
