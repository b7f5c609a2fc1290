//! The threads that compute the answers of one version of a model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use engine::EngineError;
use graph::Graph;
use tensor::DType;
use tokio::sync::oneshot;

use super::plans::{BATCHES, FEW, Plans};
use super::queue::{Bounds, Job, Queue, Turn};
use crate::error::{Kind, Refusal, ServeError};
use crate::metrics::VersionMetrics;
use crate::protocol::{Answer, Examples, Signature};

/// What one version may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Threads that compute.
    pub workers: usize,
    /// Examples that wait at most; more are refused as overload.
    pub queue_rows_max: usize,
    /// Examples of one request.
    pub request_rows_max: usize,
}

/// A single question is computed where it arrived if that took less than this when it was tried.
const HERE_MAX: Duration = Duration::from_millis(1);

/// Computes answers, several questions at a time.
pub(crate) struct Batcher {
    shared: Arc<Shared>,
    /// Questions that are being answered.
    asking: AtomicUsize,
    /// Whether a lone question may be computed on the thread that brought it.
    here: AtomicBool,
}

/// What the workers share.
struct Shared {
    queue: Queue,
    graph: Arc<Graph>,
    signature: (DType, usize),
    /// One set of plans for each worker; whoever computes takes a free one. Empty where a panic left one unusable.
    plans: Vec<Mutex<Option<Plans>>>,
    metrics: Arc<VersionMetrics>,
}

impl Batcher {
    /// Plans the graph once for each worker and starts them.
    ///
    /// Errors   a graph that the engine refuses; a thread that the system refuses.
    pub(crate) fn start(
        name: &str,
        graph: Arc<Graph>,
        signature: &Signature,
        limits: Limits,
        metrics: Arc<VersionMetrics>,
    ) -> Result<Self, ServeError> {
        let workers = limits.workers.max(1);
        let (batch_min, batch_max) = (FEW, BATCHES[BATCHES.len() - 1]);
        let bounds = Bounds { rows_max: limits.queue_rows_max, batch_max, batch_min, workers };
        let signature = (signature.dtype, signature.row_len);
        let plan = || Plans::new(&graph, signature).map(|plans| Mutex::new(Some(plans)));
        let plans =
            (0..workers).map(|_| plan()).collect::<Result<_, _>>().map_err(pipeline::RunError::from)?;
        let shared = Arc::new(Shared { queue: Queue::new(bounds), graph, signature, plans, metrics });
        // From here on a failure drops the batcher, which ends the workers that have started.
        let batcher = Batcher { shared, asking: AtomicUsize::new(0), here: AtomicBool::new(false) };
        for number in 0..workers {
            let shared = batcher.shared.clone();
            let thread = std::thread::Builder::new().name(format!("{name} {number}"));
            thread.spawn(move || shared.work()).map_err(ServeError::io("start a thread"))?;
        }
        Ok(batcher)
    }

    /// The answer to `examples`. Dropping the future takes the question back if it still waits.
    ///
    /// Errors   too much waits; the deadline passed; the model failed.
    pub(crate) async fn answer(
        &self,
        examples: Examples,
        deadline: Option<Instant>,
    ) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        let job = Job { examples, reply, queued: Instant::now(), deadline };
        let _asking = Asking::one_more(&self.asking);
        match self.turn(&job).await {
            Some(_turn) => self.shared.compute(&mut vec![job]),
            None => self.shared.queue.push(job)?,
        }
        let late = || Refusal::new(Kind::Late, "the deadline passed before the answer was computed");
        let answer = match deadline {
            None => answer.await,
            Some(deadline) => tokio::time::timeout_at(deadline.into(), answer).await.map_err(|_| late())?,
        };
        answer.unwrap_or_else(|_| Err(failed()))
    }

    /// The answer to `examples`, for a thread that may wait.
    pub(crate) fn answer_blocking(&self, examples: Examples) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.shared.queue.push(Job { examples, reply, queued: Instant::now(), deadline: None })?;
        answer.blocking_recv().unwrap_or_else(|_| Err(failed()))
    }

    /// The right to compute `job` at once, where it is, if nobody else asks. Whoever has sent a question by now is heard first: those
    /// who come together had better be answered together.
    async fn turn(&self, job: &Job) -> Option<Turn<'_>> {
        let lone = || self.asking.load(Ordering::Relaxed) == 1;
        if job.examples.count > FEW || !self.here.load(Ordering::Relaxed) || !lone() {
            return None;
        }
        tokio::task::yield_now().await;
        if lone() { self.shared.queue.turn() } else { None }
    }

    /// Lets questions that took as long as `took` be computed where they arrive, if that is short.
    pub(crate) fn settle(&self, took: Duration) {
        self.here.store(took < HERE_MAX, Ordering::Relaxed);
    }

    /// Examples that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.queue.rows()
    }
}

/// Counts a question while it is being answered, also where its asker goes away.
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Asking(count)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Batcher {
    /// Every question that waits is answered before the workers end. They are not waited for: the last who lets go of a
    /// version may be one of the threads that serve connections.
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl Shared {
    /// A worker's life.
    fn work(&self) {
        let mut jobs = Vec::new();
        let mut there = self.queue.first(&mut jobs);
        while there.is_some() {
            discard_useless(&mut jobs);
            if !jobs.is_empty() {
                self.compute(&mut jobs);
            }
            there = self.queue.next(&mut jobs);
        }
    }

    /// Answers `jobs`.
    fn compute(&self, jobs: &mut Vec<Job>) {
        let started = Instant::now();
        for job in &*jobs {
            self.metrics.queued(started - job.queued);
        }
        // The plans are dropped if this unwinds, so nothing half-written is looked at.
        let found = catch_unwind(AssertUnwindSafe(|| self.run(jobs)));
        let rows: usize = jobs.iter().map(|job| job.examples.count).sum();
        self.metrics.computed(rows, started.elapsed());
        match found {
            Ok(Ok(answers)) => {
                // Whoever has gone in the meantime does not want it.
                jobs.drain(..).zip(answers).for_each(|(job, answer)| drop(job.reply.send(Ok(answer))));
            }
            Ok(Err(error)) if jobs.len() == 1 => {
                refuse(jobs, &Refusal::invalid(format!("the model refuses the values: {error}")));
            }
            // One question's values must not spoil the others'.
            Ok(Err(_)) => std::mem::take(jobs).into_iter().for_each(|job| self.compute(&mut vec![job])),
            Err(_) => {
                refuse(jobs, &Refusal::new(Kind::Internal, "the model failed on the questions of one batch"))
            }
        }
    }

    fn run(&self, jobs: &[Job]) -> Result<Vec<Answer>, EngineError> {
        // No more compute at a time than there are plans; the first is free most often, and its memory still in the cache.
        let free = self.plans.iter().find_map(|plans| match plans.try_lock() {
            Ok(plans) => Some(plans),
            // A panic took the plans with it; the lock is as good as before.
            Err(TryLockError::Poisoned(plans)) => Some(plans.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        let mut plans = free.unwrap_or_else(|| self.plans[0].lock().unwrap_or_else(PoisonError::into_inner));
        let mut ready = match plans.take() {
            Some(ready) => ready,
            None => Plans::new(&self.graph, self.signature)?,
        };
        let answers = ready.run(jobs);
        *plans = Some(ready);
        answers
    }
}

/// Takes out the questions whose asker has gone or whose deadline has passed.
fn discard_useless(jobs: &mut Vec<Job>) {
    let now = Instant::now();
    jobs.retain(|job| !job.reply.is_closed() && job.deadline.is_none_or(|deadline| now < deadline));
}

fn refuse(jobs: &mut Vec<Job>, refusal: &Refusal) {
    jobs.drain(..).for_each(|job| drop(job.reply.send(Err(refusal.clone()))));
}

fn failed() -> Refusal {
    Refusal::new(Kind::Internal, "the model failed while it computed the answer")
}
