//! `heirloom scheme explain`.

use base::SourceMap;
use scheme::{Explanation, Origin, Overridden};
use serde_json::{Value, json};

use super::Checked;
use crate::arguments::{Json, SchemeChoice, StoreChoice};
use crate::failure::Failure;
use crate::tables::{Column, facts, table};
use crate::{diagnostics, terminal};

/// Keys and places are not broken into lines, so that they can be searched and copied.
const UNBROKEN: usize = u16::MAX as usize;

/// Tells where the values at `key`, or all of them, came from.
pub(super) fn explain(
    choice: &SchemeChoice,
    key: Option<&str>,
    json: Json,
    store: &StoreChoice,
) -> Result<(), Failure> {
    let Checked { scheme, sources, .. } = choice.resolve(store)?;
    let found = match scheme.explain(key) {
        Ok(found) => found,
        Err(mistake) => return Err(Failure::mistakes(mistake.into(), sources)),
    };
    let whole = key.and_then(|key| found.first().filter(|only| only.key == key));
    if json.wanted {
        let all = || found.iter().map(|explanation| document(explanation, &sources)).collect();
        return terminal::print_json(&whole.map_or_else(all, |one| document(one, &sources)));
    }
    diagnostics::report_notes(&scheme.notes, &sources);
    terminal::print(&whole.map_or_else(|| list(&found, &sources), |one| draw(one, &sources)))
}

fn document(explanation: &Explanation, sources: &SourceMap) -> Value {
    let overrode = explanation.overrode.iter().map(|older| {
        json!({
            "value": older.value,
            "source": source(older.origin),
            "origin": place(older.origin, sources),
            "generation": generation(older.origin),
        })
    });
    json!({
        "key": explanation.key,
        "value": explanation.value,
        "source": source(explanation.origin),
        "origin": place(explanation.origin, sources),
        "generation": generation(explanation.origin),
        "overrode": overrode.collect::<Vec<_>>(),
        "derived_from": explanation.derived_from,
    })
}

fn source(origin: Origin) -> &'static str {
    match origin {
        Origin::Default => "default",
        Origin::Derived => "derived",
        Origin::File { .. } => "file",
        Origin::Architecture { .. } => "architecture",
        Origin::Override { .. } => "set",
    }
}

fn place(origin: Origin, sources: &SourceMap) -> Value {
    let (Origin::File { span, .. } | Origin::Architecture { span, .. } | Origin::Override { span }) = origin
    else {
        return Value::Null;
    };
    let at = sources.line_column(span);
    json!({ "file": sources.get(span.file).name, "line": at.line, "column": at.column })
}

fn generation(origin: Origin) -> Option<u32> {
    match origin {
        Origin::File { generation, .. } | Origin::Architecture { generation, .. } => Some(generation),
        Origin::Default | Origin::Derived | Origin::Override { .. } => None,
    }
}

/// `child.toml:3:10`, or why there is no such place.
fn place_text(origin: Origin, sources: &SourceMap) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::Derived => "derived".to_owned(),
        Origin::File { span, .. } | Origin::Architecture { span, .. } | Origin::Override { span } => {
            let at = sources.line_column(span);
            let name = terminal::printable(&sources.get(span.file).name);
            format!("{name}:{}:{}", at.line, at.column)
        }
    }
}

fn from(explanation: &Explanation, sources: &SourceMap) -> String {
    let place = place_text(explanation.origin, sources);
    match (explanation.origin, explanation.derived_from.as_slice()) {
        (Origin::Derived, []) => "derived from the file's name".to_owned(),
        (Origin::Derived, keys) => format!("derived from {}", keys.join(", ")),
        _ => place,
    }
}

fn overrode(older: &Overridden, sources: &SourceMap) -> String {
    let place = place_text(older.origin, sources);
    match &older.value {
        Some(value) => format!("{} at {place}", terminal::printable(&value.to_string())),
        None => format!("taken out at {place}"),
    }
}

/// One value.
fn draw(explanation: &Explanation, sources: &SourceMap) -> String {
    let generation = match generation(explanation.origin) {
        None => String::new(),
        Some(0) => "0, the scheme itself".to_owned(),
        Some(number) => number.to_string(),
    };
    let older = explanation
        .overrode
        .iter()
        .enumerate()
        .map(|(index, older)| (if index == 0 { "overrode" } else { "" }, overrode(older, sources)));
    let mut rows = vec![
        ("key", explanation.key.clone()),
        ("value", terminal::printable(&explanation.value.to_string())),
        ("from", from(explanation, sources)),
        ("generation", generation),
    ];
    rows.extend(older);
    rows.retain(|(_, fact)| !fact.is_empty());
    facts(UNBROKEN, rows)
}

/// Many values.
fn list(found: &[Explanation], sources: &SourceMap) -> String {
    let rows = found.iter().map(|explanation| {
        let older: Vec<String> = explanation.overrode.iter().map(|older| overrode(older, sources)).collect();
        [
            explanation.key.clone(),
            terminal::printable(&explanation.value.to_string()),
            from(explanation, sources),
            older.join("; "),
        ]
    });
    let columns =
        [Column::Text("key"), Column::Text("value"), Column::Text("from"), Column::Text("overrode")];
    table(UNBROKEN, &columns, rows)
}
