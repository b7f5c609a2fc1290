//! `heirloom model list`.

use serde_json::{Value, json};
use store::ModelSummary;

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
    let columns = [
        Column::Text("model"),
        Column::Text("digest"),
        Column::Number("size"),
        Column::Text("made"),
        Column::Text("aliases"),
    ];
    let rows = models.iter().map(|model| {
        let newest = &model.newest;
        let aliases = model.aliases.iter().map(|(alias, version)| format!("{alias} -> {version}"));
        [
            newest.id(),
            newest.digest.short(),
            quantities::bytes(newest.bytes),
            quantities::moment(newest.created_unix_ms),
            aliases.collect::<Vec<_>>().join(", "),
        ]
    });
    terminal::print(&table(terminal::width(), &columns, rows))
}

fn summary(model: &ModelSummary) -> Value {
    let aliases: serde_json::Map<String, Value> =
        model.aliases.iter().map(|(alias, version)| (alias.clone(), json!(version))).collect();
    let mut document = version(&model.newest);
    document["versions"] = json!(model.versions);
    document["aliases"] = Value::Object(aliases);
    document
}
