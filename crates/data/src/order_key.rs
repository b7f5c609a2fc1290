//! Order keys: texts that sort as time does, such as ISO dates.
//!
//! Keys are compared as text. That is right only if all have one *form*: the same characters at the
//! same places, digits aside. So other forms are refused instead of being put in a wrong order.

use std::collections::BTreeMap;

use base::{Diagnostic, Location};

use crate::DataError;
use crate::error::Findings;
use crate::table::Table;

/// The key with every digit replaced by 0.
pub(crate) fn form(key: &str) -> String {
    key.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect()
}

/// Refuses keys that do not sort as text, and in a series keys that occur twice.
pub(crate) fn check_keys(
    table: &Table,
    keys: &[String],
    column: &str,
    series: bool,
) -> Result<(), DataError> {
    let mut findings = Findings::default();
    let expected = keys.first().map(|key| form(key)).unwrap_or_default();
    if let Some(found) = year_last(table, keys, &expected, column) {
        findings.push(found);
    }
    for (key, line) in
        keys.iter().zip(&table.lines).filter(|(key, _)| key.is_empty() || form(key) != expected)
    {
        let cell = if key.is_empty() { "an empty cell".to_owned() } else { format!("`{key}`") };
        let message = format!(
            "the order column `{column}` holds {cell}, which does not have the form of `{}`",
            keys[0]
        );
        findings.push(
            Diagnostic::new("order-key", message)
                .label(Location::line(&table.path, *line), "")
                .help("keys are compared as text: write dates as 2024-01-31 and numbers with leading zeros"),
        );
    }
    if series {
        let mut seen = BTreeMap::new();
        for (key, &line) in keys.iter().zip(&table.lines) {
            if let Some(before) = seen.insert(key, line) {
                findings.push(repeated(table, column, key, line, before));
            }
        }
    }
    Ok(findings.finish()?)
}

fn year_last(table: &Table, keys: &[String], form: &str, column: &str) -> Option<Diagnostic> {
    let parts: Vec<&str> = form.split(['/', '.', '-']).collect();
    let year_last = matches!(parts[..], ["0" | "00", "0" | "00", "0000" | "00"]);
    let found = || {
        let message = format!(
            "the order column `{column}` holds dates such as `{}`, which do not sort as text",
            keys[0]
        );
        Diagnostic::new("order-key", message)
            .label(Location::line(&table.path, table.lines[0]), "")
            .help("write dates with the year first: 2024-01-31")
    };
    year_last.then(found)
}

fn repeated(table: &Table, column: &str, key: &str, line: u64, before: u64) -> Diagnostic {
    let message = format!("the order column `{column}` holds `{key}` twice, so the table is not one series");
    Diagnostic::new("repeated-key", message)
        .label(Location::line(&table.path, line), "")
        .label(Location::line(&table.path, before), "the first")
        .help("filter the rows of one series, such as one ticker")
}
