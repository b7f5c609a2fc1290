//! Writing ONNX files.

use prost::Message;
use tensor::{DType, Dim, Shape};

use super::Model;
use super::attributes::write_attribute;
use super::limits::FILE_BYTES_MAX;
use super::proto::tensor_shape_proto::{Dimension, dimension};
use super::proto::type_proto;
use super::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorShapeProto,
    TypeProto, ValueInfoProto,
};
use super::tensors::write_tensor;
use crate::ops::cast::onnx_code;
use crate::{DOMAIN_ONNX, Graph, Node, ValueId};

/// The version of the format's structure: that of ONNX 1.14 and 1.15.
const IR_VERSION: i64 = 9;
/// The operator set that is declared unless an operator needs a newer one.
const OPSET: i64 = 18;

/// Why a model cannot be an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A node of an operator that only this program knows, such as a gradient.
    #[error("node {node} is of the internal operator {op}, which ONNX does not have")]
    Internal {
        /// The node's name.
        node: String,
        /// The operator's name.
        op: String,
    },
    /// A value without a name; in ONNX an empty name means "no value".
    #[error("a value of the graph {graph} has no name")]
    Unnamed {
        /// The graph's name.
        graph: String,
    },
    /// More than the format can hold.
    #[error("the model takes {bytes} bytes, more than the {FILE_BYTES_MAX} of an ONNX file")]
    TooLarge {
        /// Bytes of the file.
        bytes: usize,
    },
}

/// The bytes of an ONNX file; equal models give equal bytes. Constants are written as initializers with raw
/// values. The operator set is 18, or the oldest that has all operators used.
pub fn write(model: &Model) -> Result<Vec<u8>, WriteError> {
    let graph = write_graph(&model.graph)?;
    let newest = model.graph.nodes().map(|(_, node)| node.op.schema().since_version).max();
    let message = ModelProto {
        ir_version: Some(IR_VERSION),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(DOMAIN_ONNX.to_owned()),
            version: Some(newest.unwrap_or(OPSET).max(OPSET)),
        }],
        producer_name: Some(model.producer.clone()),
        doc_string: Some(model.doc.clone()),
        graph: Some(graph),
        metadata_props: model
            .metadata
            .iter()
            .map(|(key, value)| StringStringEntryProto { key: Some(key.clone()), value: Some(value.clone()) })
            .collect(),
        ..ModelProto::default()
    };
    match message.encoded_len() {
        bytes if bytes >= FILE_BYTES_MAX => Err(WriteError::TooLarge { bytes }),
        _ => Ok(message.encode_to_vec()),
    }
}

fn write_graph(graph: &Graph) -> Result<GraphProto, WriteError> {
    if graph.values().any(|(_, value)| value.name.is_empty()) {
        return Err(WriteError::Unnamed { graph: graph.name.clone() });
    }
    let info = |&id: &ValueId| {
        let value = graph.value(id);
        write_value(&value.name, value.ty.dtype, &value.ty.shape)
    };
    let constants = graph.values().filter_map(|(_, value)| Some((value, value.constant.as_ref()?)));
    Ok(GraphProto {
        // The checker of the onnx package refuses graphs without a name.
        name: Some(if graph.name.is_empty() { "graph".to_owned() } else { graph.name.clone() }),
        input: graph.inputs.iter().map(info).collect(),
        output: graph.outputs.iter().map(info).collect(),
        initializer: constants.map(|(value, tensor)| write_tensor(&value.name, tensor)).collect(),
        node: graph.nodes().map(|(_, node)| write_node(graph, node)).collect::<Result<_, _>>()?,
        ..GraphProto::default()
    })
}

fn write_node(graph: &Graph, node: &Node) -> Result<NodeProto, WriteError> {
    let schema = node.op.schema();
    if schema.domain != DOMAIN_ONNX {
        return Err(WriteError::Internal { node: node.name.clone(), op: schema.name.to_owned() });
    }
    let name = |id: ValueId| graph.value(id).name.clone();
    let mut input: Vec<String> =
        node.inputs.iter().map(|input| input.map(name).unwrap_or_default()).collect();
    while input.last().is_some_and(String::is_empty) {
        input.pop();
    }
    Ok(NodeProto {
        name: Some(node.name.clone()),
        op_type: Some(schema.name.to_owned()),
        input,
        output: node.outputs.iter().map(|&id| name(id)).collect(),
        attribute: node.attributes.iter().map(|(name, value)| write_attribute(name, value)).collect(),
        ..NodeProto::default()
    })
}

pub(super) fn write_value(name: &str, dtype: DType, shape: &Shape) -> ValueInfoProto {
    let dim = |dim: &Dim| Dimension {
        value: Some(match dim {
            Dim::Known(length) => dimension::Value::DimValue(*length as i64),
            Dim::Symbol(symbol) => dimension::Value::DimParam(symbol.clone()),
        }),
        ..Dimension::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: Some(onnx_code(dtype) as i32),
        shape: Some(TensorShapeProto { dim: shape.0.iter().map(dim).collect() }),
    };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
