//! `heirloom model list`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use store::{ModelSummary, ModelVersion};

use super::version;
use crate::arguments::{Json, StoreChoice};
use crate::failure::Failure;
use crate::tables::{Column, table};
use crate::{quantities, terminal};

/// Lists every model.
pub(super) fn list(json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    let store = choice.open()?;
    let models = store.list_models()?;
    if json.wanted {
        let all: Vec<Value> = models.iter().map(summary).collect();
        return terminal::print_json(&json!({ "store": store.path().display().to_string(), "models": all }));
    }
    if models.is_empty() {
        let line = format!("no model in {} yet: `heirloom run SCHEME` makes one\n", store.path().display());
        return terminal::print(&line);
    }
    let recalled = store.recalled()?;
    let rows = models.iter().map(|model| {
        let aliases = model.aliases.iter().map(|(alias, version)| format!("{alias} -> {version}"));
        row(&model.newest, aliases.collect(), &recalled)
    });
    terminal::print(&table(terminal::width(), &COLUMNS, rows))
}

/// Lists every version of one model.
pub(super) fn versions(name: &str, json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    let store = choice.open()?;
    let versions = store.versions(name)?;
    let recalled = store.recalled()?;
    if json.wanted {
        let all: Vec<Value> = versions
            .iter()
            .map(|found| {
                let mut document = version(found);
                document["aliases"] = json!(found.aliases);
                document["recalled"] = json!(recalled.contains(&(found.name.clone(), found.version)));
                document
            })
            .collect();
        return terminal::print_json(
            &json!({ "store": store.path().display().to_string(), "versions": all }),
        );
    }
    let rows = versions.iter().map(|version| row(version, version.aliases.clone(), &recalled));
    terminal::print(&table(terminal::width(), &COLUMNS, rows))
}

const COLUMNS: [Column; 5] = [
    Column::Text("model"),
    Column::Text("digest"),
    Column::Number("size"),
    Column::Text("made"),
    Column::Text("aliases"),
];

fn row(version: &ModelVersion, mut notes: Vec<String>, recalled: &BTreeSet<(String, u32)>) -> [String; 5] {
    if recalled.contains(&(version.name.clone(), version.version)) {
        notes.push("RECALLED".to_owned());
    }
    [
        version.id(),
        version.digest.short(),
        quantities::bytes(version.bytes),
        quantities::moment(version.created_unix_ms),
        notes.join(", "),
    ]
}

fn summary(model: &ModelSummary) -> Value {
    let aliases: serde_json::Map<String, Value> =
        model.aliases.iter().map(|(alias, version)| (alias.clone(), json!(version))).collect();
    let mut document = version(&model.newest);
    document["versions"] = json!(model.versions);
    document["aliases"] = Value::Object(aliases);
    document
}
