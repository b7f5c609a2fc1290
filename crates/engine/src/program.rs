//! A program: the steps of one batch, where they need the threads to meet, and how threads run them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use graph::GraphError;

use crate::cpu::Level;
use crate::feed::{Batch, Feed};
use crate::kernels::denormal::FlushDenormals;
use crate::kernels::memory::{ALIGNMENT, Memory, Slot};
use crate::kernels::read_only;
use crate::profile::{Recorder, StepTime};
use crate::step::{Access, Context, Mode, Part, Step};

/// A buffer before it has a place: how many elements, and whether its content outlives a batch.
#[derive(Debug, Clone)]
pub(crate) struct BufferSpec {
    pub(crate) len: usize,
    pub(crate) persistent: bool,
}

/// The steps of one batch and the memory they work in.
pub(crate) struct Program {
    steps: Vec<Box<dyn Step>>,
    /// The node of the graph that each step was made for.
    nodes: Vec<String>,
    /// Whether the threads meet before the step.
    barriers: Vec<bool>,
    pub(crate) memory: Memory,
    level: Level,
    /// Number of lanes, and the buffers whose lanes behind the last example have to be zero.
    zero_beyond: (usize, Vec<Slot>),
    /// How often it was run.
    turns: AtomicUsize,
}

impl Program {
    /// Gives every buffer a place (buffers that do not live at the same time share one) and finds out where the
    /// threads must meet.
    pub(crate) fn new(steps: Vec<(Box<dyn Step>, String)>, buffers: &[BufferSpec], level: Level) -> Self {
        let (steps, nodes): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        let (len, places) = place(&steps, buffers);
        let barriers = find_barriers(&steps, &places);
        let memory = Memory::new(len, places);
        Program {
            steps,
            nodes,
            barriers,
            memory,
            level,
            zero_beyond: (1, Vec::new()),
            turns: AtomicUsize::new(0),
        }
    }

    /// States which buffers of `lanes` lanes hold zeros behind the last example; debug builds check it.
    pub(crate) fn expect_zero_beyond(&mut self, lanes: usize, slots: Vec<Slot>) {
        self.zero_beyond = (lanes, slots);
    }

    /// Panics if a buffer that `step` has just written holds something else than zeros behind the last example; what
    /// training that diverged leaves there (zero times infinity) is for the caller to report.
    fn check_zero_beyond(&self, step: &dyn Step, live: usize) {
        let (lanes, slots) = &self.zero_beyond;
        for access in step.access() {
            if access.mode == Mode::Write && slots.contains(&access.slot) {
                let values = read_only(&self.memory, access.slot);
                let clean = values
                    .chunks_exact(*lanes)
                    .all(|lane| lane[live..].iter().all(|&x| x == 0.0 || !x.is_finite()));
                assert!(clean, "{} left a gradient behind the last of {live} examples", step.name());
            }
        }
    }

    /// Bytes of the arena.
    pub(crate) fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// The plan for people: one line per step, `|` where the threads meet before it.
    pub(crate) fn describe(&self) -> String {
        let steps = self.steps.iter().zip(&self.barriers);
        let line = steps.map(|(step, &barrier)| {
            format!("{} {} x{}\n", if barrier { "|" } else { " " }, step.name(), step.pieces().count())
        });
        line.collect()
    }

    /// Runs all batches of `order` on `threads` threads. After each batch, `after(batch index, memory)` is
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
                self.run_batch(&cx, turn + index, (thread, threads), &meeting, recorder);
                if thread == 0 && (cx.has_failed() || after(index, &self.memory) == Flow::Stop) {
                    // Takes effect after the next batch's first meeting at the latest on every thread alike:
                    // the others may already be inside the next batch, so that one is the last.
                    stop.fetch_min(index + 2, Ordering::AcqRel);
                }
            }
        };
        std::thread::scope(|scope| {
            let worker = &worker;
            for thread in 1..threads {
                scope.spawn(move || worker(thread, &mut |_, _| Flow::Continue));
            }
            worker(0, &mut |index, memory| after(index, memory));
        });
        match failure.into_inner().expect("threads that panicked were joined above, with their panic") {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Computes one batch. The pieces of a step are independent; every other `turn` takes them backwards, so that the weights read last
    /// are those read next: where they do not fit into a core's cache, a part of them is still there, and going round and round
    /// would find none.
    fn run_batch(
        &self,
        cx: &Context<'_>,
        turn: usize,
        (thread, threads): (usize, usize),
        meeting: &Meeting,
        recorder: Option<&Recorder>,
    ) {
        let mut spans = recorder.map(|recorder| recorder.begin(thread, self.steps.len()));
        for (step, &barrier) in self.steps.iter().zip(&self.barriers) {
            if barrier {
                meeting.wait();
            }
            let start = recorder.map(|_| Instant::now());
            let pieces = step.pieces().of_thread(thread, threads);
            if !pieces.is_empty() {
                step.run_all(pieces, turn % 2 == 1, cx);
            }
            if let (Some(spans), Some(start)) = (&mut spans, start) {
                spans.note(start, Instant::now());
            }
            if cfg!(debug_assertions) && threads == 1 {
                self.check_zero_beyond(step.as_ref(), cx.live());
            }
        }
        if let (Some(recorder), Some(spans)) = (recorder, spans) {
            recorder.end(spans);
        }
    }

    /// What each step is, without times.
    pub(crate) fn outline(&self) -> Vec<StepTime> {
        let steps = self.steps.iter().zip(&self.nodes).zip(&self.barriers);
        steps
            .map(|((step, node), &meets)| StepTime {
                name: step.name(),
                node: node.clone(),
                pieces: step.pieces().count(),
                meets,
                operations: step.operations(),
                bytes: step.access().iter().map(|access| self.bytes_of(access)).sum(),
                seconds: 0.0,
            })
            .collect()
    }

    fn bytes_of(&self, access: &Access) -> u64 {
        (self.memory.len_of(access.slot) * size_of::<f32>()) as u64
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

/// A barrier that spins, and yields when it takes long: the threads meet several times per millisecond, and
/// sleeping would cost more than the work between two meetings.
struct Meeting {
    threads: usize,
    arrived: AtomicUsize,
    generation: AtomicUsize,
    broken: AtomicBool,
}

impl Meeting {
    fn new(threads: usize) -> Self {
        Meeting {
            threads,
            arrived: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    fn wait(&self) {
        if self.threads == 1 {
            return;
        }
        let generation = self.generation.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.generation.store(generation.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0u32;
        while self.generation.load(Ordering::Acquire) == generation {
            assert!(!self.broken.load(Ordering::Relaxed), "another thread failed");
            std::hint::spin_loop();
            spins += 1;
            if spins > 20_000 {
                std::thread::yield_now();
            }
        }
    }
}

/// Tells the other threads when this one fails, so that they do not wait for it for ever.
struct Alarm<'a>(&'a Meeting);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// Buffers of up to this many elements share no room: sharing would save little, and make threads meet that have
/// nothing to do with each other.
const SHARED_LEN_MIN: usize = 8192;

/// A place for every buffer: persistent ones side by side, the others reusing the room of those whose last
/// reader has run. Returns the arena's length and each buffer's offset and length.
fn place(steps: &[Box<dyn Step>], buffers: &[BufferSpec]) -> (usize, Vec<(usize, usize)>) {
    let mut places = vec![(0, 0); buffers.len()];
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; buffers.len()];
    for (index, step) in steps.iter().enumerate() {
        for access in step.access() {
            let life = lives[access.slot.0 as usize].get_or_insert((index, index));
            life.1 = index;
        }
    }
    let mut end = 0;
    for (place, buffer) in places.iter_mut().zip(buffers) {
        if buffer.persistent || buffer.len < SHARED_LEN_MIN {
            *place = (end, buffer.len);
            end += buffer.len.next_multiple_of(ALIGNMENT);
        }
    }
    let mut order: Vec<usize> = (0..buffers.len()).filter(|&index| places[index].1 == 0).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(buffers[index].len));
    let mut placed: Vec<usize> = Vec::new();
    let start = end;
    for index in order {
        let Some(life) = lives[index] else { continue };
        let len = buffers[index].len.next_multiple_of(ALIGNMENT);
        let clash = |other: &&usize| lives[**other].is_some_and(|(from, to)| from <= life.1 && life.0 <= to);
        let mut taken: Vec<(usize, usize)> =
            placed.iter().filter(clash).map(|&other| places[other]).collect();
        taken.sort_unstable();
        let mut offset = start;
        for (from, size) in taken {
            if from >= offset + len {
                break;
            }
            offset = offset.max(from + size.next_multiple_of(ALIGNMENT));
        }
        places[index] = (offset, buffers[index].len);
        end = end.max(offset + len);
        placed.push(index);
    }
    (end, places)
}

/// Before which steps the threads must meet: where a step touches what another thread may still be writing or
/// reading since the last meeting. The program runs batch after batch, so the walk goes round twice.
fn find_barriers(steps: &[Box<dyn Step>], places: &[(usize, usize)]) -> Vec<bool> {
    let mut barriers = vec![false; steps.len()];
    let mut since: Vec<(Access, bool)> = Vec::new();
    for _round in 0..2 {
        for (index, step) in steps.iter().enumerate() {
            let serial = step.pieces().is_serial();
            let accesses = step.access();
            let clash = accesses.iter().any(|new| {
                since.iter().any(|(old, old_serial)| !(serial && *old_serial) && clashes(new, old, places))
            });
            if clash || barriers[index] {
                barriers[index] = true;
                since.clear();
            }
            since.extend(accesses.into_iter().map(|access| (access, serial)));
        }
    }
    barriers
}

fn clashes(a: &Access, b: &Access, places: &[(usize, usize)]) -> bool {
    if a.mode == Mode::Read && b.mode == Mode::Read {
        return false;
    }
    let range = |slot: Slot| places[slot.0 as usize];
    let ((a_start, a_len), (b_start, b_len)) = (range(a.slot), range(b.slot));
    if a_start + a_len <= b_start || b_start + b_len <= a_start {
        return false;
    }
    match (&a.part, &b.part) {
        (Part::Own(x), Part::Own(y)) => a.slot != b.slot || x != y,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Pieces;

    struct Fake(Pieces, Vec<Access>);

    impl Step for Fake {
        fn name(&self) -> String {
            "fake".to_owned()
        }
        fn pieces(&self) -> &Pieces {
            &self.0
        }
        fn access(&self) -> Vec<Access> {
            self.1.clone()
        }
        fn run(&self, _: usize, _: &Context<'_>) {}
    }

    fn fake(pieces: &Pieces, access: &[Access]) -> Box<dyn Step> {
        Box::new(Fake(pieces.clone(), access.to_vec()))
    }

    #[test]
    fn own_shares_need_no_meeting_and_whole_reads_do() {
        let cut = Pieces::of(16, usize::MAX);
        let (a, b) = (Slot(0), Slot(1));
        let steps = vec![
            fake(&cut, &[Access::write_own(a, &cut, 4)]),
            fake(&cut, &[Access::read_own(a, &cut, 4), Access::write_own(b, &cut, 1)]),
            fake(&cut, &[Access::read(b)]),
        ];
        let buffers = [BufferSpec { len: 64, persistent: false }, BufferSpec { len: 16, persistent: false }];
        let (_, places) = place(&steps, &buffers);
        // The third step reads all of `b`; the second writes it again in the next round, behind the first's lack
        // of a clash, so a meeting stands before the second or the third in each direction.
        assert_eq!(find_barriers(&steps, &places), [false, true, true]);
    }

    #[test]
    fn serial_steps_follow_each_other_without_meeting() {
        let (serial, a) = (Pieces::serial(4), Slot(0));
        let steps = vec![fake(&serial, &[Access::write(a)]), fake(&serial, &[Access::read(a)])];
        let buffers = [BufferSpec { len: 64, persistent: false }];
        let (_, places) = place(&steps, &buffers);
        assert_eq!(find_barriers(&steps, &places), [false, false]);
    }

    #[test]
    fn buffers_share_room_only_when_their_lives_are_apart() {
        let serial = Pieces::serial(1);
        let slots = [Slot(0), Slot(1), Slot(2)];
        let steps = vec![
            fake(&serial, &[Access::write(slots[0])]),
            fake(&serial, &[Access::read(slots[0]), Access::write(slots[1])]),
            fake(&serial, &[Access::read(slots[1]), Access::write(slots[2])]),
        ];
        let buffers = vec![BufferSpec { len: SHARED_LEN_MIN, persistent: false }; 3];
        let (len, places) = place(&steps, &buffers);
        assert_eq!(len, 2 * SHARED_LEN_MIN);
        assert_ne!(places[0].0, places[1].0);
        assert_ne!(places[1].0, places[2].0);
    }
}
