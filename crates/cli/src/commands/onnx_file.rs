//! `heirloom model show FILE.onnx`: what is in a file that any program may have written.

use std::collections::BTreeMap;
use std::path::Path;

use base::SourceMap;
use graph::Graph;
use graph::onnx::{self, Model};
use serde_json::{Value, json};

use crate::arguments::Json;
use crate::failure::Failure;
use crate::tables::facts;
use crate::{disk, quantities, terminal};

/// The format itself allows no more.
const FILE_BYTES_MAX: u64 = 1 << 31;

/// Whether `reference` names a file and not a model of the store.
pub(crate) fn is_file(reference: &str) -> bool {
    reference.ends_with(".onnx")
}

/// Reads and shows the file at `path`.
pub(crate) fn show(path: &Path, json: Json) -> Result<(), Failure> {
    let bytes = disk::read(path, FILE_BYTES_MAX)?;
    let model = onnx::read(&bytes, path).map_err(|found| Failure::mistakes(found, SourceMap::default()))?;
    let account = Account::of(&model, bytes.len());
    if json.wanted { terminal::print_json(&account.json(path)) } else { terminal::print(&account.draw(path)) }
}

struct Account {
    producer: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    operators: BTreeMap<&'static str, usize>,
    parameters: usize,
    bytes: usize,
}

impl Account {
    fn of(model: &Model, bytes: usize) -> Self {
        let graph = &model.graph;
        let mut operators = BTreeMap::new();
        for (_, node) in graph.nodes() {
            *operators.entry(node.op_name()).or_default() += 1;
        }
        Account {
            producer: terminal::printable(&model.producer),
            inputs: graph.inputs.iter().map(|&id| port(graph, id)).collect(),
            outputs: graph.outputs.iter().map(|&id| port(graph, id)).collect(),
            operators,
            parameters: constants(graph),
            bytes,
        }
    }

    fn json(&self, path: &Path) -> Value {
        json!({
            "file": path.display().to_string(),
            "producer": self.producer,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "operators": self.operators,
            "constants": self.parameters,
            "bytes": self.bytes,
        })
    }

    fn draw(&self, path: &Path) -> String {
        let operators = self.operators.iter().map(|(name, count)| match count {
            1 => (*name).to_owned(),
            count => format!("{name} x {count}"),
        });
        facts(
            terminal::width(),
            [
                ("file", path.display().to_string()),
                ("producer", self.producer.clone()),
                ("input", self.inputs.join(", ")),
                ("output", self.outputs.join(", ")),
                ("operators", operators.collect::<Vec<_>>().join(", ")),
                ("constants", quantities::counted(self.parameters, "number")),
                ("size", quantities::bytes(self.bytes as u64)),
            ],
        )
    }
}

/// `image: uint8 [batch, 1, 28, 28]`.
fn port(graph: &Graph, id: graph::ValueId) -> String {
    let value = graph.value(id);
    terminal::printable(&format!("{}: {}", value.name, value.ty))
}

/// How many numbers the file holds.
fn constants(graph: &Graph) -> usize {
    graph
        .values()
        .filter_map(|(_, value)| {
            value.constant.as_ref().map(|tensor| tensor.shape().iter().product::<usize>())
        })
        .sum()
}
