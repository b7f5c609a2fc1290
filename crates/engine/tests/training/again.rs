//! Plans that compute again what they have no memory for.

use engine::{EngineError, Level, Loss, Objective, Options, Planning, Trainer};
use graph::ValueId;
use tensor::Tensor;

use crate::jobs::{ADAM, Job, Model, digests};

const BATCH: usize = 100;

/// What a plan takes, how many steps it computes again, and what it has learnt after a few batches.
struct Outcome {
    bytes: usize,
    again: usize,
    losses: Vec<f64>,
    state: Vec<(String, Tensor)>,
}

fn outcome(job: &Job, threads: usize, limit: Option<usize>) -> Result<Outcome, EngineError> {
    let options = Options { batch: BATCH, threads, level: Level::detect() };
    let mut trainer = Trainer::planned(
        job.training.clone(),
        options,
        Planning { memory_limit: limit, ..Planning::default() },
    )?;
    let (losses, state) = job.run(&mut trainer);
    Ok(Outcome { bytes: trainer.bytes(), again: trainer.again().steps, losses, state })
}

/// The fewest bytes that a plan comes by with.
fn least(job: &Job) -> usize {
    match outcome(job, 1, Some(0)) {
        Err(EngineError::Memory { limit: 0, least }) => least,
        other => panic!("a plan of no bytes: {}", other.is_ok()),
    }
}

/// Under every limit that can be kept, the plan keeps it, states what it computes again, and learns the same bytes. `share` of
/// what it takes without a limit is enough.
fn check(name: &str, network: fn() -> Model, share: f64) {
    let job = Job::new(network(), &Objective::new(Loss::CrossEntropy, ADAM, 5), 2 * BATCH + 30);
    let whole = outcome(&job, 1, None).unwrap();
    assert_eq!(whole.again, 0, "{name}");
    let least = least(&job);
    assert!(least as f64 <= share * whole.bytes as f64, "{name}: {least} of {} bytes", whole.bytes);
    for share in [70, 30, 0] {
        let limit = least + (whole.bytes - least) * share / 100;
        for threads in [1, 2, 3] {
            let found = outcome(&job, threads, Some(limit)).unwrap();
            let place = format!("{name}: {} of {limit} bytes, {threads} threads", found.bytes);
            assert!(found.bytes <= limit && found.again > 0, "{place}: {} steps again", found.again);
            assert_eq!(found.losses, whole.losses, "{place}");
            assert_eq!(digests(&found.state), digests(&whole.state), "{place}");
        }
    }
    let enough = outcome(&job, 1, Some(whole.bytes)).unwrap();
    assert_eq!((enough.bytes, enough.again), (whole.bytes, 0), "{name}");
    assert!(matches!(outcome(&job, 1, Some(least - 1)), Err(EngineError::Memory { .. })), "{name}");
}

fn conv(model: &mut Model, x: ValueId, from: usize, to: usize) -> ValueId {
    let w = model.weight(&[to, from, 3, 3], 0.0);
    model.op("Conv", &[x, w], &[("pads", [1, 1, 1, 1].into())])
}

/// Convolution (of 16 channels or more: Winograd's), normalisation and ReLU.
fn rectified(model: &mut Model, x: ValueId, from: usize, to: usize) -> ValueId {
    let x = conv(model, x, from, to);
    let x = model.batch_norm(x, to);
    model.op("Relu", &[x], &[])
}

/// Two blocks that add their input, behind a pooling.
fn residual() -> Model {
    let (mut model, x) = Model::new(&[3, 16, 16]);
    let x = rectified(&mut model, x, 3, 16);
    let window = [("kernel_shape", [3, 3].into()), ("strides", [2, 2].into()), ("pads", [1, 1, 1, 1].into())];
    let mut x = model.op("MaxPool", &[x], &window); // [batch, 16, 8, 8]
    for _ in 0..2 {
        let y = rectified(&mut model, x, 16, 16);
        let y = conv(&mut model, y, 16, 16);
        let y = model.batch_norm(y, 16);
        let sum = model.op("Add", &[y, x], &[]);
        x = model.op("Relu", &[sum], &[]);
    }
    let x = model.op("GlobalAveragePool", &[x], &[]);
    model.scores(x, 16)
}

/// Convolutions with functions, dropout and pooling behind, then dense layers with dropout.
fn plain() -> Model {
    let (mut model, x) = Model::new(&[3, 16, 16]);
    let pads = [("pads", [1, 1, 1, 1].into())];
    let two = [("kernel_shape", [2, 2].into()), ("strides", [2, 2].into())];
    let mut x = x;
    for (from, op) in [(3, "Tanh"), (16, "Sigmoid"), (16, "Relu")] {
        x = model.conv(x, &[16, from, 3, 3], &pads);
        x = model.op(op, &[x], &[]);
        x = model.op("Dropout", &[x], &[]);
    }
    let mut x = model.op("MaxPool", &[x], &two); // [batch, 16, 8, 8]
    x = model.conv(x, &[16, 16, 3, 3], &pads);
    x = model.op("Relu", &[x], &[]);
    x = model.op("AveragePool", &[x], &two); // [batch, 16, 4, 4]
    let mut x = model.op("Flatten", &[x], &[]);
    for (from, to) in [(256, 300), (300, 200)] {
        x = model.dense(x, from, to);
        x = model.op("Tanh", &[x], &[]);
        x = model.op("Dropout", &[x], &[]);
    }
    model.scores(x, 200)
}

/// A long chain, for which sections are what helps.
fn chain() -> Model {
    let (mut model, mut x) = Model::new(&[12, 10, 10]);
    for _ in 0..24 {
        x = conv(&mut model, x, 12, 12);
        x = model.op("Sigmoid", &[x], &[]);
    }
    model.scores(x, 1200)
}

/// Convolutions with a gate behind each, which several nodes read on the way back.
fn gates() -> Model {
    let (mut model, x) = Model::new(&[8, 12, 12]);
    let factor = model.graph.constant("factor", Tensor::scalar(1.5f32));
    let mut x = x;
    for _ in 0..6 {
        x = conv(&mut model, x, 8, 8);
        let scaled = model.op("Mul", &[x, factor], &[]);
        let gate = model.op("Sigmoid", &[scaled], &[]);
        x = model.op("Mul", &[x, gate], &[]);
        x = model.op("Abs", &[x], &[]);
    }
    model.scores(x, 1152)
}

#[test]
fn gates_in_less_memory() {
    check("gates", gates, 0.8);
}

#[test]
fn residual_blocks_in_less_memory() {
    check("residual", residual, 0.85);
}

#[test]
fn pooling_and_dropout_in_less_memory() {
    check("plain", plain, 0.9);
}

#[test]
fn a_long_chain_in_less_memory() {
    check("chain", chain, 0.65);
}
