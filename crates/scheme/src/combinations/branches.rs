//! Rules of what layers read: `input` and `with` name earlier layers, and every result is read.

use std::collections::BTreeSet;

use base::Diagnostic;

use super::Rules;
use crate::check::with_names;
use crate::dotted::DOTTED;
use crate::merge::at;
use crate::sections::{INPUT, WITH};
use crate::tree::{Entry, Node, Place, Table};

pub(super) fn check(rules: &mut Rules) {
    let Some(layers) = rules.node(DOTTED).and_then(Node::table) else { return };
    let written = rules.merged.at(DOTTED).and_then(Node::table).map_or(0, |table| table.entries.len());
    let mut read = BTreeSet::new();
    let known = rules.diagnostics.0.len();
    for (index, entry) in layers.entries.iter().enumerate() {
        match entry.node.table().and_then(|table| table.get(INPUT)).and_then(Node::text) {
            Some(input) => read.extend(layers.position(input)),
            None => read.extend(index.checked_sub(1)),
        }
        for key in [INPUT, WITH] {
            let Some(node) = entry.node.table().and_then(|table| table.get(key)) else { continue };
            read.extend(node.text().and_then(|name| layers.position(name)));
            earlier(rules, layers, index, key, node);
        }
    }
    // A layer that is missing because it is wrong, or that reads a wrong name, may be the one that should read.
    if written != layers.entries.len() || known != rules.diagnostics.0.len() {
        return;
    }
    let last = layers.entries.len().saturating_sub(1);
    for index in (0..last).filter(|index| !read.contains(index)) {
        let Entry { name, key, .. } = &layers.entries[index];
        let diagnostic = Diagnostic::new("unread-layer", format!("no layer reads the result of `{name}`"));
        let diagnostic = at(diagnostic, *key, "");
        let reader = &layers.entries[index + 1];
        let input =
            reader.node.table().and_then(|table| table.get(INPUT)).map_or(Place::Default, |node| node.place);
        let help = format!("name it as the `{INPUT}` or `{WITH}` of a later layer, or write `remove = true`");
        rules.push(at(diagnostic, input, "the next layer reads another").help(help));
    }
}

/// `node`, the `key` of the layer at `index`, names a layer before it.
fn earlier(rules: &mut Rules, layers: &Table, index: usize, key: &str, node: &Node) {
    let Some(name) = node.text() else { return };
    let own = &layers.entries[index].name;
    match layers.position(name) {
        Some(position) if position < index => {}
        Some(position) => {
            let message = if position == index {
                format!("the layer `{own}` reads its own result")
            } else {
                format!("the layer `{own}` reads `{name}`, which stands behind it")
            };
            let diagnostic = at(Diagnostic::new("cyclic-steps", message), node.place, "");
            let other = if position == index { Place::Default } else { layers.entries[position].key };
            rules.push(
                at(diagnostic, other, "")
                    .help("a layer reads earlier ones; `before` and `after` move it".to_owned()),
            );
        }
        None if rules.given(&format!("{DOTTED}.{name}")) => {} // it is wrong by itself
        None => {
            let message = format!("`{key}` of the layer `{own}` names no layer: `{name}`");
            let names: Vec<&str> = layers.entries[..index].iter().map(|entry| entry.name.as_str()).collect();
            let diagnostic = at(Diagnostic::new("unknown-step", message), node.place, "");
            rules.push(with_names(diagnostic, name, &names));
        }
    }
}
