//! Rules of `[model]`.

use super::ancestors::has_parent;
use super::{Rules, op};
use crate::tree::{Node, Value};

pub(super) fn check(rules: &mut Rules) {
    let Some(model) = rules.node("model") else { return };
    let layers = rules.steps("model.layers");
    let graph = rules.given("model.graph");
    let written = rules
        .merged
        .at("model.layers")
        .is_some_and(|node| node.table().is_none_or(|table| !table.entries.is_empty()));
    let architecture = rules.given("model.architecture");
    if graph && architecture {
        let message = "a model has either an `architecture` or a `graph`";
        let help =
            "a child that turns to a graph writes `unset = [\"model.architecture\", \"model.layers\"]`";
        rules.clash(message, "model.graph", "model.architecture").help.push(help.to_owned());
    } else if graph && written {
        let message = "a model has either `layers` or a `graph`";
        let help = "a child that turns to a graph writes `unset = [\"model.layers\"]`";
        rules.clash(message, "model.graph", "model.layers").help.push(help.to_owned());
    } else if !graph && !written && !architecture && !has_parent(rules) && model.table().is_some() {
        let message = "the model has no layers: write [model.layers.NAME] tables, or name an `architecture` or a `graph`";
        rules.missing(message, "model");
    }
    if rules.node("model.hidden").is_some() && rules.text("model.architecture") != Some("mlp") {
        let message = "`model.hidden` is a setting of the architecture `mlp`";
        rules.clash(message, "model.hidden", "model.architecture");
    }
    inheriting(rules);
    for (key, node) in layers {
        layer(rules, &key, node);
    }
}

/// What only means something with a parent, and rules that do not parse.
fn inheriting(rules: &mut Rules) {
    for key in ["model.rename", "model.fresh", "model.identity", "model.min_inherited"] {
        if rules.node(key).is_some() && !has_parent(rules) {
            let message =
                format!("`{key}` says what is taken over from a parent, and there is no `model.inherit`");
            rules.clash(message, key, key).help.push("write `inherit = \"NAME@N\"` in [model]".to_owned());
        }
    }
    let texts = rules.node("model.rename").and_then(Node::list).unwrap_or_default();
    let wrong = |text: &&str| {
        text.split_once('=').is_none_or(|(own, parent)| own.trim().is_empty() || parent.trim().is_empty())
    };
    for text in texts.iter().filter_map(Node::text).filter(wrong) {
        let message = format!("`{text}` is no rule: it says which of the parent's names one goes back to");
        rules.clash(message, "model.rename", "model.rename").help.push("write `\"stem = conv1\"`".to_owned());
    }
}

const NEEDS_IMAGES: [&str; 5] =
    ["conv", "max_pool", "average_pool", "global_average_pool", "adaptive_average_pool"];

fn layer(rules: &mut Rules, key: &str, node: &Node) {
    let Some(op) = op(node) else { return };
    if NEEDS_IMAGES.contains(&op) && rules.text("data.format") == Some("csv") && !rules.has_images() {
        rules.clash(format!("the layer {op} needs images, not a table"), key, "data.format");
    }
    match op {
        "conv" => groups(rules, key),
        "dense" => units(rules, key),
        "max_pool" | "average_pool" => border(rules, key),
        _ => {}
    }
}

fn groups(rules: &mut Rules, key: &str) {
    let (filters, groups) = (format!("{key}.filters"), format!("{key}.groups"));
    if let (Some(count), Some(parts)) = (rules.integer(&filters), rules.integer(&groups))
        && count % parts != 0
    {
        rules.clash(format!("{count} filters cannot be divided into {parts} groups"), &groups, &filters);
    }
}

fn units(rules: &mut Rules, key: &str) {
    let units = format!("{key}.units");
    match (rules.text(&units), rules.task()) {
        (Some("classes"), Some("regression")) => {
            let message = "a regression has no classes";
            rules.clash(message, &units, "data.task").help.push("write `units = \"targets\"`".to_owned());
        }
        (Some("targets"), Some("classification")) => {
            let message = "a classification has classes, not targets";
            rules.clash(message, &units, "data.task").help.push("write `units = \"classes\"`".to_owned());
        }
        _ => {}
    }
}

/// A patch must reach beyond the border, else it would see nothing.
fn border(rules: &mut Rules, key: &str) {
    let (padding, size) = (format!("{key}.padding"), format!("{key}.size"));
    let smallest =
        rules.node(&size).and_then(Node::list).and_then(|pair| pair.iter().filter_map(Node::integer).min());
    if let (Some(Value::Integer(pixels)), Some(smallest)) =
        (rules.node(&padding).map(|node| &node.value), smallest)
        && *pixels >= smallest
    {
        rules.clash(format!("a border of {pixels} hides whole patches of size {smallest}"), &padding, &size);
    }
}
