//! What a network makes of examples up to its head, and what it answers.

use std::time::Instant;

use base::{Digest, DigestWriter};
use engine::{Feed, Options, Predictor, Rows, Targets};
use graph::{Attributes, Graph, ValueId};
use inherit::score::{Projection, WIDTH_MAX};
use store::{StageResult, Store, StoreError};
use tensor::{DType, Data, Tensor};

use super::RankOptions;
use super::fitting::Fitting;
use crate::architecture::{Copied, copy_into};
use crate::error::RunError;
use crate::keys::ENGINE_VERSION;
use crate::prepare::Examples;
use crate::training::EVALUATION_BATCH;

/// About the most bytes of examples or features that are in memory at a time.
const CHUNK_BYTES: usize = 64 << 20;
/// Examples that the latency is the median of.
const LATENCY_EXAMPLES: usize = 9;
/// Operators that a head may be.
const LAYERS: [&str; 3] = ["Gemm", "MatMul", "Conv"];

/// What a network made of some examples.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Features {
    /// What the layers that were asked about read, the last layer first.
    pub(super) views: Vec<View>,
    /// `[n, m]`: its answers; empty from scratch.
    pub(super) answers: Vec<f32>,
    pub(super) latency_ms: Option<f64>,
}

/// What one layer reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    /// `[n, width]`, row by row: what it reads, or [`WIDTH_MAX`] random sums of that.
    pub(super) values: Vec<f32>,
    pub(super) width: usize,
    /// How many numbers it reads for one example.
    pub(super) width_of: usize,
}

/// A network that is asked for features.
pub(super) struct Asking<'a> {
    /// From raw input to answer.
    pub(super) graph: &'a Graph,
    /// The values that are wanted: see [`reads`].
    pub(super) features: Vec<ValueId>,
    /// Whether its answers are wanted, and how long they take.
    pub(super) answers: bool,
    /// Its digest.
    pub(super) digest: Digest,
    pub(super) fitting: &'a Fitting,
}

/// What the last layer in front of `prediction` reads, and what the one before it reads unless that is the input itself;
/// nothing if there is no layer.
pub(super) fn reads(graph: &Graph, prediction: ValueId) -> Vec<ValueId> {
    let last = last_read(graph, prediction);
    let before = last.and_then(|last| last_read(graph, last));
    last.into_iter().chain(before.filter(|&before| last_read(graph, before).is_some())).collect()
}

/// What the last layer reads whose weights lead to `prediction`, in topological order; `None` if there is no layer.
fn last_read(graph: &Graph, prediction: ValueId) -> Option<ValueId> {
    let mut needed = std::collections::BTreeSet::from([prediction]);
    for (_, node) in graph.nodes().rev() {
        if !node.outputs.iter().any(|id| needed.contains(id)) {
            continue;
        }
        let (weights, read): (Vec<ValueId>, Vec<ValueId>) =
            node.inputs.iter().flatten().partition(|id| graph.value(**id).constant.is_some());
        if LAYERS.contains(&node.op_name()) && !weights.is_empty() && read.len() == 1 {
            return Some(read[0]);
        }
        needed.extend(read);
    }
    None
}

impl Asking<'_> {
    /// The features of `rows` of the examples: from the store, or computed now and kept there. Errors inside with a
    /// sentence if the network cannot be asked.
    pub(super) fn of(
        &self,
        examples: &Examples,
        rows: &[u32],
        seed: u64,
        store: Option<&Store>,
        options: &RankOptions,
    ) -> Result<Result<Features, String>, RunError> {
        let key = self.key(examples, rows, seed, options);
        if let Some(found) = store.map(|store| kept(store, key, rows.len())).transpose()?.flatten() {
            return Ok(Ok(found));
        }
        let made = match self.compute(examples, rows, seed, options) {
            Ok(made) => made,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Some(store) = store {
            let result = serde_json::json!({
                "widths": made.views.iter().map(|view| view.width).collect::<Vec<_>>(),
                "widths_of": made.views.iter().map(|view| view.width_of).collect::<Vec<_>>(),
                "latency_ms": made.latency_ms,
            });
            let parts = made.views.iter().map(|view| &view.values).chain([&made.answers]);
            let blobs = parts.map(|part| store.put(&bytes(part))).collect::<Result<_, _>>()?;
            store.stage_put(key, &StageResult { result, blobs })?;
        }
        Ok(Ok(made))
    }

    fn key(&self, examples: &Examples, rows: &[u32], seed: u64, options: &RankOptions) -> Digest {
        let order: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
        let mut key = DigestWriter::new("heirloom.features.2");
        key.field(&self.digest.0).field(&examples.dataset.digest().0).field(&order);
        key.field(&seed.to_le_bytes()); // of the random sums
        key.field(options.level.name().as_bytes()).field(&ENGINE_VERSION.to_le_bytes());
        key.finish()
    }

    fn compute(
        &self,
        examples: &Examples,
        rows: &[u32],
        seed: u64,
        options: &RankOptions,
    ) -> Result<Features, String> {
        let (graph, widths) = self.cut()?;
        let engine =
            Options { batch: EVALUATION_BATCH, threads: options.threads.max(1), level: options.level };
        let mut predictor = Predictor::new(&graph, engine).map_err(|error| error.to_string())?;
        let projections: Vec<_> = widths.iter().map(|&width| Projection::of(width, seed)).collect();
        let centre = vec![0.0; widths.iter().copied().max().unwrap_or(0)];
        let empty = |&width_of: &usize| View { values: Vec::new(), width: width_of.min(WIDTH_MAX), width_of };
        let views = widths.iter().map(empty).collect();
        let mut made = Features { views, answers: Vec::new(), latency_ms: None };
        let input_len = elements(&graph, graph.inputs[0]).unwrap_or(1);
        let chunk = (CHUNK_BYTES / 4 / input_len.max(centre.len()).max(1)).clamp(1, rows.len().max(1));
        for rows in rows.chunks(chunk) {
            let input = self.fitting.apply(data::gather(&examples.dataset.input, rows))?;
            let outputs = run(&mut predictor, &input)?;
            for ((view, projection), output) in made.views.iter_mut().zip(&projections).zip(&outputs) {
                let values = output.values::<f32>();
                match projection {
                    Some(projection) => {
                        let rows = values.chunks_exact(view.width_of);
                        let sums = rows.flat_map(|row| projection.project(row, &centre[..view.width_of]));
                        view.values.extend(sums);
                    }
                    None => view.values.extend(values),
                }
            }
            if self.answers {
                made.answers.extend(outputs[widths.len()].values::<f32>());
            }
        }
        if self.answers {
            made.latency_ms = self.latency_ms(examples, rows, options)?;
        }
        Ok(made)
    }

    /// The graph that gives the features, and behind them the answers if they are wanted; and the features' numbers.
    fn cut(&self) -> Result<(Graph, Vec<usize>), String> {
        let float = |id: ValueId| self.graph.ty(id).dtype == DType::F32;
        let width = |&id: &ValueId| elements(self.graph, id).filter(|&width| width > 0 && float(id));
        let widths: Option<Vec<usize>> = self.features.iter().map(width).collect();
        let widths = widths.ok_or("its last layers do not read a fixed number of float32 numbers")?;
        if self.graph.inputs.len() != 1 {
            return Err(format!("it has {} inputs", self.graph.inputs.len()));
        }
        let answer = match self.graph.outputs.first() {
            _ if !self.answers => None,
            Some(&answer) if float(answer) => Some(answer),
            _ => return Err("its answer is no float32 number".to_owned()),
        };
        let results: Vec<ValueId> = self.features.iter().copied().chain(answer).collect();
        let mut of = |_, value: &graph::Value| match &value.constant {
            Some(tensor) => Copied::Constant(tensor.clone()),
            None => Copied::Input,
        };
        let mut cut = Graph::new("features");
        let made = copy_into(&mut cut, self.graph, &results, &mut of).map_err(|error| error.to_string())?;
        for id in &self.features {
            // A network of one layer reads the input itself, which no node gives.
            let copy = cut.push("features", "Identity", Attributes::new(), &[made[id]]);
            cut.outputs.push(copy.map_err(|error| error.to_string())?);
        }
        cut.outputs.extend(answer.map(|id| made[&id]));
        Ok((cut, widths))
    }

    /// The median of what single examples take on one thread.
    fn latency_ms(
        &self,
        examples: &Examples,
        rows: &[u32],
        options: &RankOptions,
    ) -> Result<Option<f64>, String> {
        let engine = Options { batch: 1, threads: 1, level: options.level };
        let mut predictor = Predictor::new(self.graph, engine).map_err(|error| error.to_string())?;
        let mut taken = Vec::new();
        for row in rows.iter().take(LATENCY_EXAMPLES) {
            let input = self.fitting.apply(data::gather(&examples.dataset.input, &[*row]))?;
            let started = Instant::now();
            run(&mut predictor, &input)?;
            taken.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        taken.sort_by(f64::total_cmp);
        Ok(taken.get(taken.len() / 2).copied())
    }
}

/// Elements of a value for one example, if they are fixed.
fn elements(graph: &Graph, id: ValueId) -> Option<usize> {
    graph.ty(id).shape.0.iter().skip(1).map(|dim| dim.known()).product()
}

fn run(predictor: &mut Predictor, input: &Tensor) -> Result<Vec<Tensor>, String> {
    let rows = match input.data() {
        Data::U8(values) => Rows::U8(values),
        Data::F32(values) => Rows::F32(values),
        _ => unreachable!("inputs are u8 or f32, found {}", input.dtype()),
    };
    let row_len = input.shape()[1..].iter().product();
    let order: Vec<u32> = (0..input.shape()[0] as u32).collect();
    predictor.run(Feed { rows, row_len, targets: Targets::None }, &order).map_err(|error| error.to_string())
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// What is kept under `key`, if it is there, intact, and of as many rows as expected.
fn kept(store: &Store, key: Digest, rows: usize) -> Result<Option<Features>, RunError> {
    let Some(found) = store.stage_get(key)? else { return Ok(None) };
    let numbers = |name: &str| {
        let value = found.result.get(name).cloned();
        value.and_then(|value| serde_json::from_value::<Vec<usize>>(value).ok())
    };
    let (Some(widths), Some(widths_of)) = (numbers("widths"), numbers("widths_of")) else { return Ok(None) };
    let mut parts = Vec::new();
    for &blob in &found.blobs {
        match store.get(blob) {
            Ok(bytes) => parts.push(bytes),
            Err(StoreError::MissingBlob { .. } | StoreError::DamagedBlob { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    let Some((answers, views)) = parts.split_last() else { return Ok(None) };
    let bytes_of = |width: &usize| rows.checked_mul(*width).and_then(|count| count.checked_mul(4));
    let whole = widths.iter().zip(views).all(|(width, part)| bytes_of(width) == Some(part.len()));
    if !whole || widths.len() != views.len() || widths_of.len() != views.len() {
        return Ok(None);
    }
    let floats = |bytes: &[u8]| {
        let (numbers, _) = bytes.as_chunks::<4>();
        numbers.iter().map(|number| f32::from_le_bytes(*number)).collect::<Vec<f32>>()
    };
    let view = |((part, width), width_of): ((&Vec<u8>, usize), usize)| View {
        values: floats(part),
        width,
        width_of,
    };
    Ok(Some(Features {
        views: views.iter().zip(widths).zip(widths_of).map(view).collect(),
        answers: floats(answers),
        latency_ms: found.result.get("latency_ms").and_then(serde_json::Value::as_f64),
    }))
}
