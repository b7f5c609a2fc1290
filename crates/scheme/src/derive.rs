//! Values computed from other values, after the merge.

use std::collections::BTreeMap;

use base::{Diagnostic, Diagnostics};

use crate::merge::at;
use crate::sections::{BATCH, FRACTION_KEYS, FROM_KEYS, SLICE_EXAMPLES_MIN, STEPS};
use crate::tree::{Entry, Node, Place, Table, Value};

/// By derived key: the keys that its value follows from.
pub(crate) type Derivations = BTreeMap<String, Vec<String>>;

/// Fills in what follows from what is there, and says from which keys. Leaves alone what is there,
/// right or wrong; the checks speak of it.
pub(crate) fn derive(tree: &mut Table, stem: &str, diagnostics: &mut Diagnostics) -> Derivations {
    let mut derivations = Derivations::new();
    if put(tree, "name", Value::Text(stem.to_owned())) {
        derivations.insert("name".to_owned(), Vec::new()); // it follows from the file's name
    }
    derive_format(tree, &mut derivations, diagnostics);
    derive_digits(tree, &mut derivations);
    derive_split(tree, &mut derivations);
    derive_gates(tree, &mut derivations);
    derive_steps(tree, &mut derivations);
    let (loss, metrics): (_, &[_]) = match task(tree) {
        Some("classification") => ("cross_entropy", &["accuracy", "loss", "f1_macro", "ece"]),
        Some("regression") => ("mean_squared_error", &["rmse", "mae", "r2"]),
        _ => return derivations,
    };
    let from = match tree.at("data.format").and_then(Node::text) {
        Some("csv") => "data.task",
        _ => "data.format",
    };
    derive_training(tree, loss, metrics, from, &mut derivations);
    derivations
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

fn derive_format(tree: &mut Table, derivations: &mut Derivations, diagnostics: &mut Diagnostics) {
    let Some(data) = tree.get("data").and_then(Node::table) else { return };
    if data.get("format").is_some() {
        return;
    }
    let format = match data.get("source") {
        Some(source) => match source.text() {
            Some("mnist") => "idx",
            Some("stocks" | "digits8x8") => "csv",
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
                "name an embedded data set (digits8x8, mnist, stocks), a folder of images or a .csv file; or IDX files with `images` and `labels`",
            ));
            return;
        }
    };
    let from = if data.get("source").is_some() { "data.source" } else { "data.images" };
    derivations.insert("data.format".to_owned(), vec![from.to_owned()]);
    if let Some(Node { value: Value::Table(data), .. }) = tree.get_mut("data") {
        put(data, "format", Value::Text(format.to_owned()));
    }
}

/// What the table behind `digits8x8` is like: 64 levels of pixels, 0 to 16, and the digit.
fn derive_digits(tree: &mut Table, derivations: &mut Derivations) {
    let Some(Node { value: Value::Table(data), .. }) = tree.get_mut("data") else { return };
    let text = |key: &str| data.get(key).and_then(Node::text);
    if (text("source"), text("format")) != (Some("digits8x8"), Some("csv")) {
        return;
    }
    let mut image = Table::default();
    for (key, value) in
        [("height", Value::Integer(8)), ("width", Value::Integer(8)), ("maximum", Value::Real(16.0))]
    {
        put(&mut image, key, value);
    }
    let known = [
        ("header", Value::Bool(false)),
        ("target", Value::Text("65".to_owned())),
        ("task", Value::Text("classification".to_owned())),
        ("image", Value::Table(image)),
    ];
    for (key, value) in known {
        if put(data, key, value) {
            let names: &[&str] =
                if key == "image" { &["image.height", "image.width", "image.maximum"] } else { &[key] };
            let source = || vec!["data.source".to_owned()];
            derivations.extend(names.iter().map(|name| (format!("data.{name}"), source())));
        }
    }
}

fn is_idx(path: &str) -> bool {
    let path = path.strip_suffix(".gz").unwrap_or(path);
    ["-ubyte", ".idx", ".idx1", ".idx3"].iter().any(|ending| path.ends_with(ending))
}

/// The key that says whether the source brings its own test part.
fn test_part_key(tree: &Table) -> Option<&'static str> {
    ["data.test_images", "data.source", "data.images"].into_iter().find(|key| tree.at(key).is_some())
}

fn derive_split(tree: &mut Table, derivations: &mut Derivations) {
    let own_test = has_own_test_part(tree);
    let few = tree.at("data.examples_per_class").is_some();
    let mut from: Vec<String> = test_part_key(tree).into_iter().map(str::to_owned).collect();
    from.extend(few.then(|| "data.examples_per_class".to_owned()));
    let Some(Node { value: Value::Table(data), .. }) = tree.get_mut("data") else { return };
    put(data, "split", Value::Table(Table::default()));
    let Some(Node { value: Value::Table(split), .. }) = data.get_mut("split") else { return };
    if FROM_KEYS.iter().any(|key| split.get(key).is_some()) {
        return;
    }
    let keys = if own_test { &FRACTION_KEYS[..2] } else { &FRACTION_KEYS[..] };
    // Who has a few labels of each class has none to spare for choosing the epoch.
    let usual: &[f64] = match (own_test, few) {
        (true, false) => &[0.9, 0.1],
        (true, true) => &[1.0, 0.0],
        (false, false) => &[0.8, 0.1, 0.1],
        (false, true) => &[0.9, 0.0, 0.1],
    };
    let mut given = 0.0;
    let mut missing = Vec::new();
    for (key, share) in keys.iter().zip(usual) {
        match split.get(key) {
            Some(node) => match node.real() {
                Some(share) => {
                    given += share;
                    from.push(format!("data.split.{key}"));
                }
                None => return,
            },
            None => missing.push((*key, *share)),
        }
    }
    derivations.extend(missing.iter().map(|(key, _)| (format!("data.split.{key}"), from.clone())));
    if missing.len() == keys.len() {
        for (key, share) in missing {
            put(split, key, Value::Real(share));
        }
        return;
    }
    let rest = ((1.0 - given) * 1e12).round() / 1e12; // 1 - 0.9 is meant to be 0.1
    let heir =
        ["train", "test", "validation"].into_iter().find(|key| missing.iter().any(|(name, _)| name == key));
    for (key, _) in missing {
        put(split, key, Value::Real(if Some(key) == heir && rest > 0.0 { rest } else { 0.0 }));
    }
}

fn derive_training(
    tree: &mut Table,
    loss: &str,
    metrics: &[&str],
    from: &str,
    derivations: &mut Derivations,
) {
    let mut note = |key: &str| derivations.insert(key.to_owned(), vec![from.to_owned()]);
    put(tree, "train", Value::Table(Table::default()));
    put(tree, "evaluate", Value::Table(Table::default()));
    if let Some(Node { value: Value::Table(train), .. }) = tree.get_mut("train")
        && put(train, "loss", Value::Text(loss.to_owned()))
    {
        note("train.loss");
    }
    if let Some(Node { value: Value::Table(evaluate), .. }) = tree.get_mut("evaluate") {
        let names = metrics.iter().map(|name| Node::new(Value::Text((*name).to_owned()), Place::Derived));
        if put(evaluate, "metrics", Value::List(names.collect())) {
            note("evaluate.metrics");
        }
    }
}

/// What goes with a condition of a gate only where there is that condition.
fn derive_gates(tree: &mut Table, derivations: &mut Derivations) {
    let Some(Node { value: Value::Table(evaluate), .. }) = tree.get_mut("evaluate") else { return };
    let Some(Node { value: Value::Table(gates), .. }) = evaluate.get_mut("gate") else { return };
    for entry in &mut gates.entries {
        let Value::Table(gate) = &mut entry.node.value else { continue };
        for (of, key, value) in
            [("slice", "slice_examples_min", SLICE_EXAMPLES_MIN), ("latency_ms_max", "batch", BATCH)]
        {
            if gate.get(of).is_some() && put(gate, key, Value::Integer(value)) {
                let path = |key: &str| format!("evaluate.gate.{}.{key}", entry.name);
                derivations.insert(path(key), vec![path(of)]);
            }
        }
    }
}

fn derive_steps(tree: &mut Table, derivations: &mut Derivations) {
    let Some(Node { value: Value::Table(deploy), .. }) = tree.get_mut("deploy") else { return };
    let Some(Node { value: Value::Table(canary), .. }) = deploy.get_mut("canary") else { return };
    let steps = STEPS.iter().map(|&step| Node::new(Value::Integer(step.into()), Place::Derived));
    if put(canary, "steps", Value::List(steps.collect())) {
        derivations.insert("deploy.canary.steps".to_owned(), Vec::new());
    }
}

/// Adds a derived value unless there is one; says whether it did.
fn put(table: &mut Table, key: &str, value: Value) -> bool {
    let absent = table.get(key).is_none();
    if absent {
        let node = Node::new(value, Place::Derived);
        table.entries.push(Entry { name: key.to_owned(), key: Place::Derived, node });
    }
    absent
}
