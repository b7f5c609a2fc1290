//! `heirloom scheme list`.

use scheme::{EMBEDDED, Embedded, resolve};
use serde_json::json;
use toml_edit::Document;

use crate::arguments::Json;
use crate::disk::DiskFiles;
use crate::failure::Failure;
use crate::tables::{Column, table};
use crate::terminal;

/// Lists the schemes built in.
pub(super) fn list(json: Json) -> Result<(), Failure> {
    if json.wanted {
        let all = EMBEDDED.iter().map(|scheme| {
            json!({
                "name": scheme.name,
                "version": scheme.version,
                "use": purpose(scheme),
                "description": description(scheme),
            })
        });
        return terminal::print_json(&json!({ "schemes": all.collect::<Vec<_>>() }));
    }
    let rows = EMBEDDED.iter().map(|scheme| {
        [format!("{}@{}", scheme.name, scheme.version), purpose(scheme).to_owned(), description(scheme)]
    });
    let columns = [Column::Text("scheme"), Column::Text("to"), Column::Text("description")];
    terminal::print(&table(terminal::width(), &columns, rows))
}

/// Whether a scheme is complete.
fn purpose(scheme: &Embedded) -> &'static str {
    if resolve(scheme.name.as_ref(), &[], &DiskFiles).result.is_ok() { "run" } else { "inherit" }
}

/// What a scheme says of itself.
fn description(scheme: &Embedded) -> String {
    let document = Document::parse(scheme.text).ok();
    let text = document.as_ref().and_then(|document| document.get("description")?.as_str());
    text.unwrap_or_default().to_owned()
}
