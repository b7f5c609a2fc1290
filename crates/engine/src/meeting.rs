//! Where the threads of a run meet.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A barrier that spins, and yields when it takes long: the threads meet several times per millisecond, and
/// sleeping would cost more than the work between two meetings. Each thread counts its meetings in a line of memory
/// that only it writes, so an arrival costs the others one transfer between caches.
pub(crate) struct Meeting {
    /// How many meetings each thread has come to.
    arrivals: Box<[Arrivals]>,
    broken: AtomicBool,
}

/// One thread's count: two lines apart from the next, since some processors fetch lines in pairs.
#[repr(align(128))]
#[derive(Default)]
struct Arrivals(AtomicUsize);

/// What a thread panics with because another one failed, which has told why.
pub(crate) struct Broken;

impl Meeting {
    /// A barrier for so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        let arrivals = (0..threads).map(|_| Arrivals::default()).collect();
        Meeting { arrivals, broken: AtomicBool::new(false) }
    }

    /// Returns when all threads have called it as often as thread `thread`, which calls it now. Panics with [`Broken`] once one of
    /// them has failed.
    pub(crate) fn wait(&self, thread: usize) {
        if self.arrivals.len() == 1 {
            return;
        }
        let own = &self.arrivals[thread].0;
        let count = own.load(Ordering::Relaxed).wrapping_add(1);
        own.store(count, Ordering::Release);
        for other in &self.arrivals {
            self.wait_for(other, count);
        }
    }

    /// Returns when a thread has come to its `count`-th meeting; it may be at the next one already.
    fn wait_for(&self, other: &Arrivals, count: usize) {
        let mut spins = 0u32;
        while (other.0.load(Ordering::Acquire).wrapping_sub(count) as isize) < 0 {
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
