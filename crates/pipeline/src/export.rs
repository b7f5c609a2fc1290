//! Taking a registered model out of the store.

use std::collections::BTreeMap;

use graph::onnx;
use store::{Model, Store};

use crate::error::RunError;
use crate::keys;
use crate::package::unpack;

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
