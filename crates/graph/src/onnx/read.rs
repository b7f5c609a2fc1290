//! Reading ONNX files: the file as a whole, its inputs, constants and outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base::{Diagnostic, Diagnostics, Location};
use prost::Message;
use tensor::{Dim, Shape};

use super::Model;
use super::limits::{FILE_BYTES_MAX, NAME_BYTES_MAX, NODES_MAX};
use super::nodes::{read_nodes, unknown_operators};
use super::problems::{Problems, shown};
use super::proto::tensor_shape_proto::{Dimension, dimension};
use super::proto::{GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto, type_proto};
use super::scan::{ScanError, scan};
use super::tensors::{element_type, read_tensor};
use super::versions::{OPSET_MAX, OPSET_MIN};
use crate::graph::check_size;
use crate::{DOMAIN_ONNX, Graph, ValueId, ValueType};

/// The newest version of the format's structure that is read.
const IR_VERSION_MAX: i64 = 14;

/// The model in the bytes of an ONNX file; `path` names the file in messages and is not opened.
///
/// Safe on any bytes: bounded in memory, executes nothing, never reads another file. Diagnostics, all at once:
/// `not-onnx` (no ONNX at all), `onnx-too-large`, `onnx-version` (of format or operator set), `onnx-operator`
/// (unknown, with the nodes that use it), `onnx-tensor`, `onnx-node` (an operator that refuses its inputs or
/// attributes), `onnx-graph` (anything else).
pub fn read(bytes: &[u8], path: &Path) -> Result<Model, Diagnostics> {
    let message = decode(bytes, path)?;
    let mut problems = Problems::new(path);
    let opset = read_versions(&message, &mut problems);
    let metadata = read_metadata(&message, &mut problems);
    let graph = message.graph.as_ref().ok_or_else(|| not_onnx(path, None))?;
    check_structure(&message, graph, &mut problems);
    unknown_operators(graph, &mut problems);
    if !problems.is_empty() {
        return problems.or(Model::default());
    }
    let mut reader = Reader {
        graph: Graph::new(graph.name()),
        values: BTreeMap::new(),
        broken: BTreeSet::new(),
        opset,
        problems,
    };
    reader.read_constants(&graph.initializer);
    reader.read_inputs(&graph.input);
    read_nodes(&mut reader, &graph.node);
    reader.read_outputs(&graph.output);
    let model = Model {
        graph: reader.graph,
        metadata,
        producer: message.producer_name.unwrap_or_default(),
        doc: message.doc_string.unwrap_or_default(),
    };
    reader.problems.or(model)
}

fn decode(bytes: &[u8], path: &Path) -> Result<ModelProto, Diagnostics> {
    let too_large = |what: String| {
        let at = Location::file(path);
        Diagnostics::from(Diagnostic::new("onnx-too-large", what).label(at, ""))
    };
    if bytes.len() >= FILE_BYTES_MAX {
        return Err(too_large(format!("an ONNX file has fewer than 2 GiB, this one {} bytes", bytes.len())));
    }
    match scan(bytes) {
        Err(ScanError::Malformed { byte }) => return Err(not_onnx(path, Some(byte))),
        Err(ScanError::TooLarge) => {
            return Err(too_large("the file's contents would take more than 2 GiB of memory".to_owned()));
        }
        Ok(()) => {}
    }
    let message = ModelProto::decode(bytes).map_err(|_| not_onnx(path, None))?;
    match &message.graph {
        Some(_) if message.ir_version.is_some() => Ok(message),
        _ => Err(not_onnx(path, None)),
    }
}

fn not_onnx(path: &Path, byte: Option<usize>) -> Diagnostics {
    let at = match byte {
        Some(byte) => Location::byte(path, byte as u64),
        None => Location::file(path),
    };
    Diagnostic::new("not-onnx", "the file is no ONNX model")
        .label(at, "this does not fit the format")
        .help("ONNX models are protobuf files, usually called .onnx; the file may be damaged or cut off")
        .into()
}

/// The version of the standard operator set.
fn read_versions(message: &ModelProto, problems: &mut Problems) -> i64 {
    let structure = message.ir_version();
    if !(3..=IR_VERSION_MAX).contains(&structure) {
        problems.push(
            "onnx-version",
            format!("ONNX format versions 3 to {IR_VERSION_MAX} are supported, this file is of {structure}"),
        );
    }
    let standard = |domain: &str| domain == DOMAIN_ONNX || domain == "ai.onnx";
    let mut versions: Vec<i64> =
        message.opset_import.iter().filter(|set| standard(set.domain())).map(|set| set.version()).collect();
    versions.dedup();
    match versions[..] {
        [version] if (OPSET_MIN..=OPSET_MAX).contains(&version) => version,
        [version] => {
            let message = format!(
                "ONNX operator sets {OPSET_MIN} to {OPSET_MAX} are supported, this file declares {version}"
            );
            let help = "export the model again with a supported operator set, or convert it with onnx.version_converter";
            problems.push_with_help("onnx-version", message, Some(help));
            OPSET_MIN
        }
        _ => {
            let message = format!("the file should declare one ONNX operator set, found {}", versions.len());
            problems.push("onnx-version", message);
            OPSET_MIN
        }
    }
}

fn read_metadata(message: &ModelProto, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::new();
    for entry in &message.metadata_props {
        if metadata.insert(entry.key().to_owned(), entry.value().to_owned()).is_some() {
            problems.push("onnx-graph", format!("metadata {} is given twice", shown(entry.key())));
        }
    }
    metadata
}

/// Refuses the parts of a file that would change what the graph means and are not supported.
fn check_structure(message: &ModelProto, graph: &GraphProto, problems: &mut Problems) {
    let mut refuse = |present: bool, what: &str| {
        if present {
            problems.push("onnx-graph", format!("the file has {what}, which are not supported"));
        }
    };
    refuse(!message.functions.is_empty(), "functions of its own");
    refuse(!message.training_info.is_empty(), "training steps");
    refuse(!graph.sparse_initializer.is_empty(), "sparse constants");
    refuse(!graph.quantization_annotation.is_empty(), "quantisation notes");
    if graph.node.len() > NODES_MAX {
        let found = graph.node.len();
        problems.push("onnx-too-large", format!("a graph has at most {NODES_MAX} nodes, this one {found}"));
    }
    if name_problem(graph.name()).is_some() && !graph.name().is_empty() {
        problems.push("onnx-graph", format!("the graph's name {} is not usable", shown(graph.name())));
    }
}

/// What is wrong with the name of a value, if anything.
pub(super) fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("has no name");
    }
    if name.len() > NAME_BYTES_MAX {
        return Some("has a name of more than 1024 bytes");
    }
    name.chars().any(char::is_control).then_some("has control characters in its name")
}

/// The graph in the making.
pub(super) struct Reader {
    pub(super) graph: Graph,
    /// The values so far by their names in the file.
    pub(super) values: BTreeMap<String, ValueId>,
    /// Values that could not be read; what depends on them is left out without further complaint.
    pub(super) broken: BTreeSet<String>,
    pub(super) opset: i64,
    pub(super) problems: Problems,
}

impl Reader {
    /// Whether `name` can be given to a new value; complains if not.
    pub(super) fn is_free(&mut self, name: &str) -> bool {
        let problem = match name_problem(name) {
            Some(problem) => problem,
            None if self.values.contains_key(name) || self.broken.contains(name) => "is defined twice",
            None => return true,
        };
        self.problems.push("onnx-graph", format!("value {} {problem}", shown(name)));
        false
    }

    fn read_constants(&mut self, messages: &[TensorProto]) {
        for message in messages {
            let name = message.name();
            if !self.is_free(name) {
                continue;
            }
            match read_tensor(message) {
                Ok(tensor) => {
                    let id = self.graph.constant(name, tensor);
                    self.values.insert(name.to_owned(), id);
                }
                Err(problem) => {
                    self.problems.push("onnx-tensor", format!("constant {} {problem}", shown(name)));
                    self.broken.insert(name.to_owned());
                }
            }
        }
    }

    fn read_inputs(&mut self, messages: &[ValueInfoProto]) {
        let constants = self.values.len() + self.broken.len();
        let mut defaults = BTreeSet::new();
        for message in messages {
            let name = message.name();
            let is_constant = self.values.get(name).is_some_and(|id| (id.0 as usize) < constants)
                && self.graph.value(self.values[name]).constant.is_some();
            if is_constant && defaults.insert(name) {
                continue; // the constant is the input's default value
            }
            if !self.is_free(name) {
                continue;
            }
            match read_type(name, message.r#type.as_ref()) {
                Ok(ty) => {
                    let id = self.graph.input(name, ty);
                    self.values.insert(name.to_owned(), id);
                }
                Err(problem) => {
                    self.problems.push("onnx-graph", format!("input {} {problem}", shown(name)));
                    self.broken.insert(name.to_owned());
                }
            }
        }
    }

    fn read_outputs(&mut self, messages: &[ValueInfoProto]) {
        if messages.is_empty() {
            self.problems.push("onnx-graph", "the graph has no output");
        }
        for message in messages {
            let name = message.name();
            if self.broken.contains(name) {
                continue;
            }
            let Some(&id) = self.values.get(name) else {
                self.problems.push("onnx-graph", format!("output {} is computed by no node", shown(name)));
                continue;
            };
            if let Some(problem) = mismatch(self.graph.ty(id), message) {
                self.problems.push("onnx-graph", format!("output {} {problem}", shown(name)));
            }
            self.graph.outputs.push(id);
        }
    }
}

/// What an output is declared to be and is not.
fn mismatch(computed: &ValueType, message: &ValueInfoProto) -> Option<String> {
    let declared = match read_type(message.name(), Some(message.r#type.as_ref()?)) {
        Ok(declared) => declared,
        Err(problem) => return Some(problem),
    };
    let differ = |(a, b): (&Dim, &Dim)| matches!((a, b), (Dim::Known(a), Dim::Known(b)) if a != b);
    let mut pairs = computed.shape.0.iter().zip(&declared.shape.0);
    let has_shape = matches!(&message.r#type, Some(TypeProto {
        value: Some(type_proto::Value::TensorType(tensor)), ..
    }) if tensor.shape.is_some());
    let shapes_differ = has_shape && (computed.shape.rank() != declared.shape.rank() || pairs.any(differ));
    if computed.dtype == declared.dtype && !shapes_differ {
        return None;
    }
    Some(format!("is declared as {declared} but computed as {computed}"))
}

fn read_type(name: &str, message: Option<&TypeProto>) -> Result<ValueType, String> {
    let Some(type_proto::Value::TensorType(tensor)) = message.and_then(|message| message.value.as_ref())
    else {
        return Err("is no tensor; only tensors are supported".to_owned());
    };
    let dtype = element_type(tensor.elem_type())?;
    let dims = tensor.shape.iter().flat_map(|shape| &shape.dim);
    let dims = dims.enumerate().map(|(axis, dim)| read_dim(name, axis, dim));
    let shape = Shape(dims.collect::<Result<_, _>>()?);
    check_size(&shape).map_err(|error| format!("is not usable: {error}"))?;
    Ok(ValueType { dtype, shape })
}

fn read_dim(name: &str, axis: usize, dim: &Dimension) -> Result<Dim, String> {
    match &dim.value {
        Some(dimension::Value::DimValue(length)) => match usize::try_from(*length) {
            Ok(length) => Ok(Dim::Known(length)),
            Err(_) => Err(format!("has a dimension of length {length}")),
        },
        Some(dimension::Value::DimParam(symbol)) if !symbol.is_empty() => match name_problem(symbol) {
            Some(problem) => Err(format!("has a dimension that {problem}")),
            None => Ok(Dim::Symbol(symbol.clone())),
        },
        _ if axis == 0 => Ok(Dim::from("batch")),
        _ => Ok(Dim::Symbol(format!("{name}.{axis}"))),
    }
}
