//! Order keys: numbers that compare by value, or texts that sort as time does, such as ISO dates.
//!
//! Texts sort rightly only if all have one *form*: the same characters at the same places, digits
//! aside. So other forms are refused instead of being put in a wrong order.

use std::cmp::Ordering;

use base::{Diagnostic, Location};

use crate::DataError;
use crate::error::Findings;
use crate::table::Table;

/// How the keys of a source compare.
pub(crate) enum KeyOrder {
    /// Every key is a finite number.
    Number,
    /// By the bytes of the text; all have this form.
    Text(String),
}

impl KeyOrder {
    pub(crate) fn of(keys: &[String]) -> Self {
        match keys.iter().all(|key| number(key).is_some()) {
            true => KeyOrder::Number,
            false => KeyOrder::Text(keys.first().map(|key| form(key)).unwrap_or_default()),
        }
    }

    /// Compares two keys, or a key and a threshold that [`KeyOrder::suits`].
    pub(crate) fn compare(&self, a: &str, b: &str) -> Ordering {
        match self {
            KeyOrder::Number => number(a).unwrap_or(f64::NAN).total_cmp(&number(b).unwrap_or(f64::NAN)),
            KeyOrder::Text(_) => a.cmp(b),
        }
    }

    /// Whether `threshold` can be compared with the keys: a number, or the beginning of a text of their form.
    pub(crate) fn suits(&self, threshold: &str) -> bool {
        match self {
            KeyOrder::Number => number(threshold).is_some(),
            KeyOrder::Text(expected) => !threshold.is_empty() && expected.starts_with(&form(threshold)),
        }
    }
}

/// The key as a finite number, without negative zero.
fn number(key: &str) -> Option<f64> {
    key.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number + 0.0)
}

/// The key with every digit replaced by 0.
fn form(key: &str) -> String {
    key.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect()
}

/// The rows in the order of their keys, equal ones in the file's order. Refuses keys that do not sort, and
/// in a series keys that occur twice.
pub(crate) fn sorted_rows(
    table: &Table,
    keys: &[String],
    column: &str,
    series: bool,
) -> Result<Vec<usize>, DataError> {
    let order = KeyOrder::of(keys);
    let mut findings = Findings::default();
    if let KeyOrder::Text(expected) = &order {
        findings.extend(year_last(table, keys, expected, column));
        let other = keys.iter().zip(&table.lines).filter(|(key, _)| key.is_empty() || form(key) != *expected);
        findings.extend(other.map(|(key, line)| other_form(table, column, key, *line, &keys[0])));
    }
    let mut rows: Vec<usize> = (0..keys.len()).collect();
    rows.sort_by(|&a, &b| order.compare(&keys[a], &keys[b]));
    if series {
        let twice = rows.windows(2).filter(|pair| order.compare(&keys[pair[0]], &keys[pair[1]]).is_eq());
        findings.extend(twice.map(|pair| repeated(table, column, &keys[pair[1]], pair)));
    }
    findings.finish()?;
    Ok(rows)
}

fn other_form(table: &Table, column: &str, key: &str, line: u64, first: &str) -> Diagnostic {
    let cell = if key.is_empty() { "an empty cell".to_owned() } else { format!("`{key}`") };
    let message =
        format!("the order column `{column}` holds {cell}, which does not have the form of `{first}`");
    Diagnostic::new("order-key", message)
        .label(Location::line(&table.path, line), "")
        .help("keys that are not numbers are compared as text: write dates as 2024-01-31")
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

fn repeated(table: &Table, column: &str, key: &str, pair: &[usize]) -> Diagnostic {
    let message = format!("the order column `{column}` holds `{key}` twice, so the table is not one series");
    Diagnostic::new("repeated-key", message)
        .label(Location::line(&table.path, table.lines[pair[1]]), "")
        .label(Location::line(&table.path, table.lines[pair[0]]), "the first")
        .help("filter the rows of one series, such as one ticker")
}
