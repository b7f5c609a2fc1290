//! Where the threads of a run meet.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A barrier that spins, and yields when it takes long: the threads meet several times per millisecond, and
/// sleeping would cost more than the work between two meetings.
pub(crate) struct Meeting {
    threads: usize,
    arrived: AtomicUsize,
    generation: AtomicUsize,
    broken: AtomicBool,
}

/// What a thread panics with because another one failed, which has told why.
pub(crate) struct Broken;

impl Meeting {
    /// A barrier for so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Meeting {
            threads,
            arrived: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Returns when all threads have called it. Panics with [`Broken`] once one of them has failed.
    pub(crate) fn wait(&self) {
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
            if self.broken.load(Ordering::Relaxed) {
                resume_unwind(Box::new(Broken));
            }
            std::hint::spin_loop();
            spins += 1;
            if spins > 20_000 {
                std::thread::yield_now();
            }
        }
    }
}

/// Tells the other threads when this one fails, so that they do not wait for it for ever.
pub(crate) struct Alarm<'a>(pub(crate) &'a Meeting);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        }
    }
}
