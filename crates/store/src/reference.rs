//! From what a user types to a model version: `name`, `name@N`, `name@alias`, digest prefix.

use base::{Diagnostic, nearest};

use crate::database::{Rows, values};
use crate::error::RowError;
use crate::limits::LISTED_MAX;
use crate::versions::{aliases, newest_number, version_numbers};

/// Digits of a digest that a reference needs at least.
const PREFIX_DIGITS_MIN: usize = 8;

/// A version that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) version: u32,
}

/// The version that `reference` names.
pub(crate) fn find(rows: &dyn Rows, reference: &str) -> Result<Found, RowError> {
    let (name, rest) = match reference.split_once('@') {
        Some((name, rest)) => (name, Some(rest)),
        None => (reference, None),
    };
    let Some(newest) = newest_number(rows, name)? else {
        return match rest {
            None if is_prefix(name) => find_digest(rows, name),
            _ => Err(unknown_model(rows, name)?.into()),
        };
    };
    let version = match rest {
        None => newest,
        Some(rest) if is_number(rest) => find_number(rows, name, rest)?,
        Some(rest) => find_alias(rows, name, rest)?,
    };
    Ok(Found { name: name.to_owned(), version })
}

/// Says that there is no model `name`, and which there are.
pub(crate) fn unknown_model(rows: &dyn Rows, name: &str) -> Result<Diagnostic, RowError> {
    let known: Vec<String> =
        rows.all("SELECT DISTINCT name FROM versions ORDER BY name", &[], |row| row.get(0))?;
    let diagnostic = Diagnostic::new("unknown-model", format!("there is no model `{}`", shown(name)));
    if known.is_empty() {
        return Ok(diagnostic.help("the store holds no model yet; `heirloom run SCHEME` registers one"));
    }
    Ok(suggest(diagnostic, name, "the models are", &known))
}

/// Says that `name` has no version `wanted`, and which it has.
pub(crate) fn unknown_version(numbers: &[u32], name: &str, wanted: &str) -> Diagnostic {
    let message = format!("model `{name}` has no version {wanted}");
    let newest: Vec<String> = numbers.iter().rev().map(u32::to_string).collect();
    Diagnostic::new("unknown-version", message)
        .help(format!("its versions are, newest first: {}", listed(&newest)))
}

fn find_number(rows: &dyn Rows, name: &str, wanted: &str) -> Result<u32, RowError> {
    if let Ok(number) = wanted.parse::<u32>()
        && rows.exists("SELECT 1 FROM versions WHERE name = ?1 AND version = ?2", values![name, number])?
    {
        return Ok(number);
    }
    Err(unknown_version(&version_numbers(rows, name)?, name, &shown(wanted)).into())
}

fn find_alias(rows: &dyn Rows, name: &str, alias: &str) -> Result<u32, RowError> {
    if let Some(version) = alias_target(rows, name, alias)? {
        return Ok(version);
    }
    let known: Vec<String> = aliases(rows, name)?.into_iter().map(|(alias, _)| alias).collect();
    let message = format!("model `{name}` has no alias `{}`", shown(alias));
    let diagnostic = Diagnostic::new("unknown-alias", message);
    if known.is_empty() {
        return Err(diagnostic
            .help(format!("it has no alias at all; `{name}` names its newest version"))
            .into());
    }
    Err(suggest(diagnostic, alias, "its aliases are", &known).into())
}

/// The version that `name@alias` points at, if there is such an alias.
pub(crate) fn alias_target(rows: &dyn Rows, name: &str, alias: &str) -> Result<Option<u32>, RowError> {
    rows.first("SELECT version FROM aliases WHERE name = ?1 AND alias = ?2", values![name, alias], |row| {
        row.get(0)
    })
}

/// The oldest version of the one model whose digest begins with `prefix`.
fn find_digest(rows: &dyn Rows, prefix: &str) -> Result<Found, RowError> {
    let from = prefix.to_lowercase();
    let to = format!("{from}g"); // after every digest that begins with `from`
    let matches: Vec<(String, Found)> = rows.all(
        "SELECT model, name, version FROM versions WHERE model >= ?1 AND model < ?2
         ORDER BY model, created_unix_ms, name, version",
        values![&from, &to],
        |row| Ok((row.get(0)?, Found { name: row.get(1)?, version: row.get(2)? })),
    )?;
    let Some((digest, found)) = matches.first() else {
        return Err(unknown_model(rows, prefix)?.into());
    };
    if matches.iter().any(|(other, _)| other != digest) {
        let models: Vec<String> = matches
            .iter()
            .map(|(digest, found)| format!("{digest} ({}@{})", found.name, found.version))
            .collect();
        let message = format!("several models' digests begin with `{prefix}`");
        return Err(Diagnostic::new("ambiguous-digest", message)
            .help(format!("give more digits of one of {}", listed(&models)))
            .into());
    }
    Ok(found.clone())
}

fn is_prefix(text: &str) -> bool {
    (PREFIX_DIGITS_MIN..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn suggest(diagnostic: Diagnostic, wanted: &str, introduction: &str, known: &[String]) -> Diagnostic {
    let diagnostic = match nearest(&shown(wanted), known.iter().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    };
    diagnostic.help(format!("{introduction} {}", listed(known)))
}

pub(crate) fn listed(items: &[String]) -> String {
    let mut text = items.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if items.len() > LISTED_MAX {
        text += &format!(" and {} more", items.len() - LISTED_MAX);
    }
    text
}

/// What a user typed, fit to be shown.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
