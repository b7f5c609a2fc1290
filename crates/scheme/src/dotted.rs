//! Layers whose names have dots: `layer1.0.conv1`.
//!
//! Such a name is one key of `model.layers`: `[model.layers."layer1.0.conv1"]`. Without the quotes TOML reads it as
//! tables in tables; no setting of a layer is a table, so these can only be meant as the name, and are brought to it.

use crate::parse::ENTRIES_MAX;
use crate::tree::{Entry, Node, Place, Table, Value};

/// The table whose keys may have dots.
pub(crate) const DOTTED: &str = "model.layers";

/// Makes one layer of each chain of tables below `model.layers`, in the order of the text. What would say a layer twice,
/// or more layers than a table may have, stays as it is: the checks find no `op` in it.
pub(crate) fn join_names(tree: &mut Table) {
    let Some(Node { value: Value::Table(layers), .. }) = tree.at_mut(DOTTED) else { return };
    if layers.entries.iter().all(|entry| !entry.node.table().is_some_and(has_tables)) {
        return;
    }
    let mut joined = Vec::new();
    layers.entries.iter().for_each(|entry| collect(entry.clone(), &mut joined));
    joined.sort_by_key(|entry: &Entry| start(entry.key));
    let mut names: Vec<&str> = joined.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    if names.len() <= ENTRIES_MAX && names.windows(2).all(|pair| pair[0] != pair[1]) {
        layers.entries = joined;
    }
}

/// The path of a setting as the text writes it, with a layer's name as one key.
pub(crate) fn join_path(path: &[String]) -> Vec<String> {
    match path {
        [model, layers, name @ .., key] if format!("{model}.{layers}") == DOTTED && name.len() > 1 => {
            vec![model.clone(), layers.clone(), name.join("."), key.clone()]
        }
        _ => path.to_vec(),
    }
}

/// The path of a table's header, with a layer's name as one key.
pub(crate) fn join_header(path: &[String]) -> Vec<String> {
    match path {
        [model, layers, name @ ..] if format!("{model}.{layers}") == DOTTED && name.len() > 1 => {
            vec![model.clone(), layers.clone(), name.join(".")]
        }
        _ => path.to_vec(),
    }
}

fn has_tables(table: &Table) -> bool {
    table.entries.iter().any(|entry| entry.node.table().is_some())
}

fn start(place: Place) -> usize {
    place.span().map_or(0, |span| span.start)
}

/// The layers that `entry` and the tables in it stand for.
fn collect(mut entry: Entry, joined: &mut Vec<Entry>) {
    let Value::Table(table) = &mut entry.node.value else { return joined.push(entry) };
    let below: Vec<Entry> = table.entries.extract_if(.., |inner| inner.node.table().is_some()).collect();
    let (name, place) = (entry.name.clone(), entry.node.place);
    if below.is_empty() || !table.entries.is_empty() {
        joined.push(entry);
    }
    for inner in below {
        let name = format!("{name}.{}", inner.name);
        let key = if start(inner.key) == 0 { place } else { inner.key };
        collect(Entry { name, key, ..inner }, joined);
    }
}

#[cfg(test)]
mod tests {
    use base::{Diagnostics, FileId};

    use super::*;
    use crate::parse::parse;

    fn check(text: &str, expect: &[&str]) {
        let mut tree = parse(text, FileId(0), &mut Diagnostics::default()).unwrap();
        join_names(&mut tree);
        let layers = tree.at(DOTTED).and_then(Node::table).unwrap();
        let names: Vec<&str> = layers.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, expect, "{text}");
    }

    #[test]
    fn chains_of_tables_are_names() {
        let nested = "[model.layers.a.0]\nop = 'relu'\n[model.layers.b]\nop = 'relu'\n[model.layers.a.1]\nop = 'relu'\n";
        check(nested, &["a.0", "b", "a.1"]);
        check("model.layers.a.0.b.units = 3\nmodel.layers.a.op = 'dense'\n", &["a", "a.0.b"]);
        check("[model.layers.'a.0']\nop = 'relu'\n[model.layers.b]\n", &["a.0", "b"]);
        check("[model.layers]\na = 1\n", &["a"]);
    }

    #[test]
    fn paths_name_the_layer_as_one_key() {
        let words = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        for (path, expect) in [
            ("model/layers/a/0/conv/kernel", "model/layers/a.0.conv/kernel"),
            ("model/layers/a/kernel", "model/layers/a/kernel"),
            ("model/layers/a", "model/layers/a"),
            ("train/optimizer/name/x/y", "train/optimizer/name/x/y"),
        ] {
            assert_eq!(join_path(&words(path)), words(expect));
        }
    }

    #[test]
    fn a_layer_said_twice_stays_apart() {
        check("[model.layers.'a.0']\nop = 'relu'\n[model.layers.a.0]\nop = 'tanh'\n", &["a.0", "a"]);
    }
}
