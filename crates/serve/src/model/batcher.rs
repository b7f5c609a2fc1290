//! The threads that compute the answers of one version of a model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use engine::EngineError;
use graph::Graph;
use tokio::sync::oneshot;

use super::plans::{BATCHES, Plans};
use super::queue::{Bounds, Job, Queue};
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

/// Computes answers, several questions at a time.
pub(crate) struct Batcher {
    queue: Arc<Queue>,
    workers: Vec<JoinHandle<()>>,
}

impl Batcher {
    /// Plans the graph once for each worker and starts them.
    ///
    /// Errors   a graph that the engine refuses; a thread that the system refuses.
    pub(crate) fn start(
        name: &str,
        graph: &Arc<Graph>,
        signature: &Signature,
        limits: Limits,
        metrics: &Arc<VersionMetrics>,
    ) -> Result<Self, ServeError> {
        let workers = limits.workers.max(1);
        let (batch_min, batch_max) = (BATCHES[0], BATCHES[BATCHES.len() - 1]);
        let bounds = Bounds { rows_max: limits.queue_rows_max, batch_max, batch_min, workers };
        let queue = Arc::new(Queue::new(bounds));
        // From here on a failure drops the batcher, which ends the workers that have started.
        let mut batcher = Batcher { queue: queue.clone(), workers: Vec::new() };
        for number in 0..workers {
            let (graph, dtype, row_len) = (graph.clone(), signature.dtype, signature.row_len);
            let plan = move || Plans::new(&graph, dtype, row_len);
            let mut plans = Some(plan().map_err(pipeline::RunError::from)?);
            let (queue, metrics) = (queue.clone(), metrics.clone());
            let thread = std::thread::Builder::new().name(format!("{name} {number}"));
            let work = move || work(&queue, &metrics, &mut plans, &plan);
            batcher.workers.push(thread.spawn(work).map_err(ServeError::io("start a thread"))?);
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
        self.queue.push(Job { examples, reply, queued: Instant::now(), deadline })?;
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
        self.queue.push(Job { examples, reply, queued: Instant::now(), deadline: None })?;
        answer.blocking_recv().unwrap_or_else(|_| Err(failed()))
    }

    /// Examples that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.rows()
    }
}

impl Drop for Batcher {
    /// Every question that waits is answered before the workers end. They are not waited for: the last who lets go of a
    /// version may be one of the server's own threads.
    fn drop(&mut self) {
        self.queue.close();
        self.workers.drain(..).for_each(drop);
    }
}

/// A worker's life. `plan` makes the plans anew after a panic left them in an unknown state.
fn work(
    queue: &Queue,
    metrics: &VersionMetrics,
    plans: &mut Option<Plans>,
    plan: &dyn Fn() -> Result<Plans, EngineError>,
) {
    let mut jobs = Vec::new();
    let mut there = queue.first(&mut jobs);
    while there.is_some() {
        discard_useless(&mut jobs);
        if !jobs.is_empty() {
            compute(metrics, plans, plan, &mut jobs);
        }
        there = queue.next(&mut jobs);
    }
}

/// Takes out the questions whose asker has gone or whose deadline has passed.
fn discard_useless(jobs: &mut Vec<Job>) {
    let now = Instant::now();
    jobs.retain(|job| !job.reply.is_closed() && job.deadline.is_none_or(|deadline| now < deadline));
}

fn compute(
    metrics: &VersionMetrics,
    plans: &mut Option<Plans>,
    plan: &dyn Fn() -> Result<Plans, EngineError>,
    jobs: &mut Vec<Job>,
) {
    let started = Instant::now();
    for job in &*jobs {
        metrics.queued(started - job.queued);
    }
    // The plans are dropped if this unwinds, so nothing half-written is looked at.
    let run = || {
        let mut ready = match plans.take() {
            Some(ready) => ready,
            None => plan()?,
        };
        let answers = ready.run(jobs);
        *plans = Some(ready);
        answers
    };
    let found = catch_unwind(AssertUnwindSafe(run));
    let rows: usize = jobs.iter().map(|job| job.examples.count).sum();
    metrics.computed(rows, started.elapsed());
    match found {
        Ok(Ok(answers)) => {
            // Whoever has gone in the meantime does not want it.
            jobs.drain(..).zip(answers).for_each(|(job, answer)| drop(job.reply.send(Ok(answer))));
        }
        Ok(Err(error)) if jobs.len() == 1 => {
            refuse(jobs, &Refusal::invalid(format!("the model refuses the values: {error}")));
        }
        // One question's values must not spoil the others'.
        Ok(Err(_)) => {
            for job in std::mem::take(jobs) {
                compute(metrics, plans, plan, &mut vec![job]);
            }
        }
        Err(_) => {
            refuse(jobs, &Refusal::new(Kind::Internal, "the model failed on the questions of one batch"))
        }
    }
}

fn refuse(jobs: &mut Vec<Job>, refusal: &Refusal) {
    jobs.drain(..).for_each(|job| drop(job.reply.send(Err(refusal.clone()))));
}

fn failed() -> Refusal {
    Refusal::new(Kind::Internal, "the model failed while it computed the answer")
}
