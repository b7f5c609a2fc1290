//! What differs between a child and its parent although no tensor shows it.

use std::collections::BTreeMap;

use graph::Node;

use super::matching::Partner;
use super::network::Network;
use super::relate::Sides;

/// Attributes by which a layer with the same weights computes something else.
const SETTINGS: [&str; 7] = ["auto_pad", "dilations", "epsilon", "group", "momentum", "pads", "strides"];

/// One sentence for each difference, in the order of the child's network.
pub(crate) fn differences(sides: &Sides<'_>, partners: &BTreeMap<String, Partner>) -> Vec<String> {
    let mut found = label_order(sides);
    for name in sides.child.tensors {
        let Some(partner) = partners.get(name) else { continue };
        if let (Some(own), Some(other)) = (reader(&sides.child, name), reader(&sides.parent, &partner.name)) {
            let first = own.inputs.iter().flatten().find(|&&id| sides.child.hands_on(id));
            // Once a layer, not for each of its tensors.
            if first.is_some_and(|&id| sides.child.graph.value(id).name == *name) {
                found.extend(settings(own, other));
                found.extend(activation(sides, own, other));
            }
        }
    }
    found
}

fn label_order(sides: &Sides<'_>) -> Vec<String> {
    let (own, other) = (sides.child.labels, sides.parent.labels);
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    if own == other || sorted(own) != sorted(other) {
        return Vec::new();
    }
    vec![format!(
        "the classes stand in another order: [{}], in the parent [{}]",
        own.join(", "),
        other.join(", ")
    )]
}

/// The first node that reads the tensor `name`.
fn reader<'a>(network: &Network<'a>, name: &str) -> Option<&'a Node> {
    let id = network.graph.find_value(name)?;
    network.nodes().into_iter().find(|node| node.inputs.contains(&Some(id)))
}

fn settings(own: &Node, other: &Node) -> Vec<String> {
    if own.op_name() != other.op_name() {
        return vec![format!(
            "`{}` is {} here and {} in the parent",
            own.name,
            own.op_name(),
            other.op_name()
        )];
    }
    let value = |node: &Node, name: &str| {
        let known = node.op.schema().attributes.iter().any(|attribute| attribute.name == name);
        known.then(|| node.attribute(name)).flatten()
    };
    let difference = |name: &&str| {
        let (here, there) = (value(own, name), value(other, name));
        let text = |value: Option<graph::Attribute>| value.map_or("not set".to_owned(), words);
        (here != there).then(|| {
            format!("`{}`: {name} is {} here and {} in the parent", own.name, text(here), text(there))
        })
    };
    SETTINGS.iter().filter_map(difference).collect()
}

/// An attribute's value for a sentence.
pub(crate) fn words(value: graph::Attribute) -> String {
    match value {
        graph::Attribute::Int(value) => value.to_string(),
        graph::Attribute::Float(value) => value.to_string(),
        graph::Attribute::Text(value) => value,
        graph::Attribute::Ints(values) => format!("{values:?}"),
        graph::Attribute::Floats(values) => format!("{values:?}"),
        graph::Attribute::Tensor(value) => format!("a tensor {:?}", value.shape()),
    }
}

/// The operators behind a layer, where they differ.
fn activation(sides: &Sides<'_>, own: &Node, other: &Node) -> Option<String> {
    let behind = |network: &Network<'_>, node: &Node| {
        let output = *node.outputs.first()?;
        let next = network.nodes().into_iter().find(|next| next.inputs.contains(&Some(output)));
        Some(next?.op_name())
    };
    let (here, there) = (behind(&sides.child, own)?, behind(&sides.parent, other)?);
    (here != there).then(|| format!("behind `{}` comes {here} here and {there} in the parent", own.name))
}
