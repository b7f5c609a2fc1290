//! A program: the steps of one batch, where they need the threads to meet, and how threads run them.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use graph::GraphError;

use crate::arrangement::{find_barriers, find_groups, place};
use crate::cpu::Level;
use crate::feed::{Batch, Feed};
use crate::kernels::denormal::FlushDenormals;
use crate::kernels::memory::{Memory, Slot};
use crate::kernels::read_only;
use crate::kernels::workers::Team;
use crate::meeting::{Alarm, Meeting};
use crate::profile::{Noted, Recorder, StepTime};
use crate::step::{Access, Context, Mode, Step};

/// A buffer before it has a place: how many elements, and whether its content outlives a batch.
#[derive(Debug, Clone)]
pub(crate) struct BufferSpec {
    pub(crate) len: usize,
    pub(crate) persistent: bool,
}

/// Buffers of up to this many elements share no room: sharing would save little, and make threads meet that have
/// nothing to do with each other.
pub(crate) const SHARED_LEN_MIN: usize = 8192;

impl BufferSpec {
    /// Whether others may have its place when it is not needed.
    pub(crate) fn is_shared(&self) -> bool {
        !self.persistent && self.len >= SHARED_LEN_MIN
    }
}

/// What a step was made for.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// The node of the graph.
    pub(crate) node: String,
    /// Whether it makes what was there before.
    pub(crate) again: bool,
}

/// The steps of one batch and the memory they work in.
pub(crate) struct Program {
    pub(crate) steps: Vec<Box<dyn Step>>,
    /// What each step was made for.
    made: Vec<Made>,
    /// Whether the threads meet before the step.
    barriers: Vec<bool>,
    /// The steps that are computed together, piece by piece.
    groups: Vec<Range<usize>>,
    pub(crate) memory: Memory,
    /// Further memories, for the threads that compute other examples meanwhile.
    pub(crate) others: Vec<Memory>,
    pub(crate) level: Level,
    /// Number of lanes, and the buffers whose lanes behind the last example have to be zero.
    zero_beyond: (usize, Vec<Slot>),
    /// The first step that computes a gradient, if one does.
    way_back: Option<usize>,
    /// How often it was run.
    pub(crate) turns: AtomicUsize,
}

impl Program {
    /// Gives every buffer a place (buffers that do not live at the same time share one) and finds out where the
    /// threads must meet.
    pub(crate) fn new(
        steps: Vec<Box<dyn Step>>,
        made: Vec<Made>,
        buffers: &[BufferSpec],
        level: Level,
    ) -> Self {
        let places = place(&steps, buffers);
        let barriers = find_barriers(&steps, &places.buffers);
        let groups = find_groups(&steps, &barriers);
        let memory = Memory::new(places);
        Program {
            steps,
            made,
            barriers,
            groups,
            memory,
            others: Vec::new(),
            level,
            zero_beyond: (1, Vec::new()),
            way_back: None,
            turns: AtomicUsize::new(0),
        }
    }

    /// States which buffers of `lanes` lanes hold zeros behind the last example; debug builds check it.
    pub(crate) fn expect_zero_beyond(&mut self, lanes: usize, slots: Vec<Slot>) {
        self.zero_beyond = (lanes, slots);
    }

    /// States which step is the first that computes a gradient.
    pub(crate) fn set_way_back(&mut self, first: usize) {
        self.way_back = Some(first).filter(|&first| first < self.steps.len());
    }

    /// Panics if a buffer that `step` has just written holds something else than zeros behind the last example; what
    /// training that diverged leaves there (zero times infinity) is for the caller to report.
    fn check_zero_beyond(&self, step: &dyn Step, cx: &Context<'_>) {
        let (live, (lanes, slots)) = (cx.live(), &self.zero_beyond);
        for access in step.access() {
            if access.mode == Mode::Write && slots.contains(&access.slot) {
                let values = read_only(cx.memory, access.slot);
                let clean = values
                    .chunks_exact(*lanes)
                    .all(|lane| lane[live..].iter().all(|&x| x == 0.0 || !x.is_finite()));
                assert!(clean, "{} left a gradient behind the last of {live} examples", step.name());
            }
        }
    }

    /// Bytes of the arena, and of its replicas.
    pub(crate) fn bytes(&self) -> usize {
        self.memory.bytes() + self.others.iter().map(Memory::bytes).sum::<usize>()
    }

    /// The plan for people: one line per step, `|` where the threads meet before it.
    pub(crate) fn describe(&self) -> String {
        let steps = self.steps.iter().zip(&self.barriers);
        let line = steps.map(|(step, &barrier)| {
            format!("{} {} x{}\n", if barrier { "|" } else { " " }, step.name(), step.pieces().count())
        });
        line.collect()
    }

    /// Runs all batches of `order` on `threads` threads, or on fewer where other runs have them. After each batch, `after(batch index, memory)` is
    /// called on the first thread; it may read the values that are kept, which the last step claims. Errors if an
    /// operator refused its inputs; at most one more batch is computed after that.
    pub(crate) fn run(
        &self,
        feed: Feed<'_>,
        order: &[u32],
        batch_size: usize,
        threads: usize,
        schedule: &Schedule,
        after: &mut (dyn FnMut(usize, &Memory) -> Flow + Send),
    ) -> Result<(), GraphError> {
        self.run_recorded(feed, order, batch_size, threads, schedule, after, None)
    }

    /// As [`Program::run`]; `recorder` takes down when each thread began and ended each step.
    #[allow(clippy::too_many_arguments)] // those of `run`, and one
    pub(crate) fn run_recorded(
        &self,
        feed: Feed<'_>,
        order: &[u32],
        batch_size: usize,
        threads: usize,
        schedule: &Schedule,
        after: &mut (dyn FnMut(usize, &Memory) -> Flow + Send),
        recorder: Option<&Recorder>,
    ) -> Result<(), GraphError> {
        feed.check(order);
        // Where nothing is cut, one thread has all the work.
        let cut = self.steps.iter().any(|step| !step.pieces().is_serial());
        let team = Team::gather(if cut { threads.saturating_sub(1) } else { 0 });
        let threads = team.threads();
        let meeting = Meeting::new(threads);
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let stop = AtomicUsize::new(usize::MAX);
        let failure = Mutex::new(None);
        let worker = |thread: usize, after: &mut dyn FnMut(usize, &Memory) -> Flow| {
            let _flush = FlushDenormals::new();
            let _alarm = Alarm(&meeting);
            for (index, rows) in order.chunks(batch_size).enumerate() {
                if index > 0 && stop.load(Ordering::Acquire) <= index {
                    break;
                }
                let cx = Context {
                    memory: &self.memory,
                    level: self.level,
                    batch: Batch { feed, rows },
                    step: schedule.first_step + index as u64,
                    learning_rate: schedule.learning_rate,
                    failure: &failure,
                };
                let mut noted = recorder.map(|recorder| recorder.begin(thread, self.steps.len()));
                self.run_batch(&cx, turn + index, (thread, threads), &meeting, noted.as_mut());
                recorder.into_iter().zip(noted).for_each(|(recorder, noted)| recorder.end(noted));
                if thread == 0 && (cx.has_failed() || after(index, &self.memory) == Flow::Stop) {
                    // Takes effect after the next batch's first meeting at the latest on every thread alike:
                    // the others may already be inside the next batch, so that one is the last.
                    stop.fetch_min(index + 2, Ordering::AcqRel);
                }
            }
        };
        team.run(&|thread| worker(thread, &mut |_, _| Flow::Continue), || {
            worker(0, &mut |index, memory| after(index, memory));
        });
        match failure.into_inner().expect("a thread that panicked has taken this one with it") {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Whether a group of steps takes its pieces from the last to the first, for the `turn`-th batch. The pieces of a step are
    /// independent. The weights read last are those read next: where they do not fit into a core's cache, a part of them is
    /// still there, and going round and round would find none. Training reads them on the way there and on the way back.
    fn goes_backwards(&self, group: &Range<usize>, turn: usize) -> bool {
        self.way_back.map_or(turn % 2 == 1, |way_back| group.start >= way_back)
    }

    /// Computes one batch.
    pub(crate) fn run_batch(
        &self,
        cx: &Context<'_>,
        turn: usize,
        (thread, threads): (usize, usize),
        meeting: &Meeting,
        mut noted: Option<&mut Noted>,
    ) {
        for group in &self.groups {
            if self.barriers[group.start] {
                meeting.wait(thread);
            }
            let steps = &self.steps[group.clone()];
            let pieces = steps[0].pieces().of_thread(thread, threads);
            let backwards = self.goes_backwards(group, turn);
            let mut compute = |pieces: Range<usize>| {
                for (index, step) in group.clone().zip(steps) {
                    let compute = || step.run_all(pieces.clone(), backwards, cx);
                    noted.as_mut().map_or_else(compute, |noted| noted.time(index, compute));
                }
            };
            match (steps.len(), backwards) {
                _ if pieces.is_empty() => {}
                (1, _) => compute(pieces),
                (_, false) => pieces.for_each(|piece| compute(piece..piece + 1)),
                _ => pieces.rev().for_each(|piece| compute(piece..piece + 1)),
            }
            if cfg!(debug_assertions) && threads == 1 {
                steps.iter().for_each(|step| self.check_zero_beyond(step.as_ref(), cx));
            }
        }
    }

    /// What each step is, without times.
    pub(crate) fn outline(&self) -> Vec<StepTime> {
        let steps = self.steps.iter().zip(&self.made).zip(&self.barriers);
        steps
            .map(|((step, made), &meets)| StepTime {
                name: step.name(),
                node: made.node.clone(),
                again: made.again,
                pieces: step.pieces().count(),
                meets: meets && self.replicas() == 1,
                operations: step.operations(),
                bytes: self.replicas() as u64 * self.bytes_of(step.as_ref()),
                seconds: 0.0,
            })
            .collect()
    }

    /// Bytes of the buffers that a step reads and writes.
    fn bytes_of(&self, step: &dyn Step) -> u64 {
        let len = |access: &Access| self.memory.len_of(access.slot) * size_of::<f32>();
        step.access().iter().map(|access| len(access) as u64).sum()
    }
}

/// Whether to go on after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop soon: at most one more batch is computed.
    Stop,
}

/// The numbers that change from step to step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) first_step: u64,
    pub(crate) learning_rate: f32,
}
