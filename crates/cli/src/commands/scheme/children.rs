//! `heirloom scheme children`.

use scheme::EMBEDDED;
use serde_json::{Value, json};
use store::Store;

use crate::arguments::{Json, StoreChoice};
use crate::failure::Failure;
use crate::tables::{Column, table};
use crate::terminal;

/// A scheme or a model that goes back to a scheme directly.
struct Child {
    kind: &'static str,
    name: String,
    version: u32,
    /// How it names what it inherits.
    inherits: String,
    pinned: Option<u32>,
    behind: u32,
}

/// Tells who inherits from the scheme `name`, and how far behind its newest version they are.
pub(super) fn children(name: &str, json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    let store = choice.open()?;
    let newest = match EMBEDDED.iter().find(|embedded| embedded.name == name) {
        Some(embedded) => embedded.version,
        None => store.scheme_version(name)?.version,
    };
    let mut found = schemes(&store, name)?;
    found.extend(models(&store, name, newest)?);
    if json.wanted {
        let all: Vec<Value> = found.iter().map(document).collect();
        return terminal::print_json(&json!({ "scheme": name, "newest": newest, "children": all }));
    }
    if found.is_empty() {
        return terminal::print(&format!("nothing in the store inherits {name}\n"));
    }
    let columns =
        [Column::Text("child"), Column::Text("kind"), Column::Text("inherits"), Column::Number("behind")];
    let rows = found.into_iter().map(|child| {
        [
            format!("{}@{}", child.name, child.version),
            child.kind.to_owned(),
            child.inherits,
            child.behind.to_string(),
        ]
    });
    terminal::print(&table(terminal::width(), &columns, rows))
}

fn schemes(store: &Store, name: &str) -> Result<Vec<Child>, Failure> {
    let found = store.scheme_children(name)?.into_iter().map(|child| Child {
        kind: "scheme",
        name: child.child.name,
        version: child.child.version,
        inherits: child.reference,
        pinned: child.pinned,
        behind: child.behind,
    });
    Ok(found.collect())
}

/// Models whose newest version was made by a version of the scheme `name`.
fn models(store: &Store, name: &str, newest: u32) -> Result<Vec<Child>, Failure> {
    let versions = store.list_schemes()?.into_iter().filter(|version| version.name == name);
    let versions: Vec<_> = versions.collect();
    let models = store.list_models()?;
    let children = models.into_iter().filter_map(|model| {
        let digest = model.newest.scheme_digest;
        let made_by = versions.iter().rev().find(|version| version.scheme_digest == digest)?;
        Some(Child {
            kind: "model",
            name: model.newest.name,
            version: model.newest.version,
            inherits: made_by.id(),
            pinned: Some(made_by.version),
            behind: newest.saturating_sub(made_by.version),
        })
    });
    Ok(children.collect())
}

fn document(child: &Child) -> Value {
    json!({
        "kind": child.kind,
        "name": child.name,
        "version": child.version,
        "inherits": child.inherits,
        "pinned": child.pinned,
        "behind": child.behind,
    })
}
