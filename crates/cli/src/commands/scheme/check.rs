//! `heirloom scheme check`.

use base::Diagnostic;
use serde_json::{Value, json};

use super::Checked;
use crate::arguments::{Json, SchemeChoice, StoreChoice};
use crate::failure::Failure;
use crate::{diagnostics, terminal};

/// Says that a scheme is right, or everything that is wrong with it.
pub(super) fn check(choice: &SchemeChoice, json: Json, store: &StoreChoice) -> Result<(), Failure> {
    let Checked { scheme, sources, .. } = choice.resolve(store)?;
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

fn note(note: &Diagnostic) -> Value {
    json!({ "code": note.code, "message": note.message, "help": note.help })
}
