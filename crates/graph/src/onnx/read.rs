//! Reading ONNX files: the file as a whole, its inputs, constants and outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base::{Diagnostic, Diagnostics, Location};
use prost::Message;
use tensor::{Dim, Shape};

use super::Model;
use super::limits::{FILE_BYTES_MAX, NAME_BYTES_MAX, NODES_MAX, SYMBOL_BYTES_MAX};
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
        for (index, message) in messages.iter().enumerate() {
            let name = message.name();
            let is_constant = self.values.get(name).is_some_and(|id| (id.0 as usize) < constants)
                && self.graph.value(self.values[name]).constant.is_some();
            if is_constant && defaults.insert(name) {
                continue; // the constant is the input's default value
            }
            if !self.is_free(name) {
                continue;
            }
            match read_type(index, message.r#type.as_ref()) {
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
    let declared = match read_type(0, Some(message.r#type.as_ref()?)) {
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

/// The type of an input, the `index`-th of the graph.
fn read_type(index: usize, message: Option<&TypeProto>) -> Result<ValueType, String> {
    let Some(type_proto::Value::TensorType(tensor)) = message.and_then(|message| message.value.as_ref())
    else {
        return Err("is no tensor; only tensors are supported".to_owned());
    };
    let dtype = element_type(tensor.elem_type())?;
    let dims = tensor.shape.iter().flat_map(|shape| &shape.dim);
    let dims = dims.enumerate().map(|(axis, dim)| read_dim(index, axis, dim));
    let shape = Shape(dims.collect::<Result<_, _>>()?);
    check_size(&shape).map_err(|error| format!("is not usable: {error}"))?;
    Ok(ValueType { dtype, shape })
}

fn read_dim(index: usize, axis: usize, dim: &Dimension) -> Result<Dim, String> {
    match &dim.value {
        Some(dimension::Value::DimValue(length)) => match usize::try_from(*length) {
            Ok(length) => Ok(Dim::Known(length)),
            Err(_) => Err(format!("has a dimension of length {length}")),
        },
        Some(dimension::Value::DimParam(symbol)) if !symbol.is_empty() => {
            if symbol.len() > SYMBOL_BYTES_MAX || name_problem(symbol).is_some() {
                return Err(format!("has a dimension whose name {} is not usable", shown(symbol)));
            }
            Ok(Dim::Symbol(symbol.clone()))
        }
        _ if axis == 0 => Ok(Dim::from("batch")),
        _ => Ok(Dim::Symbol(format!("input{index}.{axis}"))),
    }
}

#[cfg(test)]
mod tests {
    use tensor::{DType, Tensor};

    use super::*;
    use crate::Attributes;
    use crate::onnx::proto::FunctionProto;
    use crate::onnx::tensors::write_tensor;
    use crate::onnx::write::{write, write_value};

    /// `y = x + c` as a file, changed.
    fn changed(change: impl FnOnce(&mut ModelProto)) -> Result<Model, String> {
        let mut graph = Graph::new("sum");
        let x = graph.input("x", ValueType::new(DType::F32, Shape::known(&[2])));
        let c = graph.constant("c", Tensor::new([2], vec![1.0f32, 2.0]));
        let y = graph.push("y", "Add", Attributes::new(), &[x, c]).expect("fits");
        graph.outputs = vec![y];
        let bytes = write(&Model { graph, ..Model::default() }).expect("standard");
        let mut file = ModelProto::decode(&*bytes).expect("just written");
        change(&mut file);
        read(&file.encode_to_vec(), Path::new("sum.onnx")).map_err(|found| found.to_string())
    }

    fn graph(file: &mut ModelProto) -> &mut GraphProto {
        file.graph.as_mut().expect("just written")
    }

    #[test]
    fn a_constant_is_the_default_of_an_input() {
        let model = changed(|file| {
            let graph = graph(file);
            let c = ValueInfoProto { name: Some("c".to_owned()), ..graph.input[0].clone() };
            graph.input.push(c);
        });
        let graph = model.expect("valid").graph;
        assert_eq!(graph.inputs.len(), 1);
        assert!(graph.value(graph.find_value("c").expect("kept")).constant.is_some());
    }

    #[test]
    fn odd_files_are_refused_in_words() {
        let check = |change: fn(&mut ModelProto), expect: &str| {
            let found = changed(change).expect_err(expect);
            assert_eq!(found, format!("{expect} at sum.onnx"));
        };
        check(
            |file| graph(file).initializer[0].data_location = Some(1),
            "constant c keeps its values in another file [onnx-tensor]",
        );
        check(
            |file| graph(file).initializer[0].data_type = Some(16),
            "constant c has the element type bfloat16, which is not supported [onnx-tensor]",
        );
        check(
            |file| graph(file).initializer[0] = write_tensor("c", &Tensor::scalar(1.0f64)),
            "node y (Add): inputs 0 and 1 should have one element type, found float32 and float64 [onnx-node]",
        );
        check(
            |file| graph(file).output[0] = write_value("y", DType::F32, &Shape::known(&[3])),
            "output y is declared as float32[3] but computed as float32[2] [onnx-graph]",
        );
        check(
            |file| file.functions.push(FunctionProto::default()),
            "the file has functions of its own, which are not supported [onnx-graph]",
        );
        check(|file| graph(file).output.clear(), "the graph has no output [onnx-graph]");
        check(|file| graph(file).input.extend_from_within(..), "value x is defined twice [onnx-graph]");
    }
}
