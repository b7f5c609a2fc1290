//! Whether two networks are the same up to the names of things and the order in which they are listed.

use std::collections::{BTreeMap, BTreeSet};

use graph::{Node, ValueId};

use super::Member;
use crate::transfer::{Network, attribute_words, partners};

/// For each tensor of `first`: the one of `other` at the same place.
pub(super) type Counterparts = BTreeMap<String, String>;

/// Settings without which two nodes still compute the same: how running statistics move while learning, and what the weight
/// says anyway.
const WITHOUT_EFFECT: [(&str, &str); 2] = [("BatchNormalization", "momentum"), ("Conv", "kernel_shape")];

/// Aligns two networks: classes and features by name in order, then every node from the input on, preprocessing and answer
/// included, with its attributes, its tensors' shapes and its other constants.
///
/// Errors   the first difference, in one sentence.
pub(super) fn align(first: &Member<'_>, other: &Member<'_>) -> Result<Counterparts, String> {
    let names = [first.name, other.name];
    let (own, theirs) = (&first.network, &other.network);
    same_names("class", own.labels, theirs.labels, names)?;
    same_names("input feature", own.features, theirs.features, names)?;
    let found = partners(own, theirs, &[]);
    let found = found.map_err(|problems| match problems.0.into_iter().next() {
        Some(first) => first.message,
        None => "their tensors cannot be told apart".to_owned(),
    })?;
    let counterparts: Counterparts = found.into_iter().map(|(name, partner)| (name, partner.name)).collect();
    let mut walk = Walk {
        own,
        theirs,
        names,
        counterparts: &counterparts,
        same: BTreeMap::new(),
        used: BTreeSet::new(),
        readers: BTreeMap::new(),
    };
    walk.run()?;
    match own.tensors.iter().find(|name| !counterparts.contains_key(*name)) {
        Some(name) => Err(format!("`{name}` of {} has no counterpart in {}", names[0], names[1])),
        None => Ok(counterparts),
    }
}

fn same_names(
    what: &str,
    own: &[String],
    other: &[String],
    [first, second]: [&str; 2],
) -> Result<(), String> {
    if let Some((at, (a, b))) = own.iter().zip(other).enumerate().find(|(_, (a, b))| a != b) {
        return Err(format!("{what} {} is `{a}` in {first} and `{b}` in {second}", at + 1));
    }
    if own.len() != other.len() {
        let plural = if what.ends_with('s') { format!("{what}es") } else { format!("{what}s") };
        return Err(format!("{first} has {} {plural} and {second} has {}", own.len(), other.len()));
    }
    Ok(())
}

struct Walk<'w, 'a> {
    own: &'w Network<'a>,
    theirs: &'w Network<'a>,
    names: [&'w str; 2],
    counterparts: &'w Counterparts,
    /// Values of `own` with those of `theirs` that are computed in the same way.
    same: BTreeMap<ValueId, ValueId>,
    /// Nodes of `theirs` that have their counterpart, by their number.
    used: BTreeSet<usize>,
    /// Nodes of `theirs` by what they read that is no constant; under `None` those that read constants only.
    readers: BTreeMap<Option<ValueId>, Vec<usize>>,
}

impl<'a> Walk<'_, 'a> {
    fn run(&mut self) -> Result<(), String> {
        let (own, theirs) = (self.own.graph, self.theirs.graph);
        let [first, second] = self.names;
        if own.inputs.len() != theirs.inputs.len() || own.outputs.len() != theirs.outputs.len() {
            return Err(format!("{first} and {second} differ in the number of inputs or outputs"));
        }
        for (&a, &b) in own.inputs.iter().zip(&theirs.inputs) {
            if own.ty(a) != theirs.ty(b) {
                return Err(format!(
                    "the input is {} in {first} and {} in {second}",
                    own.ty(a),
                    theirs.ty(b)
                ));
            }
            self.same.insert(a, b);
        }
        let nodes: Vec<&Node> = theirs.nodes().map(|(_, node)| node).collect();
        for (number, node) in nodes.iter().enumerate() {
            let flows = flows(self.theirs, node);
            let keys: Vec<Option<ValueId>> =
                if flows.is_empty() { vec![None] } else { flows.into_iter().map(Some).collect() };
            for key in keys {
                self.readers.entry(key).or_default().push(number);
            }
        }
        for (_, node) in own.nodes() {
            self.node(node, &nodes)?;
        }
        let ends = own.outputs.iter().zip(&theirs.outputs);
        match ends.into_iter().find(|(a, b)| self.same.get(a) != Some(b)) {
            Some((a, b)) => Err(format!(
                "`{}` of {first} is not computed as `{}` of {second}",
                own.value(*a).name,
                theirs.value(*b).name
            )),
            None => Ok(()),
        }
    }

    fn node(&mut self, node: &Node, nodes: &[&'a Node]) -> Result<(), String> {
        let key = flows(self.own, node).first().and_then(|id| self.same.get(id)).copied();
        let candidates: Vec<usize> = self.readers.get(&key).cloned().unwrap_or_default();
        let free: Vec<usize> = candidates.into_iter().filter(|number| !self.used.contains(number)).collect();
        if let Some(&number) = free.iter().find(|&&number| self.difference(node, nodes[number]).is_none()) {
            self.used.insert(number);
            self.same.extend(node.outputs.iter().copied().zip(nodes[number].outputs.iter().copied()));
            return Ok(());
        }
        // The most telling one: of the same operator, if there is such.
        let alike = free.iter().find(|&&number| nodes[number].op_name() == node.op_name());
        let nearest = alike.or(free.first()).and_then(|&number| self.difference(node, nodes[number]));
        Err(nearest.unwrap_or_else(|| {
            let [first, second] = self.names;
            format!("`{}` ({}) of {first} has no counterpart in {second}", node.name, node.op_name())
        }))
    }

    /// The first difference between two nodes whose places are the same.
    fn difference(&self, own: &Node, theirs: &Node) -> Option<String> {
        let [first, second] = self.names;
        if own.op_name() != theirs.op_name() {
            let (here, there) = (own.op_name(), theirs.op_name());
            return Some(format!(
                "`{}` is {here} in {first}, and at its place stands `{}`, {there}, in {second}",
                own.name, theirs.name
            ));
        }
        for attribute in own.op.schema().attributes {
            let name = attribute.name;
            let (here, there) = (own.attribute(name), theirs.attribute(name));
            if here != there && !WITHOUT_EFFECT.contains(&(own.op_name(), name)) {
                let text =
                    |value: Option<graph::Attribute>| value.map_or("not set".to_owned(), attribute_words);
                return Some(format!(
                    "`{}`: {name} is {} in {first} and {} in {second}",
                    own.name,
                    text(here),
                    text(there)
                ));
            }
        }
        if own.inputs.len() != theirs.inputs.len() {
            return Some(format!(
                "`{}` reads another number of values in {second} than in {first}",
                own.name
            ));
        }
        if let ("Add" | "Mul", [a, b], [c, d]) = (own.op_name(), &own.inputs[..], &theirs.inputs[..])
            && self.input(own, *a, *d).is_none()
            && self.input(own, *b, *c).is_none()
        {
            return None; // the order of what is summed does not count
        }
        // What is dropped while learning changes no answer.
        let counted = if own.op_name() == "Dropout" { 1 } else { own.inputs.len() };
        let pairs = own.inputs.iter().zip(&theirs.inputs).take(counted);
        pairs.into_iter().find_map(|(&a, &b)| self.input(own, a, b))
    }

    /// Why an input of a node is not the same in both.
    fn input(&self, node: &Node, own: Option<ValueId>, theirs: Option<ValueId>) -> Option<String> {
        let [first, second] = self.names;
        let (own, theirs) = match (own, theirs) {
            (None, None) => return None,
            (Some(own), Some(theirs)) => (own, theirs),
            _ => return Some(format!("`{}` reads a value in one of {first} and {second} only", node.name)),
        };
        if self.same.get(&own) == Some(&theirs) {
            return None;
        }
        let (here, there) = (self.own.graph.value(own), self.theirs.graph.value(theirs));
        let handed_on = [self.own.hands_on(own), self.theirs.hands_on(theirs)];
        match (&here.constant, &there.constant) {
            (Some(_), Some(_)) if handed_on == [true, true] => {
                if here.ty != there.ty {
                    return Some(format!(
                        "`{}` is {} in {first} and {} in {second}",
                        here.name, here.ty, there.ty
                    ));
                }
                (self.counterparts.get(&here.name) != Some(&there.name)).then(|| {
                    format!(
                        "`{}` of {first} goes back to another tensor than `{}` of {second}, which stands at its place",
                        here.name, there.name
                    )
                })
            }
            (Some(a), Some(b)) if handed_on == [false, false] => (a != b).then(|| match (a.len(), b.len()) {
                (1, 1) => format!(
                    "`{}`: `{}` is {} in {first} and {} in {second}",
                    node.name,
                    here.name,
                    a.to_f64()[0],
                    b.to_f64()[0]
                ),
                _ => format!("`{}`: `{}` has other values in {first} than in {second}", node.name, here.name),
            }),
            _ => Some(format!(
                "`{}` reads `{}` in {first} and `{}` in {second}, which come about differently",
                node.name, here.name, there.name
            )),
        }
    }
}

/// What a node reads that is no constant.
fn flows(network: &Network<'_>, node: &Node) -> Vec<ValueId> {
    let flows = node.inputs.iter().flatten().copied();
    flows.filter(|&id| network.graph.value(id).constant.is_none()).collect()
}
