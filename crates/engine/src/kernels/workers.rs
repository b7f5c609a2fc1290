//! Threads that wait for work, shared by every plan of the process.
//!
//! Starting a thread costs more than a small batch. So a run takes workers from those that are idle and gives them
//! back; they spin for a moment, because the next run mostly follows at once, and sleep after that. There are never
//! more of them than the processor has cores, or than one run has asked for, however many plans there are: a run that
//! finds too few idle ones goes on with fewer. It never waits for any, so runs inside of runs cannot block each other,
//! and results do not depend on the number.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::meeting::Broken;

/// How long a worker spins for more work before it sleeps.
const SPINNING: Duration = Duration::from_micros(20);

/// No work; spinning.
const IDLE: u8 = 0;
/// No work; asleep, or about to be.
const ASLEEP: u8 = 1;
/// There is work, or it is being done.
const BUSY: u8 = 2;

type Work<'a> = dyn Fn(usize) + Sync + 'a;
type Payload = Box<dyn Any + Send>;

/// A waiting thread.
struct Worker {
    state: AtomicU8,
    /// What to do next, and as which thread of the run.
    job: Mutex<Option<(&'static Work<'static>, usize)>>,
    /// What the last job panicked with, if it did.
    panic: Mutex<Option<Payload>>,
    thread: OnceLock<Thread>,
}

/// The workers that nobody has, and how many there are in all.
struct Pool {
    idle: Vec<Arc<Worker>>,
    alive: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { idle: Vec::new(), alive: 0 });

/// Locks; what a thread that panicked had locked is whole, since nothing panics between two writes.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The workers of one run. They are idle again when it is dropped.
pub(crate) struct Team {
    workers: Vec<Arc<Worker>>,
}

impl Team {
    /// Up to `wanted` workers.
    pub(crate) fn gather(wanted: usize) -> Self {
        let mut workers = Vec::with_capacity(wanted);
        if wanted > 0 {
            let mut pool = locked(&POOL);
            while workers.len() < wanted {
                let Some(worker) = pool.idle.pop().or_else(|| pool.start(wanted)) else { break };
                workers.push(worker);
            }
        }
        Team { workers }
    }

    /// Number of threads, the caller's among them.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `work(1)`, `work(2)`... on the workers and `own()` here, and returns when all of them have. Panics as the
    /// first of them did, preferably as one that gave its own reason.
    pub(crate) fn run(&self, work: &Work<'_>, own: impl FnOnce()) {
        // SAFETY: only the lifetime changes. No worker has the reference any more when this function returns: it waits
        // for each of them, and no panic leads out before.
        let work: &'static Work<'static> =
            unsafe { std::mem::transmute::<&Work<'_>, &'static Work<'static>>(work) };
        self.workers.iter().enumerate().for_each(|(index, worker)| worker.give(work, index + 1));
        let own = catch_unwind(AssertUnwindSafe(own));
        self.workers.iter().for_each(|worker| worker.wait_until_done());
        let others = self.workers.iter().filter_map(|worker| locked(&worker.panic).take());
        let mut payloads: Vec<Payload> = own.err().into_iter().chain(others).collect();
        if let Some(index) = payloads.iter().position(|payload| !payload.is::<Broken>()) {
            resume_unwind(payloads.swap_remove(index));
        }
        assert!(payloads.is_empty(), "a thread failed without a reason");
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if !self.workers.is_empty() {
            locked(&POOL).idle.append(&mut self.workers);
        }
    }
}

impl Pool {
    /// Starts another worker for a run that asks for `wanted`, unless there are enough or the system has no more.
    fn start(&mut self, wanted: usize) -> Option<Arc<Worker>> {
        static CORES: OnceLock<usize> = OnceLock::new();
        let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
        if self.alive >= wanted.max(cores - 1) {
            return None;
        }
        let worker = Arc::new(Worker {
            state: AtomicU8::new(IDLE),
            job: Mutex::new(None),
            panic: Mutex::new(None),
            thread: OnceLock::new(),
        });
        let own = worker.clone();
        let builder = std::thread::Builder::new().name("engine".to_owned());
        let handle = builder.spawn(move || own.serve()).ok()?;
        worker.thread.get_or_init(|| handle.thread().clone());
        self.alive += 1;
        Some(worker)
    }
}

impl Worker {
    fn give(&self, work: &'static Work<'static>, thread: usize) {
        *locked(&self.job) = Some((work, thread));
        if self.state.swap(BUSY, Ordering::AcqRel) == ASLEEP {
            self.thread.get().expect("set before the worker is handed out").unpark();
        }
    }

    fn wait_until_done(&self) {
        let mut spins = 0u32;
        while self.state.load(Ordering::Acquire) == BUSY {
            std::hint::spin_loop();
            spins += 1;
            if spins > 20_000 {
                std::thread::yield_now();
            }
        }
    }

    /// The life of a worker: one job after the other.
    fn serve(&self) {
        loop {
            self.wait_for_job();
            let job = locked(&self.job).take();
            if let Some((work, thread)) = job
                && let Err(payload) = catch_unwind(AssertUnwindSafe(|| work(thread)))
            {
                *locked(&self.panic) = Some(payload);
            }
            self.state.store(IDLE, Ordering::Release);
        }
    }

    fn wait_for_job(&self) {
        let start = Instant::now();
        while self.state.load(Ordering::Acquire) != BUSY {
            for _ in 0..32 {
                std::hint::spin_loop();
            }
            if start.elapsed() < SPINNING {
                continue;
            }
            let asleep =
                self.state.compare_exchange(IDLE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok();
            while asleep && self.state.load(Ordering::Acquire) == ASLEEP {
                std::thread::park();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::meeting::{Alarm, Meeting};

    #[test]
    fn every_thread_computes_once_and_a_run_inside_of_a_run_ends() {
        for _ in 0..200 {
            let team = Team::gather(2);
            let (threads, sum) = (team.threads(), AtomicUsize::new(0));
            assert!((1..=3).contains(&threads));
            let add = |thread: usize| {
                let inner = Team::gather(2);
                inner.run(&|_| {}, || {
                    sum.fetch_add(1 << (8 * thread), Ordering::Relaxed);
                });
            };
            team.run(&add, || add(0));
            assert_eq!(sum.into_inner(), (0..threads).map(|thread| 1 << (8 * thread)).sum::<usize>());
        }
    }

    #[test]
    fn a_failure_reaches_the_caller_with_its_reason_and_the_worker_lives_on() {
        let failed = catch_unwind(|| {
            let team = Team::gather(1);
            let meeting = Meeting::new(team.threads());
            let work = |thread: usize| {
                let _alarm = Alarm(&meeting);
                assert_eq!(thread, team.threads(), "the reason");
                meeting.wait(thread);
            };
            team.run(&work, || {
                let _alarm = Alarm(&meeting);
                if team.threads() == 1 { work(2) } else { meeting.wait(0) }
            });
        });
        let payload = failed.unwrap_err();
        let reason = payload.downcast_ref::<String>().expect("a message");
        assert!(reason.contains("the reason"), "{reason}");
        let (team, ran) = (Team::gather(1), AtomicUsize::new(0));
        let count = |_: usize| {
            ran.fetch_add(1, Ordering::Relaxed);
        };
        team.run(&count, || count(0));
        assert_eq!(ran.into_inner(), team.threads());
    }
}
