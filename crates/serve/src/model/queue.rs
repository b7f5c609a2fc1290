//! Questions that wait for a thread that computes.
//!
//! The batches adapt by themselves: a thread takes everything that waits, up to a full batch. Under little load that is one question, at
//! once; under much load the questions that came while the last batch was computed go together. A second thread is
//! woken only when a full (smallest) batch waits while the first computes, for a half-empty batch costs as much as a full one.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::error::{Kind, Refusal};
use crate::protocol::{Answer, Examples};

/// A question on its way, and where the answer goes.
pub(crate) struct Job {
    pub(crate) examples: Examples,
    pub(crate) reply: oneshot::Sender<Result<Answer, Refusal>>,
    pub(crate) queued: Instant,
    /// An answer after this is of no use.
    pub(crate) deadline: Option<Instant>,
}

/// What a queue allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Examples that wait at most.
    pub(super) rows_max: usize,
    /// Examples that are computed together at most, unless one question alone has more.
    pub(super) batch_max: usize,
    /// Examples that wait before a second thread is woken for them.
    pub(super) batch_min: usize,
    /// Threads that compute.
    pub(super) workers: usize,
}

/// A bounded queue between the connections and the threads that compute.
pub(super) struct Queue {
    bounds: Bounds,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Examples of `jobs`.
    rows: usize,
    /// Workers that compute or have been called.
    busy: usize,
    /// Workers that have been called and did not come yet.
    calls: usize,
    closed: bool,
}

/// The right to compute, held by a thread that is no worker.
pub(super) struct Turn<'a> {
    queue: &'a Queue,
}

impl Drop for Turn<'_> {
    /// What came in the meantime is a worker's.
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        match self.queue.has_work(&state, state.busy - 1) {
            true => {
                state.calls += 1;
                drop(state);
                self.queue.wake.notify_one();
            }
            false => state.busy -= 1,
        }
    }
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Queue { bounds, state: Mutex::default(), wake: Condvar::new() }
    }

    /// Adds a question.
    ///
    /// Errors   the queue is full or closed.
    pub(super) fn push(&self, job: Job) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refusal::new(
                Kind::Unavailable,
                "this version of the model is being taken out of service",
            ));
        }
        if state.rows + job.examples.count > self.bounds.rows_max && state.rows > 0 {
            let message = format!("{} examples wait already; ask again later", state.rows);
            return Err(Refusal::new(Kind::Overloaded, message));
        }
        state.rows += job.examples.count;
        state.jobs.push_back(job);
        if state.busy < self.bounds.workers && self.has_work(&state, state.busy) {
            state.busy += 1;
            state.calls += 1;
            drop(state);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Lets the caller compute its question itself, if nothing waits and nobody computes: handing a lone question to another
    /// thread and back takes longer than a small model takes to answer it. Dropping the turn ends it.
    pub(super) fn turn(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        let idle = state.busy == 0 && state.jobs.is_empty() && !state.closed;
        idle.then(|| {
            state.busy = 1;
            Turn { queue: self }
        })
    }

    /// Whether there is work for one more worker beside `others`.
    fn has_work(&self, state: &State, others: usize) -> bool {
        match others {
            0 => state.rows > 0,
            _ => state.rows >= self.bounds.batch_min,
        }
    }

    /// For a worker that comes for the first time: waits until it is called. `None` when the queue is closed.
    pub(super) fn first(&self, to: &mut Vec<Job>) -> Option<()> {
        let state = self.lock();
        self.called(state, to)
    }

    /// For a worker that has finished a batch: the next one, at once or when there is one. `None` when the queue is
    /// closed and empty.
    pub(super) fn next(&self, to: &mut Vec<Job>) -> Option<()> {
        let mut state = self.lock();
        if self.has_work(&state, state.busy - 1) {
            self.take(&mut state, to);
            return Some(());
        }
        state.busy -= 1;
        self.called(state, to)
    }

    fn called(&self, mut state: MutexGuard<'_, State>, to: &mut Vec<Job>) -> Option<()> {
        loop {
            if state.calls > 0 {
                state.calls -= 1;
                self.take(&mut state, to);
                return Some(());
            }
            if state.closed {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Moves the questions of the next batch out of the queue.
    fn take(&self, state: &mut State, to: &mut Vec<Job>) {
        let mut rows = 0;
        while let Some(job) = state.jobs.front() {
            if rows > 0 && rows + job.examples.count > self.bounds.batch_max {
                break;
            }
            rows += job.examples.count;
            to.extend(state.jobs.pop_front());
        }
        state.rows -= rows;
    }

    /// Takes no more questions; those that wait are still answered.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// Examples that wait.
    pub(super) fn rows(&self) -> usize {
        self.lock().rows
    }

    /// A worker that panicked left the state whole: nothing here panics while it changes.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Values;

    fn job(count: usize) -> Job {
        let examples = Examples { values: Values::U8(Bytes::from(vec![0; count])), count };
        Job { examples, reply: oneshot::channel().0, queued: Instant::now(), deadline: None }
    }

    fn queue(workers: usize) -> Queue {
        Queue::new(Bounds { rows_max: 100, batch_max: 64, batch_min: 16, workers })
    }

    /// Workers that are busy, and those of them that were called and did not come yet.
    fn called(queue: &Queue) -> (usize, usize) {
        let state = queue.lock();
        (state.busy, state.calls)
    }

    fn taken(jobs: &mut Vec<Job>) -> Vec<usize> {
        jobs.drain(..).map(|job| job.examples.count).collect()
    }

    #[test]
    fn a_worker_takes_what_came_while_it_computed() {
        let (queue, mut jobs) = (queue(1), Vec::new());
        queue.push(job(1)).expect("room");
        queue.first(&mut jobs).expect("a call");
        assert_eq!(taken(&mut jobs), [1]);
        for count in [30, 30, 30] {
            queue.push(job(count)).expect("room");
        }
        assert_eq!(queue.push(job(20)).expect_err("full").kind, Kind::Overloaded);
        queue.next(&mut jobs).expect("work");
        assert_eq!((taken(&mut jobs), queue.rows()), (vec![30, 30], 30));
        queue.close();
        assert_eq!(queue.push(job(1)).expect_err("closed").kind, Kind::Unavailable);
        queue.next(&mut jobs).expect("what waits is still answered");
        assert_eq!(taken(&mut jobs), [30]);
        assert!(queue.next(&mut jobs).is_none());
    }

    #[test]
    fn a_second_worker_is_called_for_a_whole_batch_only() {
        let (queue, mut jobs) = (queue(2), Vec::new());
        queue.push(job(1)).expect("room");
        queue.first(&mut jobs).expect("a call");
        queue.push(job(15)).expect("room");
        assert_eq!(called(&queue), (1, 0));
        queue.push(job(1)).expect("room");
        assert_eq!(called(&queue), (2, 1));
        queue.first(&mut jobs).expect("the second's call");
        assert_eq!(taken(&mut jobs), [1, 15, 1]);
    }

    #[test]
    fn a_lone_question_is_computed_where_it_is() {
        let (queue, mut jobs) = (queue(1), Vec::new());
        let turn = queue.turn().expect("nobody computes");
        assert!(queue.turn().is_none());
        queue.push(job(2)).expect("room");
        assert_eq!(queue.lock().calls, 0);
        drop(turn);
        queue.first(&mut jobs).expect("what came meanwhile is a worker's");
        assert_eq!(taken(&mut jobs), [2]);
    }
}
