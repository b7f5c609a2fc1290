//! Steps: what a program is made of.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use graph::GraphError;

use crate::cpu::Level;
use crate::feed::Batch;
use crate::kernels::memory::{ALIGNMENT, Memory, Slot};

/// Work is cut into at most this many pieces, whatever the number of threads: the cut decides the order of
/// summation, so it must not depend on the machine.
pub(crate) const PIECES: usize = 8;

/// Lanes that are not parted where work is cut by lanes: a cache line of numbers, and a whole vector of any width.
pub(crate) const PIECE_LANES: usize = ALIGNMENT;

/// Work below this many floating-point operations is not worth a meeting of the threads.
const SERIAL_WORK: usize = 200_000;

/// One fused operation of a program.
pub(crate) trait Step: Send + Sync {
    /// What it is, for people reading a plan.
    fn name(&self) -> String;
    /// How it is cut. Pieces may run at the same time on different threads.
    fn pieces(&self) -> &Pieces;
    /// Which buffers it touches; a reused buffer stays untouched between its last reader and next writer.
    fn access(&self) -> Vec<Access>;
    /// Floating-point operations of all pieces together, where they are what takes the time; else 0.
    fn operations(&self) -> u64 {
        0
    }
    /// Buffers it can write over others that it reads: `(written, read)`, the better first. Each number is read before its
    /// place is written, by the same piece.
    fn in_place(&self) -> Vec<(Slot, Slot)> {
        Vec::new()
    }
    /// Computes one piece.
    fn run(&self, piece: usize, cx: &Context<'_>);
    /// Whether a thread's pieces are cheaper computed together than one by one with other steps in between.
    fn stays_together(&self) -> bool {
        false
    }
    /// Computes pieces that follow each other, from the last to the first if `backwards`.
    fn run_all(&self, pieces: Range<usize>, backwards: bool, cx: &Context<'_>) {
        match backwards {
            false => pieces.for_each(|piece| self.run(piece, cx)),
            true => pieces.rev().for_each(|piece| self.run(piece, cx)),
        }
    }
}

/// A cut of `0..total` into pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pieces {
    bounds: Arc<[usize]>,
}

impl Pieces {
    /// One piece, computed by the first thread.
    pub(crate) fn serial(total: usize) -> Self {
        Pieces { bounds: Arc::from([0, total]) }
    }

    /// As many pieces as there are items.
    pub(crate) fn each(total: usize) -> Self {
        Pieces { bounds: (0..=total).collect() }
    }

    /// `total` items in up to [`PIECES`] nearly equal pieces, or one piece if all of it is little work.
    pub(crate) fn of(total: usize, work: usize) -> Self {
        if work < SERIAL_WORK {
            return Pieces::serial(total);
        }
        let count = total.clamp(1, PIECES);
        Pieces { bounds: (0..=count).map(|piece| piece * total / count).collect() }
    }

    /// `rounds` times items of the given costs in up to [`PIECES`] pieces of nearly equal cost, or one piece if all of it is
    /// little work.
    pub(crate) fn weighed(costs: &[usize], rounds: usize, work: usize) -> Self {
        let total = costs.len() * rounds;
        if work < SERIAL_WORK {
            return Pieces::serial(total);
        }
        let count = total.clamp(1, PIECES);
        let whole: usize = costs.iter().sum::<usize>() * rounds;
        let (mut bounds, mut cost) = (vec![0], 0);
        for item in 0..total {
            cost += costs[item % costs.len()];
            if cost * count >= whole * bounds.len() {
                bounds.push(item + 1);
            }
        }
        Pieces { bounds: bounds.into() }
    }

    /// The same cut of something `factor` times as long.
    pub(crate) fn scaled(&self, factor: usize) -> Self {
        Pieces { bounds: self.bounds.iter().map(|bound| bound * factor).collect() }
    }

    /// The same cut of blocks of `size` items, at whose multiples the pieces begin and end.
    pub(crate) fn per(&self, size: usize) -> Self {
        debug_assert!(self.bounds.iter().all(|bound| bound % size == 0), "pieces are whole blocks");
        Pieces { bounds: self.bounds.iter().map(|bound| bound / size).collect() }
    }

    /// Whether pieces begin at multiples of `unit`.
    pub(crate) fn begin_at(&self, unit: usize) -> bool {
        self.bounds[..self.count()].iter().all(|bound| bound % unit == 0)
    }

    pub(crate) fn count(&self) -> usize {
        self.bounds.len() - 1
    }

    pub(crate) fn total(&self) -> usize {
        self.bounds[self.bounds.len() - 1]
    }

    pub(crate) fn range(&self, piece: usize) -> std::ops::Range<usize> {
        self.bounds[piece]..self.bounds[piece + 1]
    }

    /// What all pieces of a range hold together.
    pub(crate) fn span(&self, pieces: Range<usize>) -> Range<usize> {
        self.bounds[pieces.start]..self.bounds[pieces.end]
    }

    pub(crate) fn is_serial(&self) -> bool {
        self.count() == 1
    }

    /// The pieces that thread `thread` of `threads` computes.
    pub(crate) fn of_thread(&self, thread: usize, threads: usize) -> std::ops::Range<usize> {
        if self.is_serial() {
            return if thread == 0 { 0..1 } else { 0..0 };
        }
        thread * self.count() / threads..(thread + 1) * self.count() / threads
    }
}

/// Whether a buffer is read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// Which part of a buffer one piece touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Any of it.
    Whole,
    /// Only its own share of each of `rows` equal rows: a row cut in as many parts as the step, at the bounds given in elements.
    Own { cut: Pieces, rows: usize },
}

/// One buffer a step touches.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) slot: Slot,
    pub(crate) mode: Mode,
    pub(crate) part: Part,
}

impl Access {
    pub(crate) fn read(slot: Slot) -> Self {
        Access { slot, mode: Mode::Read, part: Part::Whole }
    }

    pub(crate) fn write(slot: Slot) -> Self {
        Access { slot, mode: Mode::Write, part: Part::Whole }
    }

    /// Each piece reads its own share only.
    pub(crate) fn read_own(slot: Slot, pieces: &Pieces, elements: usize) -> Self {
        Access { slot, mode: Mode::Read, part: Part::Own { cut: pieces.scaled(elements), rows: 1 } }
    }

    /// Each piece writes (and may read) its own share only.
    pub(crate) fn write_own(slot: Slot, pieces: &Pieces, elements: usize) -> Self {
        Access { slot, mode: Mode::Write, part: Part::Own { cut: pieces.scaled(elements), rows: 1 } }
    }

    /// The same of a buffer of so many equal rows: each piece touches its own share of each.
    pub(crate) fn of_rows(mut self, count: usize) -> Self {
        if let Part::Own { rows, .. } = &mut self.part {
            *rows = count;
        }
        self
    }
}

/// The last step of every program: computes nothing, but claims the values that the first thread reads after the
/// batch, so that the threads meet before it does, and before any of them is written again.
pub(crate) struct Results {
    slots: Vec<Slot>,
    pieces: Pieces,
}

impl Results {
    pub(crate) fn new(slots: Vec<Slot>) -> Self {
        Results { slots, pieces: Pieces::serial(1) }
    }
}

impl Step for Results {
    fn name(&self) -> String {
        "results".to_owned()
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        self.slots.iter().map(|&slot| Access::read(slot)).collect()
    }

    fn run(&self, _: usize, _: &Context<'_>) {}
}

/// What a step sees of the batch that is being computed.
pub(crate) struct Context<'a> {
    pub(crate) memory: &'a Memory,
    pub(crate) level: Level,
    /// The examples of this batch.
    pub(crate) batch: Batch<'a>,
    /// The training step, from 1.
    pub(crate) step: u64,
    /// The learning rate of this step.
    pub(crate) learning_rate: f32,
    /// The first operator that refused its inputs, if any did.
    pub(crate) failure: &'a Mutex<Option<GraphError>>,
}

impl Context<'_> {
    /// Notes that an operator refused its inputs; the run ends after this batch.
    pub(crate) fn fail(&self, error: GraphError) {
        self.failure.lock().expect("nothing panics while it holds the lock").get_or_insert(error);
    }

    /// Whether an operator refused its inputs.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.lock().expect("nothing panics while it holds the lock").is_some()
    }

    /// Number of examples in this batch; the lanes beyond count for nothing.
    pub(crate) fn live(&self) -> usize {
        self.batch.rows.len()
    }
}
