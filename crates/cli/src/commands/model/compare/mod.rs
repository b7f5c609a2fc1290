//! `heirloom model compare`: one comparison, drawn as tables, as JSON or as a page.

mod page;
mod pictures;
mod text;

use pipeline::{CompareOptions, Compared, ModelComparison, compare_models};
use serde_json::{Value, json};

use crate::arguments::Compare;
use crate::commands::run::threads;
use crate::failure::Failure;
use crate::{disk, terminal};

/// Cases of each kind that a page shows with their inputs.
const INPUTS_MAX: usize = 60;

/// Compares a model with earlier ones.
pub(super) fn compare(arguments: &Compare) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let options = CompareOptions {
        threads: threads(arguments.threads),
        tolerance: arguments.tolerance,
        inputs_max: if arguments.html.is_some() { INPUTS_MAX } else { 0 },
    };
    let found = compare_models(&store, &arguments.child, &arguments.parents, options)?;
    if let Some(file) = &arguments.html {
        disk::write_whole(file, page::page(&found).as_bytes())?;
    }
    if arguments.json.wanted {
        let mut documents: Vec<Value> = found.iter().map(document).collect();
        return terminal::print_json(&match documents.len() {
            1 => documents.remove(0),
            _ => Value::Array(documents),
        });
    }
    let drawn: Vec<String> = found.iter().map(|one| text::draw(one, terminal::width())).collect();
    terminal::print(&drawn.join("\n"))
}

/// One comparison as JSON: that of the classes or numbers, between who was compared and what surrounds it.
fn document(found: &ModelComparison) -> Value {
    let mut document = json!({
        "parent": found.before.model,
        "child": found.after.model,
        "task": match found.outcome {
            Compared::Classes(_) => "classification",
            Compared::Values(_) => "regression",
        },
    });
    let more = json!({
        "models": { "before": found.before, "after": found.after },
        "notices": found.notices,
    });
    if let Value::Object(document) = &mut document {
        for part in [json!(found.outcome), more] {
            document.extend(part.as_object().cloned().unwrap_or_default());
        }
    }
    document
}
