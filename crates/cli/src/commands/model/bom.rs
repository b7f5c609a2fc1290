//! `heirloom model export --format bom`.

use std::path::Path;

use graph::onnx;
use provenance::{Card, Lineage};
use store::{Model, Store};

use crate::failure::Failure;

/// The bill of materials of `model`, from what the store knows about it.
pub(super) fn text(store: &Store, model: &Model) -> Result<String, Failure> {
    let lineage = Lineage::of(store, &model.version)?;
    let about = store.about(&model.version)?;
    let said = |text: String| (!text.is_empty()).then_some(text);
    let classifies = !model.manifest.labels.is_empty();
    let card = Card {
        model,
        lineage: &lineage,
        description: said(about.description),
        licences: said(about.licence).into_iter().collect(),
        intended_use: said(about.intended_use).into_iter().collect(),
        task: Some(if classifies { "classification" } else { "regression" }.to_owned()),
        architecture: architecture(&store.graph(model)?),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        timestamp: None,
    };
    card.encode().map_err(Failure::world)
}

/// The kind of network, by the operators of its graph; nothing of a graph that cannot be read here.
fn architecture(graph: &[u8]) -> Option<String> {
    let model = onnx::read(graph, Path::new("graph.onnx")).ok()?;
    let uses = |operator: &str| model.graph.nodes().any(|(_, node)| node.op_name() == operator);
    let kind = if uses("Conv") {
        "convolutional neural network"
    } else if uses("Gemm") || uses("MatMul") {
        "feed-forward neural network"
    } else {
        return None;
    };
    Some(kind.to_owned())
}
