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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use prost::Message;
    use tensor::{DType, Shape};

    use crate::onnx::attributes::write_attribute;
    use crate::onnx::proto::{ModelProto, NodeProto};
    use crate::onnx::{Model, read, write};
    use crate::{Attribute, Graph, ValueType};

    fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, Attribute)]) -> NodeProto {
        NodeProto {
            op_type: Some(op.to_owned()),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: outputs.iter().map(|&name| name.to_owned()).collect(),
            attribute: attributes.iter().map(|(name, value)| write_attribute(name, value)).collect(),
            ..NodeProto::default()
        }
    }

    /// A graph from `x: [2, 3]` to `y` of these nodes, read in operator set `opset`.
    fn read_nodes(opset: i64, nodes: Vec<NodeProto>) -> Result<Graph, String> {
        let mut graph = Graph::new("nodes");
        let x = graph.input("x", ValueType::new(DType::F32, Shape::known(&[2, 3])));
        graph.outputs = vec![x];
        let bytes = write(&Model { graph, ..Model::default() }).expect("empty");
        let mut file = ModelProto::decode(&*bytes).expect("just written");
        file.opset_import[0].version = Some(opset);
        let graph = file.graph.as_mut().expect("just written");
        graph.node = nodes;
        graph.output[0].name = Some("y".to_owned());
        graph.output[0].r#type = None;
        let model = read(&file.encode_to_vec(), Path::new("nodes.onnx"));
        model.map(|model| model.graph).map_err(|found| found.to_string())
    }

    #[test]
    fn foreign_forms_are_understood() {
        let check = |opset, nodes, expect: &str| {
            let graph = read_nodes(opset, nodes).expect(expect);
            assert_eq!(graph.ty(graph.outputs[0]).to_string(), expect);
        };
        let mean = |attributes: &[(&str, Attribute)]| node("ReduceMean", &["x"], &["y"], attributes);
        check(13, vec![mean(&[("axes", [1].into()), ("keepdims", 0.into())])], "float32[2]");
        check(11, vec![node("Unsqueeze", &["x"], &["y"], &[("axes", [0, 3].into())])], "float32[1, 2, 3, 1]");
        let one = |name, value| node("Constant", &[], &["c"], &[(name, value)]);
        let add = || node("Add", &["x", "c"], &["y"], &[]);
        check(17, vec![one("value_float", 0.5.into()), add()], "float32[2, 3]");
        check(17, vec![one("value", tensor::Tensor::scalar(1.0f32).into()), add()], "float32[2, 3]");
        let axes = one("value_ints", [0].into());
        check(18, vec![axes, node("ReduceMean", &["x", "c"], &["y"], &[])], "float32[1, 3]");
        check(17, vec![node("Clip", &["x", "", ""], &["y", ""], &[])], "float32[2, 3]");
        check(10, vec![node("Dropout", &["x"], &["y"], &[("ratio", 0.25.into())])], "float32[2, 3]");
    }

    #[test]
    fn nodes_without_names_get_unique_ones() {
        let relu = |name: &str, input: &str, output: &str| NodeProto {
            name: Some(name.to_owned()),
            ..node("Relu", &[input], &[output], &[])
        };
        let nodes = vec![relu("", "x", "a"), relu("r", "a", "b"), relu("r", "b", "c"), relu("a", "c", "y")];
        let graph = read_nodes(17, nodes).expect("valid");
        let names: Vec<_> = graph.nodes().map(|(_, node)| node.name.clone()).collect();
        assert_eq!(names, ["a", "r", "r.1", "a.1"]);
    }

    #[test]
    fn what_is_wrong_with_a_node_is_said_once() {
        let check = |opset, nodes, expect: &str| {
            let found = read_nodes(opset, nodes).expect_err(expect);
            assert_eq!(found, format!("{expect} [onnx-node] at nodes.onnx"));
        };
        let relu = |input: &str, output: &str| node("Relu", &[input], &[output], &[]);
        check(
            17,
            vec![node("Relu", &["x"], &["a"], &[("slope", 1.into())]), relu("a", "b"), relu("b", "y")],
            "node a (Relu): unknown attribute slope",
        );
        check(
            17,
            vec![node("Constant", &[], &["c"], &[("value_int", 1.0.into())]), relu("c", "y")],
            "node c (Constant): attribute value_int is no value that is supported",
        );
        let twice = node("ReduceMean", &["x", "x"], &["y"], &[("axes", [1].into())]);
        check(13, vec![twice], "node y (ReduceMean): should have 1 inputs in operator set 13");
        let later = vec![relu("b", "y"), relu("x", "b")];
        check(17, later, "node y (Relu): reads b, which is no input, constant or output of an earlier node");
    }
}
