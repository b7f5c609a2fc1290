//! The stage `package`: one graph from raw input to answer, its weights kept apart.
//!
//! The registered graph is an ONNX file in which each learnt tensor is an *input*; the tensors are blobs of their own,
//! so models that share a tensor share its bytes. Putting both together again gives the full graph.

use std::path::Path;

use graph::{Graph, GraphError, onnx};
use tensor::Tensor;

use crate::architecture::{Copied, Plan, copy_into};
use crate::error::RunError;

/// The graph's ONNX bytes without the tensors that learning changes.
pub(crate) fn package(plan: &Plan) -> Result<Vec<u8>, RunError> {
    let mut graph = Graph::new("model");
    let mut of = |_, value: &graph::Value| match &value.constant {
        Some(tensor) if !plan.kept.contains(&value.name) => Copied::Constant(tensor.clone()),
        _ => Copied::Input,
    };
    let outputs = &plan.graph.outputs;
    let made = copy_into(&mut graph, &plan.graph, outputs, &mut of).map_err(impossible)?;
    graph.outputs = outputs.iter().map(|id| made[id]).collect();
    Ok(onnx::write(&onnx::Model { graph, producer: "heirloom".to_owned(), ..onnx::Model::default() })?)
}

/// The full graph from a packaged one and its tensors.
pub(crate) fn unpack(bytes: &[u8], tensors: &[(String, Tensor)]) -> Result<Graph, RunError> {
    let read = onnx::read(bytes, Path::new("graph.onnx"));
    let packaged = read.map_err(|problems| RunError::damaged("the graph of a model", problems))?.graph;
    let mut graph = Graph::new(packaged.name.clone());
    let mut of = |_, value: &graph::Value| {
        let learnt = || tensors.iter().find(|(name, _)| *name == value.name).map(|(_, tensor)| tensor);
        match value.constant.as_ref().or_else(learnt) {
            Some(tensor) => Copied::Constant(tensor.clone()),
            None => Copied::Input,
        }
    };
    let made = copy_into(&mut graph, &packaged, &packaged.outputs, &mut of).map_err(impossible)?;
    graph.outputs = packaged.outputs.iter().map(|id| made[id]).collect();
    Ok(graph)
}

fn impossible(error: GraphError) -> RunError {
    RunError::damaged("the graph of a model", error)
}
