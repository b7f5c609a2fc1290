//! Reading the nodes of ONNX files.

use std::collections::{BTreeMap, BTreeSet};

use tensor::Tensor;

use super::attributes::read_attributes;
use super::problems::{Problems, shown};
use super::proto::{GraphProto, NodeProto};
use super::read::{Reader, name_problem};
use super::versions::modernise;
use crate::{Attribute, Attributes, DOMAIN_ONNX, Operator, ops};

/// The most nodes that a message names.
const NAMED_MAX: usize = 5;

/// The standard operator of a node, `None` if it is unknown.
fn operator(node: &NodeProto) -> Option<&'static dyn Operator> {
    let standard = node.domain() == DOMAIN_ONNX || node.domain() == "ai.onnx";
    ops::find(node.op_type()).filter(|op| standard && op.schema().domain == DOMAIN_ONNX)
}

fn is_constant(node: &NodeProto) -> bool {
    node.op_type() == "Constant" && (node.domain() == DOMAIN_ONNX || node.domain() == "ai.onnx")
}

/// The node's name, or where it has none that of its first output.
fn name_of(node: &NodeProto) -> &str {
    match node.name() {
        "" => node.output.first().map_or("", String::as_str),
        name => name,
    }
}

/// Complains about every operator that is not known, with the nodes that use it.
pub(super) fn unknown_operators(graph: &GraphProto, problems: &mut Problems) {
    let mut unknown: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for node in graph.node.iter().filter(|node| !is_constant(node) && operator(node).is_none()) {
        unknown.entry((node.domain(), node.op_type())).or_default().push(name_of(node));
    }
    for ((domain, op), nodes) in unknown {
        let name = if domain.is_empty() { shown(op) } else { format!("{}.{}", shown(domain), shown(op)) };
        let mut users: Vec<String> = nodes.iter().take(NAMED_MAX).map(|node| shown(node)).collect();
        if nodes.len() > NAMED_MAX {
            users.push(format!("{} more", nodes.len() - NAMED_MAX));
        }
        let message = format!("operator {name} is not supported; used by {}", users.join(", "));
        let near = base::nearest(op, ops::all().map(|op| op.schema().name)).filter(|near| *near != op);
        let help = near.map(|near| format!("a supported operator of a similar name is {near}"));
        problems.push_with_help("onnx-operator", message, help.as_deref());
    }
}

/// Adds all nodes to the reader's graph, as far as they can be understood.
pub(super) fn read_nodes(reader: &mut Reader, nodes: &[NodeProto]) {
    let mut names = NodeNames::default();
    for node in nodes {
        let outputs = trimmed(&node.output);
        let named = outputs.iter().filter(|name| !name.is_empty());
        let usable = named.clone().all(|name| reader.is_free(name)) && all_distinct(reader, outputs);
        let outcome = if usable { read_node(reader, node, &mut names) } else { Ok(false) };
        if let Err(message) = &outcome {
            let (name, op) = (shown(name_of(node)), shown(node.op_type()));
            reader.problems.push("onnx-node", format!("node {name} ({op}): {}", shown(message)));
        }
        if outcome != Ok(true) {
            let outputs = outputs.iter().filter(|name| !reader.values.contains_key(*name));
            let outputs: Vec<String> = outputs.cloned().collect();
            reader.broken.extend(outputs);
        }
    }
}

/// The list without the empty names at its end, which mean "left out".
fn trimmed(names: &[String]) -> &[String] {
    let count = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    &names[..count]
}

fn all_distinct(reader: &mut Reader, outputs: &[String]) -> bool {
    let mut seen = BTreeSet::new();
    let twice = outputs.iter().find(|name| !name.is_empty() && !seen.insert(name.as_str()));
    if let Some(name) = twice {
        reader.problems.push("onnx-graph", format!("value {} is defined twice", shown(name)));
    }
    twice.is_none()
}

/// Adds a node. `Ok(false)` if it depends on something that has been complained about.
fn read_node(reader: &mut Reader, node: &NodeProto, names: &mut NodeNames) -> Result<bool, String> {
    let mut attributes = read_attributes(&node.attribute)?;
    if is_constant(node) {
        return read_constant(reader, node, attributes);
    }
    let op = operator(node).ok_or("the operator is not supported")?;
    let Some(mut inputs) = read_inputs(reader, trimmed(&node.input))? else { return Ok(false) };
    let name = names.unique(name_of(node));
    if let Some(problem) = name_problem(&name) {
        return Err(format!("the node {problem}"));
    }
    for (position, suffix, tensor) in modernise(op, reader.opset, &mut attributes)? {
        if inputs.len() != position {
            return Err(format!("should have {position} inputs in operator set {}", reader.opset));
        }
        inputs.push(Some(reader.graph.constant(&format!("{name}.{suffix}"), tensor)));
    }
    let outputs = trimmed(&node.output);
    let spare = |index: usize| format!("{name}.output{index}");
    let output_names: Vec<String> = outputs
        .iter()
        .enumerate()
        .map(|(index, output)| if output.is_empty() { spare(index) } else { output.clone() })
        .collect();
    let output_names: Vec<&str> = output_names.iter().map(String::as_str).collect();
    let ids = reader
        .graph
        .push_node(&name, op.schema().name, attributes, &inputs, &output_names)
        .map_err(|error| error.message)?;
    let named = outputs.iter().zip(ids).filter(|(name, _)| !name.is_empty());
    reader.values.extend(named.map(|(name, id)| (name.clone(), id)));
    Ok(true)
}

/// The values called `names`; `None` if one of them could not be read.
fn read_inputs(reader: &Reader, names: &[String]) -> Result<Option<Vec<Option<crate::ValueId>>>, String> {
    if names.iter().any(|name| reader.broken.contains(name)) {
        return Ok(None);
    }
    let find = |name: &String| match reader.values.get(name) {
        Some(&id) => Ok(Some(id)),
        None if name.is_empty() => Ok(None),
        None => Err(format!("reads {name}, which is no input, constant or output of an earlier node")),
    };
    names.iter().map(find).collect::<Result<_, _>>().map(Some)
}

/// Adds the value of a `Constant` node.
fn read_constant(reader: &mut Reader, node: &NodeProto, attributes: Attributes) -> Result<bool, String> {
    let [output] = trimmed(&node.output) else {
        return Err(format!("should have 1 output, found {}", node.output.len()));
    };
    let mut attributes = attributes.into_iter();
    let (Some((name, value)), None) = (attributes.next(), attributes.next()) else {
        return Err("should have exactly one attribute, the value".to_owned());
    };
    let tensor = match (name.as_str(), value) {
        ("value", Attribute::Tensor(tensor)) => tensor,
        ("value_int", Attribute::Int(value)) => Tensor::scalar(value),
        ("value_float", Attribute::Float(value)) => Tensor::scalar(value),
        ("value_ints", Attribute::Ints(values)) => Tensor::new([values.len()], values),
        ("value_floats", Attribute::Floats(values)) => Tensor::new([values.len()], values),
        (name, _) => return Err(format!("attribute {name} is no value that is supported")),
    };
    let id = reader.graph.constant(output, tensor);
    reader.values.insert(output.clone(), id);
    Ok(true)
}

/// Makes the names of nodes unique; in ONNX they mean nothing and may repeat.
#[derive(Default)]
struct NodeNames {
    taken: BTreeSet<String>,
    suffixes: BTreeMap<String, u32>,
}

impl NodeNames {
    fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        while !self.taken.insert(candidate.clone()) {
            let suffix = self.suffixes.entry(name.to_owned()).or_default();
            *suffix += 1;
            candidate = format!("{name}.{suffix}");
        }
        candidate
    }
}
