//! A network as inheriting sees it: its graph, what may be handed on, and what its ends mean.

use std::collections::BTreeSet;

use graph::{Graph, Node, ValueId};
use tensor::Tensor;

/// One side of a transfer: a parent, or the child before anything was taken over.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    /// From raw input to answer, with its weights.
    pub graph: &'a Graph,
    /// The value that is compared with the target while learning.
    pub prediction: ValueId,
    /// Names of the constants that may be handed on: what learning changes, running statistics included.
    pub tensors: &'a [String],
    /// The class names in the order of the prediction's elements; empty in a regression.
    pub labels: &'a [String],
    /// The input's feature names in their order; empty for images.
    pub features: &'a [String],
}

/// Names of preprocessing begin with this in every model that was made here.
const PREPROCESSING: &str = "preprocess.";

impl<'a> Network<'a> {
    /// The constant called `name`, if it may be handed on.
    pub(crate) fn tensor(&self, name: &str) -> Option<&'a Tensor> {
        let id = self.graph.find_value(name)?;
        self.graph.value(id).constant.as_ref()
    }

    /// Where the network begins: behind the last node of preprocessing, or at the graph's first input.
    pub(crate) fn start(&self) -> Option<ValueId> {
        let last = self.graph.nodes().rev().find(|(_, node)| node.name.starts_with(PREPROCESSING));
        match last {
            Some((_, node)) => node.outputs.first().copied(),
            None => self.graph.inputs.first().copied(),
        }
    }

    /// The nodes between preprocessing and the prediction, in topological order.
    pub(crate) fn nodes(&self) -> Vec<&'a Node> {
        let mut needed = BTreeSet::from([self.prediction]);
        let mut nodes = Vec::new();
        for (_, node) in self.graph.nodes().rev() {
            let feeds = node.outputs.iter().any(|output| needed.contains(output));
            if feeds && !node.name.starts_with(PREPROCESSING) {
                needed.extend(node.inputs.iter().flatten());
                nodes.push(node);
            }
        }
        nodes.reverse();
        nodes
    }

    /// Whether the constant `id` may be handed on.
    pub(crate) fn hands_on(&self, id: ValueId) -> bool {
        let value = self.graph.value(id);
        value.constant.is_some() && self.tensors.contains(&value.name)
    }

    /// The lengths of a value behind its first axis; unknown ones count as 1.
    pub(crate) fn lengths(&self, id: ValueId) -> Vec<usize> {
        self.graph.ty(id).shape.0.iter().skip(1).map(|dim| dim.known().unwrap_or(1)).collect()
    }
}
