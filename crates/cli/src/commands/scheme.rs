//! `heirloom scheme`.

use base::{Diagnostic, SourceMap};
use scheme::{EMBEDDED, Embedded, ResolvedScheme, resolve};
use serde_json::{Value, json};
use toml_edit::Document;

use crate::arguments::{Json, SchemeChoice};
use crate::disk::DiskFiles;
use crate::failure::Failure;
use crate::tables::{Column, table};
use crate::{diagnostics, terminal};

/// A scheme without mistakes, and the texts that it came from.
pub(crate) struct Checked {
    pub(crate) scheme: ResolvedScheme,
    pub(crate) sources: SourceMap,
}

impl SchemeChoice {
    /// Resolves and checks the scheme.
    ///
    /// Errors   everything that is wrong with it.
    pub(crate) fn resolve(&self) -> Result<Checked, Failure> {
        let resolution = resolve(&self.path, &self.overrides, &DiskFiles);
        match resolution.result {
            Ok(scheme) => Ok(Checked { scheme, sources: resolution.sources }),
            Err(found) => Err(Failure::mistakes(found, resolution.sources)),
        }
    }

    /// The scheme as the user typed it.
    pub(crate) fn typed(&self) -> String {
        self.path.display().to_string()
    }
}

/// Says that a scheme is right, or everything that is wrong with it.
pub(crate) fn check(choice: &SchemeChoice, json: Json) -> Result<(), Failure> {
    let Checked { scheme, sources } = choice.resolve()?;
    if json.wanted {
        return terminal::print_json(&json!({
            "scheme": choice.typed(),
            "name": scheme.name,
            "digest": scheme.digest().to_string(),
            "notes": scheme.notes.iter().map(note).collect::<Vec<_>>(),
        }));
    }
    diagnostics::report_notes(&scheme.notes, &sources);
    terminal::print(&format!("{}: no mistakes\n", choice.typed()))
}

/// Shows the resolved scheme.
pub(crate) fn show(choice: &SchemeChoice, json: Json) -> Result<(), Failure> {
    let Checked { scheme, sources } = choice.resolve()?;
    if json.wanted {
        return terminal::print_json(&scheme.to_json());
    }
    diagnostics::report_notes(&scheme.notes, &sources);
    terminal::print(&scheme.to_toml())
}

/// Lists the schemes built in.
pub(crate) fn list(json: Json) -> Result<(), Failure> {
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

fn note(note: &Diagnostic) -> Value {
    json!({ "code": note.code, "message": note.message, "help": note.help })
}
