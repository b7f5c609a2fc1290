//! Taking a registered model out of the store.

use std::collections::BTreeMap;
use std::path::Path;

use graph::onnx;
use store::{Model, Store};

use crate::error::RunError;
use crate::golden;
use crate::inheritance;
use crate::keys;
use crate::package::unpack;
use crate::profile;

/// The model as one ONNX file: from raw input to the answer, weights included. The metadata holds the class names as a
/// JSON list under `labels`, and under `heirloom.*` what the model is and came from.
pub fn export_onnx(store: &Store, model: &Model) -> Result<Vec<u8>, RunError> {
    let version = &model.version;
    let mut graph = unpack(&store.graph(model)?, &store.tensors(model)?)?;
    graph.name = version.name.replace('/', ".");
    let mut metadata = BTreeMap::from([
        ("heirloom.model".to_owned(), version.id()),
        ("heirloom.digest".to_owned(), version.digest.to_string()),
        ("heirloom.scheme_digest".to_owned(), version.scheme_digest.to_string()),
        ("heirloom.data_digest".to_owned(), version.data_digest.to_string()),
    ]);
    if !model.manifest.labels.is_empty() {
        metadata.insert("labels".to_owned(), keys::json(&model.manifest.labels));
    }
    let model = onnx::Model { graph, metadata, producer: "heirloom".to_owned(), doc: String::new() };
    Ok(onnx::write(&model)?)
}

/// The model's tensors as one safetensors file.
pub fn export_safetensors(store: &Store, model: &Model) -> Result<Vec<u8>, RunError> {
    Ok(store.safetensors(model)?)
}

/// The roles of what is kept beside a version and whoever serves it needs: golden examples, names of columns, and what
/// inputs and answers looked like at its making. Not among them are examples that it was trained or tested on, but for
/// the golden ones.
pub fn served_roles() -> [&'static str; 3] {
    [golden::ROLE, inheritance::FEATURES_ROLE, profile::ROLE]
}

/// The kind of network, by the operators of a registered graph; nothing of one that cannot be read here.
pub fn network_kind(graph: &[u8]) -> Option<&'static str> {
    let model = onnx::read(graph, Path::new("graph.onnx")).ok()?;
    let uses = |operator: &str| model.graph.nodes().any(|(_, node)| node.op_name() == operator);
    if uses("Conv") {
        Some("convolutional neural network")
    } else if uses("Gemm") || uses("MatMul") {
        Some("feed-forward neural network")
    } else {
        None
    }
}
