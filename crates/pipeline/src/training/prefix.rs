//! The part of a network that learning does not change, run once.
//!
//! What frozen layers give for an example is the same in every epoch. It is computed once for every row that training
//! and validation use, kept in the store under a key of its content, and the rest of the network learns from it: the
//! same steps on the same numbers, so the weights come out the same to the byte.

use std::collections::{BTreeMap, BTreeSet};

use base::{Digest, DigestWriter};
use engine::{Feed, Options, Predictor, Rows, Targets};
use graph::{Graph, GraphError, ValueId, onnx};
use store::{StageResult, Store, StoreError};
use tensor::DType;

use crate::architecture::{Copied, Plan, copy_into};
use crate::error::RunError;
use crate::keys::ENGINE_VERSION;
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
}

/// The activations behind a prefix: one row for each of the dataset's rows up to the last that is used, those that are
/// not used zero.
pub(super) struct Activations {
    values: Vec<f32>,
    width: usize,
    /// Whether they were in the store.
    pub(super) found: bool,
}

impl Activations {
    /// Numbers in a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Those of one of the dataset's rows that training or validation uses.
    pub(super) fn row(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.width..][..self.width]
    }

    /// They, with the examples' targets.
    pub(super) fn feed<'a>(&'a self, examples: &'a Examples) -> Feed<'a> {
        let rows = self.values.len() / self.width;
        let targets = match examples.feed().targets {
            Targets::Classes(classes) => Targets::Classes(&classes[..rows]),
            Targets::Values(values) => Targets::Values(&values[..values.len().min(rows)]),
            Targets::None => Targets::None,
        };
        Feed { rows: Rows::F32(&self.values), row_len: self.width, targets }
    }
}

/// Divides the network of `plan` behind what does not change; `None` where nothing of weight would be saved, or where the
/// parts hang together by more than one value.
pub(super) fn divide(plan: &Plan) -> Result<Option<Divided>, GraphError> {
    match cut(plan) {
        Some(cut) => divide_at(plan, cut),
        None => Ok(None),
    }
}

/// Divides the network of `plan` at the value `cut`; `None` if that has no fixed size.
pub(super) fn divide_at(plan: &Plan, cut: ValueId) -> Result<Option<Divided>, GraphError> {
    let graph = &plan.graph;
    let lengths: Option<Vec<usize>> = graph.ty(cut).shape.0.iter().skip(1).map(|dim| dim.known()).collect();
    let Some(width) = lengths.map(|lengths| lengths.iter().product()) else { return Ok(None) };
    let mut before = Graph::new("prefix");
    let mut of = |_, value: &graph::Value| match &value.constant {
        Some(tensor) => Copied::Constant(tensor.clone()),
        None => Copied::Input,
    };
    let made = copy_into(&mut before, graph, &[cut], &mut of)?;
    before.outputs = vec![made[&cut]];
    let (behind, prediction) = behind(graph, cut, plan.prediction)?;
    Ok(Some(Divided { before, behind, prediction, width }))
}

/// The one value between what stays and what learns.
fn cut(plan: &Plan) -> Option<ValueId> {
    let graph = &plan.graph;
    let constant = |id: &ValueId| graph.value(*id).constant.is_some();
    let changes = |id: &ValueId| constant(id) && plan.changes(&graph.value(*id).name);
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
    crossing.retain(|id| leads_to(graph, *id, plan.prediction));
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
    /// The activations of every row that training and validation use: from the store, or computed now and kept there.
    /// `None` if they would be too many.
    pub(super) fn activations(
        &self,
        store: &Store,
        examples: &Examples,
        options: Options,
    ) -> Result<Option<Activations>, RunError> {
        let splits = &examples.splits;
        let rows: BTreeSet<u32> = splits.train.iter().chain(&splits.validation).copied().collect();
        let count = rows.last().map_or(0, |&last| last as usize + 1);
        let bytes = count.saturating_mul(self.width).saturating_mul(4);
        if bytes > ACTIVATION_BYTES_MAX || count == 0 || self.width == 0 {
            return Ok(None);
        }
        let key = self.key(examples, &rows, options)?;
        if let Some(values) = kept(store, key, count * self.width)? {
            return Ok(Some(Activations { values, width: self.width, found: true }));
        }
        let mut predictor = Predictor::new(&self.before, options)?;
        let order: Vec<u32> = rows.into_iter().collect();
        let made = predictor.run(Feed { targets: Targets::None, ..examples.feed() }, &order)?.remove(0);
        let mut values = vec![0f32; count * self.width];
        for (&row, activations) in order.iter().zip(made.values::<f32>().chunks_exact(self.width)) {
            let at = row as usize * self.width;
            values[at..at + self.width].copy_from_slice(activations);
        }
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let blobs = vec![store.put(&bytes)?];
        store.stage_put(key, &StageResult { result: serde_json::json!({ "width": self.width }), blobs })?;
        Ok(Some(Activations { values, width: self.width, found: false }))
    }

    /// What the activations are a function of.
    fn key(&self, examples: &Examples, rows: &BTreeSet<u32>, options: Options) -> Result<Digest, RunError> {
        let model = onnx::Model {
            graph: self.before.clone(),
            producer: "heirloom".to_owned(),
            ..onnx::Model::default()
        };
        let order: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
        let mut key = DigestWriter::new("heirloom.activations.1");
        key.field(&onnx::write(&model)?).field(&examples.dataset.digest().0).field(&order);
        key.field(options.level.name().as_bytes()).field(&ENGINE_VERSION.to_le_bytes());
        Ok(key.finish())
    }
}

/// The values under `key`, if they are there, intact, and as many as expected.
fn kept(store: &Store, key: Digest, count: usize) -> Result<Option<Vec<f32>>, RunError> {
    let Some(found) = store.stage_get(key)? else { return Ok(None) };
    let bytes = match found.blobs.as_slice() {
        &[blob] => match store.get(blob) {
            Ok(bytes) => bytes,
            Err(StoreError::MissingBlob { .. } | StoreError::DamagedBlob { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        },
        _ => return Ok(None),
    };
    let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    Ok((bytes.len() == count * 4).then(|| bytes.chunks_exact(4).map(value).collect()))
}
