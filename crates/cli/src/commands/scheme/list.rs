//! `heirloom scheme list`.

use scheme::{EMBEDDED, Embedded, resolve};
use serde_json::json;
use store::SchemeVersion;
use toml_edit::Document;

use crate::arguments::{Json, StoreChoice};
use crate::disk::DiskFiles;
use crate::failure::Failure;
use crate::tables::{Column, table};
use crate::terminal;

/// A scheme to run or to inherit from.
struct Listed {
    name: String,
    version: u32,
    /// `run`, or `inherit` for one that is not complete.
    purpose: &'static str,
    /// `built-in` or `registered`.
    from: &'static str,
    description: String,
}

/// Lists the schemes built in, and those of the store if there is one.
pub(super) fn list(json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    let mut all: Vec<Listed> = EMBEDDED.iter().map(built_in).collect();
    if let Some(store) = choice.open_if_any()? {
        all.extend(store.list_schemes()?.into_iter().map(registered));
    }
    if json.wanted {
        let all = all.iter().map(|scheme| {
            json!({
                "name": scheme.name,
                "version": scheme.version,
                "use": scheme.purpose,
                "from": scheme.from,
                "description": scheme.description,
            })
        });
        return terminal::print_json(&json!({ "schemes": all.collect::<Vec<_>>() }));
    }
    let rows = all.into_iter().map(|scheme| {
        let Listed { name, version, purpose, description, .. } = scheme;
        [format!("{name}@{version}"), purpose.to_owned(), terminal::printable(&description)]
    });
    let columns = [Column::Text("scheme"), Column::Text("to"), Column::Text("description")];
    terminal::print(&table(terminal::width(), &columns, rows))
}

fn built_in(scheme: &Embedded) -> Listed {
    let complete = resolve(scheme.name.as_ref(), &[], &DiskFiles).result.is_ok();
    Listed {
        name: scheme.name.to_owned(),
        version: scheme.version,
        purpose: if complete { "run" } else { "inherit" },
        from: "built-in",
        description: description(scheme),
    }
}

/// Only what is complete can be registered.
fn registered(scheme: SchemeVersion) -> Listed {
    let SchemeVersion { name, version, description, .. } = scheme;
    Listed { name, version, purpose: "run", from: "registered", description }
}

/// What a scheme says of itself.
fn description(scheme: &Embedded) -> String {
    let document = Document::parse(scheme.text).ok();
    let text = document.as_ref().and_then(|document| document.get("about")?.get("description")?.as_str());
    text.unwrap_or_default().to_owned()
}
