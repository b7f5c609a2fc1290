//! `--set train.epochs=1`: one override, a scheme of a single line.

use base::{Diagnostic, Diagnostics, FileId, Span};
use toml_edit::Key;

use crate::parse;
use crate::tree::{Node, Place, Table, Value};

/// Parses one override, the text of `file`. A value that is no TOML is taken as a text.
pub(crate) fn parse_override(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> Option<Table> {
    let Some(equals) = text.find('=') else {
        diagnostics.push(malformed(
            file,
            text,
            "an override is written `key=value`, such as `train.epochs=1`",
        ));
        return None;
    };
    let (key, value) = (&text[..equals], text[equals + 1..].trim());
    if text.contains(['\n', '\r']) || Key::parse(key).is_err() {
        diagnostics.push(malformed(
            file,
            key,
            "the left side of an override is a dotted key, such as `train.epochs`",
        ));
        return None;
    }
    if text.len() > parse::FILE_BYTES_MAX {
        diagnostics.push(malformed(file, key, "the override is too long"));
        return None;
    }
    let mut ignored = Diagnostics::default();
    if toml_edit::Document::parse(text).is_ok() {
        return parse::parse(text, file, diagnostics);
    }
    // Same positions, a value that surely parses; the real one takes its place.
    let mut table = parse::parse(&format!("{key}=0"), file, &mut ignored)?;
    let start = text.len() - text[equals + 1..].trim_start().len();
    let span = Span { file, start, end: start + value.len() };
    replace_leaf(&mut table, Node::new(Value::Text(value.to_owned()), Place::At(span)));
    Some(table)
}

fn malformed(file: FileId, text: &str, expected: &str) -> Diagnostic {
    Diagnostic::new("malformed-override", format!("{expected}; found `{text}`"))
        .at(Span { file, start: 0, end: text.len() }, "")
}

/// Replaces the only leaf of a chain of tables with one key each.
fn replace_leaf(table: &mut Table, leaf: Node) {
    if let Some(entry) = table.entries.first_mut() {
        match &mut entry.node.value {
            Value::Table(inner) => replace_leaf(inner, leaf),
            _ => entry.node = leaf,
        }
    }
}
