//! The plans of one model on one thread: a plan computes as many examples as it was made for, whether they are there or
//! not, so there is a small one for low latency and a larger one for throughput.

use std::sync::Arc;

use engine::{EngineError, Feed, Level, Options, Predictor, Rows, Targets};
use graph::Graph;
use tensor::{DType, Tensor};

use super::queue::Job;
use crate::protocol::{Answer, Values};

/// Examples of each plan, ascending. A plan for one has the channels of its maps in the lanes of the vectors. One vector of the widest
/// instructions holds 16 examples, and a kernel's tile two of them: larger batches save little, and make those wait longer that come
/// together.
pub(super) const BATCHES: [usize; 3] = [1, FEW, 32];

/// Up to so many examples are not worth cutting, or waiting for more.
pub(super) const FEW: usize = 16;

/// Plans for several batch sizes, each with its own memory.
pub(super) struct Plans {
    dtype: DType,
    row_len: usize,
    /// Ascending by batch size.
    plans: Vec<(usize, Predictor)>,
    bytes: Vec<u8>,
    floats: Vec<f32>,
}

impl Plans {
    pub(super) fn new(graph: &Arc<Graph>, (dtype, row_len): (DType, usize)) -> Result<Self, EngineError> {
        let plan = |batch| {
            let options = Options { batch, threads: 1, level: Level::detect() };
            Ok((batch, Predictor::shared(graph.clone(), options)?))
        };
        let plans = BATCHES.into_iter().map(plan).collect::<Result<_, EngineError>>()?;
        Ok(Plans { dtype, row_len, plans, bytes: Vec::new(), floats: Vec::new() })
    }

    /// The answers to all examples of `jobs`, job by job.
    pub(super) fn run(&mut self, jobs: &[Job]) -> Result<Vec<Answer>, EngineError> {
        self.bytes.clear();
        self.floats.clear();
        for job in jobs {
            match &job.examples.values {
                Values::U8(values) => self.bytes.extend_from_slice(values),
                Values::F32(values) => self.floats.extend_from_slice(values),
            }
        }
        let rows = match self.dtype {
            DType::U8 => Rows::U8(&self.bytes),
            _ => Rows::F32(&self.floats),
        };
        let count: usize = jobs.iter().map(|job| job.examples.count).sum();
        let order: Vec<u32> = (0..count as u32).collect();
        let feed = Feed { rows, row_len: self.row_len, targets: Targets::None };
        let fitting =
            self.plans.iter().position(|(batch, _)| *batch >= count).unwrap_or(self.plans.len() - 1);
        let outputs = self.plans[fitting].1.run(feed, &order)?;
        Ok(cut(jobs, count, &outputs))
    }
}

/// Every job's share of the outputs, whose rows lie in the jobs' order.
fn cut(jobs: &[Job], count: usize, outputs: &[Tensor]) -> Vec<Answer> {
    let mut from = 0;
    let share = |job: &Job| {
        let rows = from..from + job.examples.count;
        from = rows.end;
        let of = |tensor: &Tensor| {
            let width = tensor.len() / count;
            tensor.values::<f32>()[rows.start * width..rows.end * width].to_vec()
        };
        Answer { count: job.examples.count, numbers: outputs.iter().map(of).collect() }
    };
    jobs.iter().map(share).collect()
}
