//! The part of a network that learning does not change, run once.
//!
//! What frozen layers give for an example is the same in every epoch. It is computed once for every row that training
//! and validation use, kept in the store under a key of its content, and the rest of the network learns from it: the
//! same steps on the same numbers, so the weights come out the same to the byte.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Convolutions, Feed, Options, Rows, Targets};
use graph::{Graph, GraphError, ValueId};
use store::Store;
use tensor::DType;

use super::answers::{Answers, answers};
use crate::architecture::{Copied, copy_into};
use crate::error::RunError;
use crate::prepare::Examples;

/// The most bytes of activations that are kept in memory and in the store.
const ACTIVATION_BYTES_MAX: usize = 512 << 20;
/// Operators that make a prefix worth keeping.
const HEAVY: [&str; 3] = ["Conv", "Gemm", "MatMul"];

/// A network in two parts.
pub(super) struct Divided {
    /// From the raw input to the value behind the last frozen layer.
    before: Graph,
    /// From there to the prediction.
    pub(super) behind: Graph,
    pub(super) prediction: ValueId,
    /// Elements of that value for one example.
    width: usize,
    /// The name of that value.
    cut: String,
}

/// The activations behind a prefix.
pub(super) struct Activations(Answers);

impl Activations {
    /// Numbers in a row.
    pub(super) fn width(&self) -> usize {
        self.0.width
    }

    /// Those of one of the dataset's rows that training or validation uses.
    pub(super) fn row(&self, row: u32) -> &[f32] {
        let Answers { values, width, .. } = &self.0;
        &values[row as usize * width..][..*width]
    }

    /// Whether they were in the store.
    pub(super) fn found(&self) -> bool {
        self.0.found
    }

    /// They, with the examples' targets.
    pub(super) fn feed<'a>(&'a self, examples: &'a Examples) -> Feed<'a> {
        let Answers { values, width, .. } = &self.0;
        let rows = values.len() / width;
        let targets = match examples.feed().targets {
            Targets::Values(values) => Targets::Values(&values[..values.len().min(rows)]),
            targets => targets.classes().map_or(Targets::None, |classes| Targets::Classes(&classes[..rows])),
        };
        Feed { rows: Rows::F32(values), row_len: *width, targets }
    }
}

/// Divides the network up to `prediction` behind what does not change, where only what `learns` does; `None` where nothing
/// of weight would be saved, or where the parts hang together by more than one value.
pub(super) fn divide(
    graph: &Graph,
    prediction: ValueId,
    learns: &dyn Fn(&str) -> bool,
) -> Result<Option<Divided>, GraphError> {
    match cut(graph, prediction, learns) {
        Some(cut) => divide_at(graph, prediction, cut),
        None => Ok(None),
    }
}

/// Divides the network up to `prediction` at the value `cut`; `None` if that has no fixed size.
pub(super) fn divide_at(
    graph: &Graph,
    prediction: ValueId,
    cut: ValueId,
) -> Result<Option<Divided>, GraphError> {
    let lengths: Option<Vec<usize>> = graph.ty(cut).shape.0.iter().skip(1).map(|dim| dim.known()).collect();
    let Some(width) = lengths.map(|lengths| lengths.iter().product()) else { return Ok(None) };
    let mut before = Graph::new("prefix");
    let mut of = |_, value: &graph::Value| match &value.constant {
        Some(tensor) => Copied::Constant(tensor.clone()),
        None => Copied::Input,
    };
    let made = copy_into(&mut before, graph, &[cut], &mut of)?;
    before.outputs = vec![made[&cut]];
    let cut_name = graph.value(cut).name.clone();
    let (behind, prediction) = behind(graph, cut, prediction)?;
    Ok(Some(Divided { before, behind, prediction, width, cut: cut_name }))
}

/// The one value between what stays and what learns.
fn cut(graph: &Graph, prediction: ValueId, learns: &dyn Fn(&str) -> bool) -> Option<ValueId> {
    let constant = |id: &ValueId| graph.value(*id).constant.is_some();
    let changes = |id: &ValueId| constant(id) && learns(&graph.value(*id).name);
    // Values that depend on the example and on nothing that learns.
    let mut stays: BTreeSet<ValueId> = graph.inputs.iter().copied().collect();
    let mut crossing = BTreeSet::new();
    let mut heavy = false;
    for (_, node) in graph.nodes() {
        let inputs: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
        let still = |id: &ValueId| stays.contains(id) || (constant(id) && !changes(id));
        if inputs.iter().all(still) && node.op_name() != "Dropout" {
            stays.extend(&node.outputs);
            heavy |= HEAVY.contains(&node.op_name());
        } else {
            crossing.extend(inputs.into_iter().filter(|id| stays.contains(id)));
        }
    }
    // The answer's nodes may read the prediction only.
    crossing.retain(|id| leads_to(graph, *id, prediction));
    let mut crossing = crossing.into_iter();
    let cut = crossing.next().filter(|_| heavy && crossing.next().is_none())?;
    (graph.ty(cut).dtype == DType::F32 && !graph.inputs.contains(&cut)).then_some(cut)
}

fn leads_to(graph: &Graph, from: ValueId, to: ValueId) -> bool {
    let mut reached = BTreeSet::from([from]);
    for (_, node) in graph.nodes() {
        if node.inputs.iter().flatten().any(|id| reached.contains(id)) {
            reached.extend(&node.outputs);
        }
    }
    reached.contains(&to)
}

/// The graph from `cut` to `result`: its input has the cut's name and type.
fn behind(graph: &Graph, cut: ValueId, result: ValueId) -> Result<(Graph, ValueId), GraphError> {
    let mut needed = BTreeSet::from([result]);
    for (_, node) in graph.nodes().rev() {
        if node.outputs.iter().any(|id| needed.contains(id) && *id != cut) {
            needed.extend(node.inputs.iter().flatten());
        }
    }
    let mut copy = Graph::new("model");
    let value = graph.value(cut);
    let mut made = BTreeMap::from([(cut, copy.input(&value.name, value.ty.clone()))]);
    for (id, value) in graph.values().filter(|(id, _)| needed.contains(id)) {
        if let Some(constant) = &value.constant {
            made.insert(id, copy.constant(&value.name, constant.clone()));
        }
    }
    for (_, node) in graph.nodes() {
        let wanted = node.outputs.iter().any(|id| needed.contains(id) && *id != cut);
        let known = node.inputs.iter().flatten().all(|id| made.contains_key(id));
        if wanted && known {
            let inputs: Vec<Option<ValueId>> = node.inputs.iter().map(|id| id.map(|id| made[&id])).collect();
            let names: Vec<&str> = node.outputs.iter().map(|&id| graph.value(id).name.as_str()).collect();
            let outputs =
                copy.push_node(&node.name, node.op_name(), node.attributes.clone(), &inputs, &names)?;
            made.extend(node.outputs.iter().copied().zip(outputs));
        }
    }
    let prediction = made[&result];
    copy.outputs = vec![prediction];
    Ok((copy, prediction))
}

impl Divided {
    /// The part behind of another network that has the same part before.
    pub(super) fn behind_of(
        &self,
        graph: &Graph,
        prediction: ValueId,
    ) -> Result<(Graph, ValueId), GraphError> {
        match graph.find_value(&self.cut) {
            Some(cut) => behind(graph, cut, prediction),
            None => unreachable!("values keep their names where updates are added"),
        }
    }

    /// The activations of every row that training and validation use: from the store, or computed now and kept there.
    /// `None` if they would be too many. `learning` is how convolutions are chosen in the step that they stand in a part of.
    pub(super) fn activations(
        &self,
        store: &Store,
        examples: &Examples,
        (options, learning): (Options, Option<Convolutions>),
    ) -> Result<Option<Activations>, RunError> {
        let splits = &examples.splits;
        let used = splits.train.iter().chain(&splits.validation).chain(&examples.rehearsed);
        let rows: BTreeSet<u32> = used.copied().collect();
        let count = rows.last().map_or(0, |&last| last as usize + 1);
        let bytes = count.saturating_mul(self.width).saturating_mul(4);
        if bytes > ACTIVATION_BYTES_MAX || count == 0 || self.width == 0 {
            return Ok(None);
        }
        let found = answers(store, &self.before, self.width, examples, &rows, (options, learning))?;
        Ok(Some(Activations(found)))
    }
}
