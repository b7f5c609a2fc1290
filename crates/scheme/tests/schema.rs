//! The JSON Schema for editors says of scheme texts what the checks say.

mod case;

use std::collections::BTreeSet;
use std::path::Path;

use base::{Diagnostics, FileId, Location};
use case::{case_files, parse_cases};
use jsonschema::Validator;
use scheme::{EMBEDDED, Part, json_schema, resolve};
use serde_json::{Value as Json, json};
use toml_edit::{Document, Item, TableLike, Value as Toml};

/// Mistakes that a schema can see: they concern one key of one file.
const VISIBLE: [&str; 4] = ["unknown-key", "wrong-type", "out-of-range", "unknown-name"];

fn validator() -> Validator {
    jsonschema::draft202012::new(&json_schema()).unwrap_or_else(|error| panic!("{error}"))
}

fn json(text: &str) -> Option<Json> {
    Document::parse(text).ok().map(|document| table(document.as_table()))
}

fn table(table: &dyn TableLike) -> Json {
    Json::Object(table.iter().map(|(key, item)| (key.to_owned(), of_item(item))).collect())
}

fn of_item(item: &Item) -> Json {
    match item {
        Item::None => Json::Null,
        Item::Value(value) => of_value(value),
        Item::Table(inner) => table(inner),
        Item::ArrayOfTables(tables) => tables.iter().map(|inner| table(inner)).collect(),
    }
}

fn of_value(value: &Toml) -> Json {
    match value {
        Toml::String(text) => text.value().as_str().into(),
        Toml::Integer(number) => (*number.value()).into(),
        Toml::Float(number) => (*number.value()).into(),
        Toml::Boolean(flag) => (*flag.value()).into(),
        Toml::Datetime(date) => date.value().to_string().into(),
        Toml::Array(items) => items.iter().map(of_value).collect(),
        Toml::InlineTable(inner) => table(inner),
    }
}

#[test]
fn shipped_schemes_are_valid() {
    let validator = validator();
    for embedded in &EMBEDDED {
        let found = validator
            .iter_errors(&json(embedded.text).unwrap())
            .map(|error| error.to_string())
            .collect::<Vec<_>>();
        assert!(found.is_empty(), "{}: {found:?}", embedded.name);
    }
}

/// What resolves is valid, and so is what it shows; a file with a mistake that a schema can see is not.
#[test]
fn cases_are_valid_when_they_resolve() {
    let validator = validator();
    let (mut valid, mut invalid, mut wrong) = (0, 0, Vec::new());
    for case in case_files().iter().flat_map(|path| parse_cases(&std::fs::read_to_string(path).unwrap())) {
        let title = case.input.lines().next().unwrap_or_default();
        let found = resolve(Path::new(case.root.as_deref().unwrap()), &case.overrides, &case);
        if let Ok(scheme) = &found.result {
            let shown = json(&scheme.to_toml()).unwrap();
            wrong.extend(validator.iter_errors(&shown).map(|error| format!("{title}: {error}")));
        }
        let mistaken = found.result.as_ref().err().map(visible).unwrap_or_default();
        for ((file, source), part) in found.sources.iter().zip(&found.parts) {
            let Some(text) = json(&source.text).filter(|_| *part != Part::Override) else { continue };
            let place = format!("{title}: {}", source.name);
            if case.expect.starts_with("ok") {
                wrong.extend(validator.iter_errors(&text).map(|error| format!("{place}: {error}")));
                valid += 1;
            } else if mistaken.contains(&file) {
                wrong.extend(validator.is_valid(&text).then(|| format!("{place}: should not be valid")));
                invalid += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(valid > 20 && invalid > 20, "{valid} {invalid}");
}

/// The files with a mistake that a schema can see. Of old forms it does not know which format counts.
fn visible(mistakes: &Diagnostics) -> BTreeSet<FileId> {
    let seen = mistakes.0.iter().filter(|mistake| VISIBLE.contains(&mistake.code));
    let seen = seen.filter(|mistake| !mistake.help.iter().any(|help| help.contains("since format")));
    seen.filter_map(|mistake| match mistake.labels.first()?.at {
        Location::Source(span) => Some(span.file),
        Location::File { .. } => None,
    })
    .collect()
}

#[test]
fn editors_get_documentation() {
    let schema = json_schema();
    let expect = json!({
        "type": "integer", "minimum": 1, "maximum": 65_536, "default": 32,
        "description": "Examples per step.",
    });
    assert_eq!(schema["properties"]["train"]["properties"]["batch_size"], expect);
    let steps = schema["properties"]["model"]["properties"]["layers"]["patternProperties"].as_object();
    let stride = &steps.and_then(|steps| steps.values().next()).unwrap()["properties"]["stride"];
    assert_eq!(stride["anyOf"].as_array().unwrap().len(), 2, "that of convolutions and that of pools");
}
