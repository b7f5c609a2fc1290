//! Tensors of two networks that stand at the same place, found by structure alone.
//!
//! Each node gets a colour: a digest of its operator, of the colours of what it reads (from the input on) and of the
//! colours of what reads it (from the prediction back), refined until no colour says more (Weisfeiler and Lehman
//! 1968, on a directed acyclic graph). Names and the order in which nodes are listed do not enter. Tensors match if
//! one colour belongs to exactly one of each network; what several share is ambiguous.

use std::collections::BTreeMap;

use base::{Digest, DigestWriter};
use graph::{Node, ValueId};

use super::network::Network;

/// How much of a network a colour knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Operators, attributes and shapes, both ways.
    Whole,
    /// Operators, attributes and shapes, from the input to here: what comes behind may differ.
    Before,
    /// Operators, both ways: layers may be wider, narrower, or see another input.
    Operators,
}

/// Tensors that have one colour: their names in each network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alike {
    pub(crate) child: Vec<String>,
    pub(crate) parent: Vec<String>,
}

/// Rounds after which colours of networks with up to 2^rounds interchangeable parts are settled.
const ROUNDS: usize = 4;

/// The tensors that are alike under `view`, colour by colour; only colours that both networks have.
pub(crate) fn alike(child: &Network<'_>, parent: &Network<'_>, view: View) -> Vec<Alike> {
    let mut groups: BTreeMap<Digest, Alike> = BTreeMap::new();
    let empty = || Alike { child: Vec::new(), parent: Vec::new() };
    for (name, colour) in tensor_colours(child, view) {
        groups.entry(colour).or_insert_with(empty).child.push(name);
    }
    for (name, colour) in tensor_colours(parent, view) {
        groups.entry(colour).or_insert_with(empty).parent.push(name);
    }
    groups.into_values().filter(|group| !group.child.is_empty() && !group.parent.is_empty()).collect()
}

/// Each tensor's colour: that of the nodes that read it, and as which input.
fn tensor_colours(network: &Network<'_>, view: View) -> Vec<(String, Digest)> {
    let nodes = network.nodes();
    let colours = node_colours(network, &nodes, view);
    let mut readers: BTreeMap<ValueId, Vec<(Digest, usize)>> = BTreeMap::new();
    for (node, &colour) in nodes.iter().zip(&colours) {
        for (slot, id) in node.inputs.iter().enumerate() {
            if let Some(id) = id.filter(|&id| network.hands_on(id)) {
                readers.entry(id).or_default().push((colour, place(node, slot)));
            }
        }
    }
    let colour = |(id, mut readers): (ValueId, Vec<(Digest, usize)>)| {
        readers.sort();
        let mut writer = DigestWriter::new("heirloom.colour.tensor");
        if view != View::Operators {
            writer.field(network.graph.ty(id).to_string().as_bytes());
        }
        for (colour, slot) in readers {
            writer.field(&colour.0).field(&slot.to_le_bytes());
        }
        (network.graph.value(id).name.clone(), writer.finish())
    };
    readers.into_iter().map(colour).collect()
}

fn node_colours(network: &Network<'_>, nodes: &[&Node], view: View) -> Vec<Digest> {
    let mut colours: Vec<Digest> = nodes.iter().map(|node| own_colour(network, node, view)).collect();
    for _ in 0..ROUNDS {
        let before = forward(network, nodes, &colours);
        if view == View::Before {
            return before;
        }
        let behind = backward(network, nodes, &colours);
        colours = before
            .iter()
            .zip(&behind)
            .map(|(before, behind)| {
                let mut writer = DigestWriter::new("heirloom.colour.both");
                writer.field(&before.0).field(&behind.0);
                writer.finish()
            })
            .collect();
    }
    colours
}

/// What a node is by itself.
fn own_colour(network: &Network<'_>, node: &Node, view: View) -> Digest {
    let mut writer = DigestWriter::new("heirloom.colour.node");
    writer.field(node.op_name().as_bytes());
    if view == View::Operators {
        return writer.finish();
    }
    for (name, value) in &node.attributes {
        writer.field(name.as_bytes()).field(format!("{value:?}").as_bytes());
    }
    // Shapes of what is handed on; settings such as axes by their values.
    for (slot, &id) in node.inputs.iter().enumerate() {
        let Some(id) = id else { continue };
        let value = network.graph.value(id);
        let Some(tensor) = &value.constant else { continue };
        writer.field(&place(node, slot).to_le_bytes()).field(value.ty.to_string().as_bytes());
        if !network.hands_on(id) && !tensor.dtype().is_float() {
            writer.field(&tensor.to_bytes());
        }
    }
    writer.finish()
}

/// The input that a slot means: those of a sum or a product are interchangeable.
fn place(node: &Node, slot: usize) -> usize {
    if matches!(node.op_name(), "Add" | "Mul") { 0 } else { slot }
}

/// A colour for each node, from what it reads.
fn forward(network: &Network<'_>, nodes: &[&Node], own: &[Digest]) -> Vec<Digest> {
    let mut made: BTreeMap<ValueId, Digest> = BTreeMap::new();
    if let Some(start) = network.start() {
        made.insert(start, Digest::of(b"input"));
    }
    let mut colours = Vec::new();
    for (node, own) in nodes.iter().zip(own) {
        let reads = node
            .inputs
            .iter()
            .enumerate()
            .filter_map(|(slot, id)| Some((place(node, slot), *made.get(&(*id)?)?)));
        let mut reads: Vec<(usize, Digest)> = reads.collect();
        reads.sort();
        let mut writer = DigestWriter::new("heirloom.colour.forward");
        writer.field(&own.0);
        for (slot, colour) in reads {
            writer.field(&slot.to_le_bytes()).field(&colour.0);
        }
        let colour = writer.finish();
        colours.push(colour);
        for (index, &output) in node.outputs.iter().enumerate() {
            let mut writer = DigestWriter::new("heirloom.colour.output");
            writer.field(&colour.0).field(&index.to_le_bytes());
            made.insert(output, writer.finish());
        }
    }
    colours
}

/// A colour for each node, from what reads it.
fn backward(network: &Network<'_>, nodes: &[&Node], own: &[Digest]) -> Vec<Digest> {
    let mut readers: BTreeMap<ValueId, Vec<(usize, Digest)>> = BTreeMap::new();
    readers.insert(network.prediction, vec![(0, Digest::of(b"prediction"))]);
    let mut colours = Vec::new();
    for (node, own) in nodes.iter().zip(own).rev() {
        let mut writer = DigestWriter::new("heirloom.colour.backward");
        writer.field(&own.0);
        for (index, output) in node.outputs.iter().enumerate() {
            let mut reads = readers.get(output).cloned().unwrap_or_default();
            reads.sort();
            for (slot, colour) in reads {
                writer.field(&index.to_le_bytes()).field(&slot.to_le_bytes()).field(&colour.0);
            }
        }
        let colour = writer.finish();
        colours.push(colour);
        for (slot, id) in node.inputs.iter().enumerate() {
            if let Some(id) = *id {
                readers.entry(id).or_default().push((place(node, slot), colour));
            }
        }
    }
    colours.reverse();
    colours
}
