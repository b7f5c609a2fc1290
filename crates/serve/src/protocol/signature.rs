//! What a model takes and gives, in the protocol's terms.

use graph::Graph;
use pipeline::ModelInput;
use tensor::DType;

use crate::error::{Kind, Refusal};

/// The name of the output that holds class names.
const LABEL: &str = "label";

/// A named tensor: `-1` stands for the number of examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) datatype: &'static str,
    pub(crate) shape: Vec<i64>,
}

/// Where an output's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// The name of the most likely class, one `BYTES` element an example.
    Label,
    /// This output of the graph, `width` numbers an example.
    Numbers { output: usize, width: usize },
}

/// What a model takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) input: Port,
    /// Type of one number of the input.
    pub(crate) dtype: DType,
    /// Numbers of one example.
    pub(crate) row_len: usize,
    pub(crate) outputs: Vec<(Port, Contents)>,
    /// Class names by number; empty if the model answers with a number.
    pub(crate) labels: Vec<String>,
}

impl Signature {
    /// Of a model that takes `input` and whose graph is `graph`. A classifier has an output `label` before those of its graph.
    ///
    /// Errors   an output that is not one row of `float32` an example.
    pub(crate) fn of(graph: &Graph, input: &ModelInput, labels: &[String]) -> Result<Self, Refusal> {
        let (dtype, row_shape) = match input {
            ModelInput::Images { channels, height, width } => (DType::U8, vec![*channels, *height, *width]),
            ModelInput::Features { shape } => (DType::F32, shape.clone()),
        };
        let name = graph.inputs.first().map_or("input", |&id| graph.value(id).name.as_str());
        let input = port(name, dtype, &row_shape);
        let mut outputs = Vec::new();
        if !labels.is_empty() {
            outputs
                .push((Port { name: LABEL.to_owned(), datatype: "BYTES", shape: vec![-1] }, Contents::Label));
        }
        for (output, &id) in graph.outputs.iter().enumerate() {
            let (ty, name) = (graph.ty(id), graph.value(id).name.as_str());
            let row: Option<Vec<usize>> = ty.shape.0.iter().skip(1).map(|dim| dim.known()).collect();
            let (DType::F32, Some(row)) = (ty.dtype, row) else {
                let message =
                    format!("output `{name}` is {ty}; served are float32 values, so many for each example");
                return Err(Refusal::new(Kind::Unavailable, message));
            };
            let width = row.iter().product();
            outputs.push((port(name, DType::F32, &row), Contents::Numbers { output, width }));
        }
        Ok(Signature { input, dtype, row_len: row_shape.iter().product(), outputs, labels: labels.to_vec() })
    }
}

fn port(name: &str, dtype: DType, row: &[usize]) -> Port {
    let shape = std::iter::once(-1).chain(row.iter().map(|&length| length as i64)).collect();
    Port { name: name.to_owned(), datatype: datatype(dtype), shape }
}

/// The protocol's name of a type.
fn datatype(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "FP32",
        DType::F64 => "FP64",
        DType::I32 => "INT32",
        DType::I64 => "INT64",
        DType::U8 => "UINT8",
        DType::Bool => "BOOL",
    }
}
