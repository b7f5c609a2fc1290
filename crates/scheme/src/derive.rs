//! Values computed from other values, after the merge.

use base::{Diagnostic, Diagnostics};

use crate::merge::at;
use crate::sections::{FRACTION_KEYS, FROM_KEYS};
use crate::tree::{Entry, Node, Place, Table, Value};

/// Fills in what follows from what is there. Leaves alone what is there, right or wrong; the checks
/// speak of it.
pub(crate) fn derive(tree: &mut Table, stem: &str, diagnostics: &mut Diagnostics) {
    put(tree, "name", Value::Text(stem.to_owned()));
    derive_format(tree, diagnostics);
    derive_split(tree);
    match task(tree) {
        Some("classification") => {
            derive_training(tree, "cross_entropy", &["accuracy", "loss", "f1_macro", "ece"]);
        }
        Some("regression") => derive_training(tree, "mean_squared_error", &["rmse", "mae", "r2"]),
        _ => {}
    }
}

/// Classification or regression, as far as the tree says.
pub(crate) fn task(tree: &Table) -> Option<&str> {
    match tree.at("data.format")?.text()? {
        "idx" | "images" => Some("classification"),
        _ => tree.at("data.task")?.text(),
    }
}

/// Whether the source brings its own test part.
pub(crate) fn has_own_test_part(tree: &Table) -> bool {
    tree.at("data.source").and_then(Node::text) == Some("mnist") || tree.at("data.test_images").is_some()
}

fn derive_format(tree: &mut Table, diagnostics: &mut Diagnostics) {
    let Some(data) = tree.get("data").and_then(Node::table) else { return };
    if data.get("format").is_some() {
        return;
    }
    let format = match data.get("source") {
        Some(source) => match source.text() {
            Some("mnist") => "idx",
            Some("stocks") => "csv",
            Some(path) if path.ends_with(".csv") || path.ends_with(".csv.gz") => "csv",
            Some(path) if is_idx(path) => {
                let message = "IDX files come in pairs, so `source` cannot name one";
                let diagnostic = at(Diagnostic::new("impossible-combination", message), source.place, "");
                diagnostics
                    .push(diagnostic.help("name them with `images` and `labels`, and leave `source` out"));
                return;
            }
            Some(_) => "images",
            None => return,
        },
        None if data.get("images").is_some() => "idx",
        None => {
            let place = tree.get("data").map_or(Place::Default, |node| node.place);
            let diagnostic = Diagnostic::new("missing-key", "[data] has no `source`");
            diagnostics.push(at(diagnostic, place, "").help(
                "name an embedded data set (mnist, stocks), a folder of images or a .csv file; or IDX files with `images` and `labels`",
            ));
            return;
        }
    };
    if let Some(Node { value: Value::Table(data), .. }) = tree.get_mut("data") {
        put(data, "format", Value::Text(format.to_owned()));
    }
}

fn is_idx(path: &str) -> bool {
    let path = path.strip_suffix(".gz").unwrap_or(path);
    ["-ubyte", ".idx", ".idx1", ".idx3"].iter().any(|ending| path.ends_with(ending))
}

fn derive_split(tree: &mut Table) {
    let own_test = has_own_test_part(tree);
    let Some(Node { value: Value::Table(data), .. }) = tree.get_mut("data") else { return };
    put(data, "split", Value::Table(Table::default()));
    let Some(Node { value: Value::Table(split), .. }) = data.get_mut("split") else { return };
    if FROM_KEYS.iter().any(|key| split.get(key).is_some()) {
        return;
    }
    let keys = if own_test { &FRACTION_KEYS[..2] } else { &FRACTION_KEYS[..] };
    let usual: &[f64] = if own_test { &[0.9, 0.1] } else { &[0.8, 0.1, 0.1] };
    let mut given = 0.0;
    let mut missing = Vec::new();
    for (key, share) in keys.iter().zip(usual) {
        match split.get(key) {
            Some(node) => match node.real() {
                Some(share) => given += share,
                None => return,
            },
            None => missing.push((*key, *share)),
        }
    }
    if missing.len() == keys.len() {
        missing.iter().for_each(|(key, share)| put(split, key, Value::Real(*share)));
        return;
    }
    let rest = ((1.0 - given) * 1e12).round() / 1e12; // 1 - 0.9 is meant to be 0.1
    let heir =
        ["train", "test", "validation"].into_iter().find(|key| missing.iter().any(|(name, _)| name == key));
    for (key, _) in missing {
        put(split, key, Value::Real(if Some(key) == heir && rest > 0.0 { rest } else { 0.0 }));
    }
}

fn derive_training(tree: &mut Table, loss: &str, metrics: &[&str]) {
    put(tree, "train", Value::Table(Table::default()));
    put(tree, "evaluate", Value::Table(Table::default()));
    if let Some(Node { value: Value::Table(train), .. }) = tree.get_mut("train") {
        put(train, "loss", Value::Text(loss.to_owned()));
    }
    if let Some(Node { value: Value::Table(evaluate), .. }) = tree.get_mut("evaluate") {
        let names = metrics.iter().map(|name| Node::new(Value::Text((*name).to_owned()), Place::Derived));
        put(evaluate, "metrics", Value::List(names.collect()));
    }
}

/// Adds a derived value unless there is one.
fn put(table: &mut Table, key: &str, value: Value) {
    if table.get(key).is_none() {
        let node = Node::new(value, Place::Derived);
        table.entries.push(Entry { name: key.to_owned(), key: Place::Derived, node });
    }
}
