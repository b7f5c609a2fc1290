//! A model or an ONNX file that answers random examples.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Diagnostic, Location, SourceMap};
use engine::{EngineError, Feed, Options, Predictor, Profile as Steps, Rows, Targets};
use graph::Graph;
use tensor::{DType, Random, Tensor};

use super::Terms;
use crate::arguments::Profile;
use crate::disk;
use crate::failure::Failure;

/// The format itself allows no more.
const FILE_BYTES_MAX: u64 = 1 << 31;
/// Random inputs take at most this many bytes.
const INPUT_BYTES_MAX: usize = 1 << 30;
/// What the network makes of a batch may take this many bytes, before the plan lets values share room.
const VALUES_BYTES_MAX: u128 = 64 << 30;
/// Batches that are asked in turn, where memory allows: one alone would stay in the cache.
const BATCHES_MAX: usize = 8;

/// A network with inputs to answer.
pub(super) struct Inference {
    name: String,
    graph: Arc<Graph>,
    predictor: Predictor,
    batch: usize,
    /// [rows, ..]
    inputs: Tensor,
}

impl Inference {
    /// The network in an ONNX file.
    pub(super) fn of_file(arguments: &Profile, terms: &Terms) -> Result<Self, Failure> {
        let path = &arguments.subject;
        let bytes = disk::read(path, FILE_BYTES_MAX)?;
        let graph = pipeline::onnx_network(&bytes, path)
            .map_err(|found| Failure::mistakes(found, SourceMap::default()))?;
        let refused = |error: EngineError| {
            let found =
                Diagnostic::new("network-cannot-run", format!("the engine cannot run this network: {error}"));
            Failure::from(found.label(Location::file(path), ""))
        };
        Inference::new(path.display().to_string(), Arc::new(graph), arguments, terms, &refused)
    }

    /// A model of the store.
    pub(super) fn of_model(arguments: &Profile, terms: &Terms) -> Result<Self, Failure> {
        let reference = arguments.subject.display().to_string();
        let model = pipeline::load_model(&arguments.store.open()?, &reference)?;
        let refused = |error: EngineError| Failure::world(error);
        Inference::new(model.id.clone(), model.graph().clone(), arguments, terms, &refused)
    }

    fn new(
        name: String,
        graph: Arc<Graph>,
        arguments: &Profile,
        terms: &Terms,
        refused: &dyn Fn(EngineError) -> Failure,
    ) -> Result<Self, Failure> {
        let batch = arguments.batch.unwrap_or(1) as usize;
        check_values(&graph, batch)?;
        let inputs = inputs(&graph, batch)?;
        let options = Options { batch, threads: terms.threads, level: terms.level };
        let predictor = Predictor::shared(graph.clone(), options).map_err(refused)?;
        Ok(Inference { name, graph, predictor, batch, inputs })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    pub(super) fn bytes(&self) -> usize {
        self.predictor.bytes()
    }

    /// Threads that compute examples of their own.
    pub(super) fn replicas(&self) -> usize {
        self.predictor.replicas()
    }

    /// Numbers in the constants.
    pub(super) fn parameters(&self) -> usize {
        let constants = self.graph.values().filter_map(|(_, value)| value.constant.as_ref());
        constants.map(Tensor::len).sum()
    }

    /// Answers one batch after the other until `limit` has passed, at least `least` of them. Returns the seconds of each call,
    /// from examples to answers.
    pub(super) fn repeat(&mut self, least: usize, limit: Duration) -> Result<Vec<f64>, Failure> {
        let (mut seconds, started) = (Vec::new(), Instant::now());
        let order: Vec<u32> = (0..self.inputs.shape()[0] as u32).collect();
        for rows in order.chunks(self.batch).cycle() {
            if seconds.len() >= least && started.elapsed() >= limit {
                break;
            }
            let before = Instant::now();
            let answers = self.predictor.run(feed(&self.inputs), rows).map_err(Failure::world)?;
            seconds.push(before.elapsed().as_secs_f64());
            drop(answers);
        }
        Ok(seconds)
    }

    /// As [`super::subject::Subject::profile`].
    pub(super) fn profile(&mut self, count: usize, warm: usize) -> Result<Steps, Failure> {
        let rows = self.inputs.shape()[0] as u32;
        let order: Vec<u32> = (0..rows).cycle().take(count * self.batch).collect();
        self.predictor.profile(feed(&self.inputs), &order, warm).map_err(Failure::world)
    }

    /// Writes the first batch and its answers as NPY files into `folder`, which is made if it does not exist.
    pub(super) fn keep(&mut self, folder: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(folder).map_err(|error| disk::failed("make", folder, error))?;
        let order: Vec<u32> = (0..self.batch as u32).collect();
        let answers = self.predictor.run(feed(&self.inputs), &order).map_err(Failure::world)?;
        let numbers: usize = self.inputs.shape()[1..].iter().product::<usize>() * self.batch;
        let shape = [&[self.batch], &self.inputs.shape()[1..]].concat();
        let first = match self.inputs.get::<u8>() {
            Some(bytes) => Tensor::new(shape, bytes[..numbers].to_vec()),
            None => Tensor::new(shape, self.inputs.values::<f32>()[..numbers].to_vec()),
        };
        disk::write_whole(&folder.join("inputs.npy"), &packaging::npy(&first))?;
        for (index, answer) in answers.iter().enumerate() {
            disk::write_whole(&folder.join(format!("answers-{index}.npy")), &packaging::npy(answer))?;
        }
        Ok(())
    }
}

fn feed(inputs: &Tensor) -> Feed<'_> {
    let row_len = inputs.shape()[1..].iter().product();
    let rows = match inputs.get::<u8>() {
        Some(bytes) => Rows::U8(bytes),
        None => Rows::F32(inputs.values()),
    };
    Feed { rows, row_len, targets: Targets::None }
}

/// Refuses a batch whose values would need more memory than any plan should ask for.
fn check_values(graph: &Graph, batch: usize) -> Result<(), Diagnostic> {
    let bytes = |shape: &tensor::Shape| {
        let lengths = shape.0.iter().map(|dim| dim.known().unwrap_or(batch) as u128);
        lengths.fold(size_of::<f32>() as u128, u128::saturating_mul)
    };
    let total = graph.values().fold(0u128, |sum, (_, value)| sum.saturating_add(bytes(&value.ty.shape)));
    if total <= VALUES_BYTES_MAX {
        return Ok(());
    }
    let message =
        format!("{batch} examples at a time need {total} bytes, more than the limit of {VALUES_BYTES_MAX}");
    Err(Diagnostic::new("examples-too-large", message).help("ask for a smaller `--batch`"))
}

/// Whole batches of random examples as `graph` takes them: bytes, or numbers around 0.
///
/// Errors   a batch that is too large; a network that takes nothing of a known length, or nothing that the engine reads.
fn inputs(graph: &Graph, batch: usize) -> Result<Tensor, Failure> {
    let unknown = || Diagnostic::new("network-cannot-run", "the network has no one input of known lengths");
    let &[input] = graph.inputs.as_slice() else { return Err(unknown().into()) };
    let ty = graph.ty(input);
    let lengths: Option<Vec<usize>> = ty.shape.0.iter().skip(1).map(tensor::Dim::known).collect();
    let lengths = lengths.ok_or_else(unknown)?;
    let size = if ty.dtype == DType::U8 { 1u128 } else { 4 };
    let row = lengths.iter().fold(size, |product, &length| product.saturating_mul(length as u128)).max(1);
    let fitting = (INPUT_BYTES_MAX as u128 / row) as usize / batch;
    if fitting == 0 {
        let message =
            format!("{batch} inputs of {row} bytes are more than the limit of {INPUT_BYTES_MAX} bytes");
        return Err(Diagnostic::new("examples-too-large", message)
            .help("ask for a smaller `--batch`")
            .into());
    }
    let rows = batch * fitting.min(BATCHES_MAX);
    let shape = [&[rows], lengths.as_slice()].concat();
    let count = shape.iter().product::<usize>() as u64;
    let random = Random::new(1, "heirloom.profile.inputs");
    Ok(match ty.dtype {
        DType::U8 => Tensor::new(
            shape,
            (0..count).map(|index| (random.word(0, index) >> 24) as u8).collect::<Vec<u8>>(),
        ),
        _ => Tensor::new(shape, (0..count).map(|index| random.normal(0, index)).collect::<Vec<f32>>()),
    })
}
