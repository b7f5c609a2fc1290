//! What a scheme chooses, and its layers in the place of those it inherits.

use super::text;
use crate::dotted::DOTTED;
use crate::tree::{Entry, Node, Place, Table, Value};

/// The keys that choose an architecture. They are written out as layers: a resolved scheme has none of them.
pub(crate) const EXPANDED: [&str; 2] = ["architecture", "hidden"];

/// An architecture that a text chooses.
pub(crate) struct Chosen {
    /// Its name.
    pub(crate) name: String,
    /// Its layers in the scheme language.
    pub(crate) text: String,
    /// Where it is chosen.
    pub(crate) place: Place,
}

/// What the text `own` chooses over `base`, which it inherits: it says the architecture, or a setting of the inherited
/// one. `None` too for what is no name of one, which the checks report.
pub(crate) fn chosen(own: &Table, base: &Table) -> Option<Chosen> {
    let says = |key: &str| own.at(&format!("model.{key}"));
    let place = EXPANDED.into_iter().find_map(says)?.place;
    let known = |key: &str| says(key).or_else(|| base.at(&format!("model.{key}")));
    let name = known("architecture")?.text()?;
    let hidden: Option<Vec<i64>> =
        known("hidden").and_then(Node::list).map(|units| units.iter().filter_map(Node::integer).collect());
    Some(Chosen { name: name.to_owned(), text: text(name, hidden.as_deref())?, place })
}

/// Puts the layers of `architecture`, a parsed text, in the place of those in `base`. Those that it lacks are taken out at
/// `place`; what stood under a name before stays known.
pub(crate) fn put_layers(base: &mut Table, architecture: &Table, place: Place) {
    let Some(new) = architecture.at(DOTTED).and_then(Node::table) else { return };
    let Some(layers) = layers_of(base, place) else { return };
    let mut older = std::mem::take(layers);
    for entry in &new.entries {
        let mut node = entry.node.clone();
        if let Some(Entry { node: mut known, .. }) = older.take(&entry.name) {
            known.replace(node);
            node = known;
        }
        layers.entries.push(Entry { node, ..entry.clone() });
    }
    for mut entry in older.entries {
        entry.node.replace(Node::new(Value::Removed, place));
        layers.entries.push(entry);
    }
}

/// The table of the layers in `base`, made if there is none; `None` if it is no table, which the checks report.
fn layers_of(base: &mut Table, place: Place) -> Option<&mut Table> {
    let mut table = base;
    for key in DOTTED.split('.') {
        let missing = table.get(key).is_none_or(|node| node.value == Value::Removed);
        if missing {
            let node = Node::new(Value::Table(Table::default()), place);
            table.put(Entry { name: key.to_owned(), key: place, node });
        }
        match &mut table.get_mut(key)?.value {
            Value::Table(inner) => table = inner,
            _ => return None,
        }
    }
    Some(table)
}
