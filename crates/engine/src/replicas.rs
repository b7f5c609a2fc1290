//! Threads that compute different examples: each runs all steps for its part of a batch, in memory of its own beside weights that
//! all of them read. They have nothing to wait for, and a thread finds in its cache what it has made itself. For answers only: what
//! is learned from a batch is a sum over its examples.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use graph::{Graph, GraphError};

use crate::feed::{Batch, Feed};
use crate::independence::examples_are_independent;
use crate::kernels::denormal::FlushDenormals;
use crate::kernels::memory::Memory;
use crate::kernels::workers::Team;
use crate::layout::BATCH;
use crate::meeting::{Alarm, Meeting};
use crate::profile::Recorder;
use crate::program::Program;
use crate::step::Context;

/// Examples of a thread from which it pays: each thread reads all weights, and with fewer examples that takes as long as computing.
const EXAMPLES_MIN: usize = 64;

/// How many threads compute their own examples of a batch: all or, as one, none. Not where answers depend on other examples too, nor
/// where there are more weights than numbers that are computed with them.
pub(crate) fn count(graph: &Graph, batch: usize, threads: usize) -> usize {
    let part = batch.div_ceil(threads.max(1));
    if threads < 2 || part < EXAMPLES_MIN || !examples_are_independent(graph) {
        return 1;
    }
    let (mut weights, mut numbers) = (0usize, 0usize);
    for (_, value) in graph.values() {
        match &value.constant {
            Some(constant) => weights = weights.saturating_add(constant.len()),
            None => {
                let lengths = value.ty.shape.bind(BATCH, part).lengths().unwrap_or_default();
                let len = lengths.into_iter().fold(1, usize::saturating_mul);
                numbers = numbers.saturating_add(len);
            }
        }
    }
    if weights <= numbers { threads } else { 1 }
}

impl Program {
    /// Gives `threads` threads memory of their own.
    pub(crate) fn replicate(&mut self, threads: usize) {
        self.others = (1..threads).map(|_| self.memory.replica()).collect();
    }

    /// How many threads compute examples of their own; 1 where all compute the same ones.
    pub(crate) fn replicas(&self) -> usize {
        self.others.len() + 1
    }

    /// Computes all batches of `order`, of `batch` examples, each thread its parts of them. After each part, `after(first, memory)` is
    /// called on the thread that has computed it, with the number of its first example in `order`. Errors if an operator refused its
    /// inputs.
    pub(crate) fn run_apart(
        &self,
        feed: Feed<'_>,
        order: &[u32],
        batch: usize,
        after: &(dyn Fn(usize, &Memory) + Sync),
        recorder: Option<&Recorder>,
    ) -> Result<(), GraphError> {
        feed.check(order);
        let apart = self.replicas();
        let part = batch.div_ceil(apart);
        let team = Team::gather(apart - 1);
        let threads = team.threads();
        let (together, alone) = (Meeting::new(threads), Meeting::new(1));
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let failure = Mutex::new(None);
        let worker = |thread: usize| {
            let _flush = FlushDenormals::new();
            let _alarm = Alarm(&together);
            let memory = thread.checked_sub(1).map_or(&self.memory, |replica| &self.others[replica]);
            for (index, rows) in order.chunks(batch).enumerate() {
                // A batch that is measured begins on all threads at once.
                let mut noted = recorder.map(|recorder| {
                    together.wait(thread);
                    recorder.begin(thread, self.steps.len())
                });
                for (number, rows) in rows.chunks(part).enumerate().skip(thread).step_by(threads) {
                    let cx = Context {
                        memory,
                        level: self.level,
                        batch: Batch { feed, rows },
                        step: 1,
                        learning_rate: 0.0,
                        failure: &failure,
                    };
                    if cx.has_failed() {
                        break;
                    }
                    self.run_batch(&cx, turn + index, (0, 1), &alone, noted.as_mut());
                    after(index * batch + number * part, memory);
                }
                recorder.into_iter().zip(noted).for_each(|(recorder, noted)| recorder.end(noted));
            }
        };
        team.run(&worker, || worker(0));
        match failure.into_inner().expect("a thread that panicked has taken this one with it") {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
