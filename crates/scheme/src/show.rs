//! Writes a resolved tree as TOML and as JSON, in a fixed order.

use std::fmt::Write as _;

use crate::tree::{Entry, Table, Value};

/// The tree as JSON, keys in the tree's order.
pub(crate) fn json(table: &Table) -> serde_json::Value {
    table.entries.iter().map(|entry| (entry.name.clone(), json_value(&entry.node.value))).collect()
}

pub(crate) fn json_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(flag) => (*flag).into(),
        Value::Integer(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Text(text) | Value::Date(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(|item| json_value(&item.value)).collect(),
        Value::Table(table) => json(table),
        Value::Removed => serde_json::Value::Null,
    }
}

/// The tree as TOML: a table's values before its tables, one header a table.
pub(crate) fn toml(table: &Table) -> String {
    let mut text = String::new();
    write_table(table, "", &mut text);
    text
}

fn write_table(table: &Table, path: &str, text: &mut String) {
    let (tables, values): (Vec<&Entry>, Vec<&Entry>) =
        table.entries.iter().partition(|entry| entry.node.table().is_some());
    if !path.is_empty() && !values.is_empty() {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}[{path}]"); // writing to a String cannot fail
    }
    for entry in values {
        let _ = writeln!(text, "{} = {}", entry.name, toml_value(&entry.node.value));
    }
    for entry in tables {
        let name = key(&entry.name);
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        if let Value::Table(inner) = &entry.node.value {
            write_table(inner, &path, text);
        }
    }
}

/// A key as TOML: in quotes where it has a dot, as the names of layers may.
fn key(name: &str) -> String {
    let bare = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

/// One value as TOML. Numbers in the shortest form that reads back exactly.
pub(crate) fn toml_value(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Date(text) => text.clone(),
        Value::Text(text) => quoted(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| toml_value(&item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => {
            let entries: Vec<String> = table
                .entries
                .iter()
                .map(|entry| format!("{} = {}", entry.name, toml_value(&entry.node.value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Removed => String::new(),
    }
}

/// A basic string on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            character if character.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", character as u32); // control characters are below U+10000
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
