//! What each step of a plan takes.

use std::sync::Mutex;
use std::time::Instant;

/// One fused step of a plan with what it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct StepTime {
    /// What it computes.
    pub name: String,
    /// The node of the graph that it was made for, empty for steps that the plan needs beside; a step may compute the
    /// nodes that follow as well.
    pub node: String,
    /// Whether it computes again what a step before it has computed, so that its memory was free meanwhile.
    pub again: bool,
    /// In how many pieces it is cut.
    pub pieces: usize,
    /// Whether the threads meet before it.
    pub meets: bool,
    /// Floating-point operations that its node asks for, where they are what takes the time; else 0.
    pub operations: u64,
    /// Bytes of the buffers that it reads and writes.
    pub bytes: u64,
    /// Seconds of the slowest thread, the median over the batches; waiting for the others is not in it.
    pub seconds: f64,
}

/// When one thread computed one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// The step's position in the plan.
    pub step: usize,
    /// The thread, from 0.
    pub thread: usize,
    /// Seconds from the batch's start.
    pub start: f64,
    /// Seconds from the batch's start.
    pub end: f64,
}

/// Where the time of a plan goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The steps in their order.
    pub steps: Vec<StepTime>,
    /// Seconds of each batch that was measured.
    pub batches: Vec<f64>,
    /// What each thread did when, in the batch of median time.
    pub spans: Vec<Span>,
}

impl Profile {
    /// Median seconds of a batch.
    pub fn seconds(&self) -> f64 {
        median(self.batches.clone())
    }
}

/// Takes down when threads begin and end steps.
#[derive(Default)]
pub(crate) struct Recorder {
    /// What each thread noted, batch by batch.
    noted: Mutex<Vec<Vec<Noted>>>,
}

/// What one thread notes in one batch: when it began and ended which step. A step of several pieces may come several
/// times, with others in between.
pub(crate) struct Noted {
    thread: usize,
    spans: Vec<(usize, Instant, Instant)>,
}

impl Noted {
    /// Computes a piece of step `step` and notes when.
    pub(crate) fn time(&mut self, step: usize, compute: impl FnOnce()) {
        let start = Instant::now();
        compute();
        self.spans.push((step, start, Instant::now()));
    }

    /// Seconds in each of `steps` steps.
    fn seconds(&self, steps: usize) -> Vec<f64> {
        let mut seconds = vec![0.0; steps];
        self.spans.iter().for_each(|&(step, start, end)| seconds[step] += (end - start).as_secs_f64());
        seconds
    }
}

impl Recorder {
    pub(crate) fn begin(&self, thread: usize, steps: usize) -> Noted {
        Noted { thread, spans: Vec::with_capacity(steps) }
    }

    pub(crate) fn end(&self, noted: Noted) {
        let mut all = self.noted.lock().expect("nothing panics while it holds the lock");
        if all.len() <= noted.thread {
            all.resize_with(noted.thread + 1, Vec::new);
        }
        let thread = noted.thread;
        all[thread].push(noted);
    }

    /// The profile of a plan of these `steps`, without the first `warm` batches.
    pub(crate) fn profile(self, mut steps: Vec<StepTime>, warm: usize) -> Profile {
        let threads = self.noted.into_inner().expect("nothing panics while it holds the lock");
        let count = threads.iter().map(Vec::len).min().unwrap_or(0);
        let measured: Vec<Vec<&Noted>> = (warm.min(count)..count)
            .map(|batch| threads.iter().map(|noted| &noted[batch]).collect())
            .collect();
        let batches: Vec<f64> = measured.iter().map(|batch| extent(batch).1).collect();
        let seconds: Vec<Vec<Vec<f64>>> = measured
            .iter()
            .map(|batch| batch.iter().map(|noted| noted.seconds(steps.len())).collect())
            .collect();
        for (index, step) in steps.iter_mut().enumerate() {
            let slowest =
                seconds.iter().map(|batch| batch.iter().map(|thread| thread[index]).fold(0.0, f64::max));
            step.seconds = median(slowest.collect());
        }
        let middle = batches.iter().zip(&measured).min_by(|a, b| {
            let typical = median(batches.clone());
            (a.0 - typical).abs().total_cmp(&(b.0 - typical).abs())
        });
        let spans = middle.map_or(Vec::new(), |(_, batch)| spans_of(batch));
        Profile { steps, batches, spans }
    }
}

/// When a batch began, and how long it took.
fn extent(batch: &[&Noted]) -> (Option<Instant>, f64) {
    let start = batch.iter().filter_map(|noted| Some(noted.spans.first()?.1)).min();
    let end = batch.iter().filter_map(|noted| Some(noted.spans.last()?.2)).max();
    match (start, end) {
        (Some(start), Some(end)) => (Some(start), (end - start).as_secs_f64()),
        _ => (None, 0.0),
    }
}

fn spans_of(batch: &[&Noted]) -> Vec<Span> {
    let (Some(origin), _) = extent(batch) else { return Vec::new() };
    let of_thread = |noted: &&Noted| {
        let thread = noted.thread;
        let spans = noted.spans.iter().map(move |(step, start, end)| Span {
            step: *step,
            thread,
            start: (*start - origin).as_secs_f64(),
            end: (*end - origin).as_secs_f64(),
        });
        spans.collect::<Vec<_>>()
    };
    batch.iter().flat_map(of_thread).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}
