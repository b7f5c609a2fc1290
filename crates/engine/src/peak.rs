//! What the machine can do at most, measured: the roof under which every kernel stands.

use std::sync::Barrier;
use std::time::Instant;

use crate::cpu::Level;
use crate::kernels::peak::{multiply_add, read};

/// The most that was measured of one instruction set on a number of threads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Floating-point operations per second on registers alone; a multiply-add counts as two.
    pub flops: f64,
    /// Bytes per second when [`READ_BYTES`] are read from front to back. A part of them comes from the last cache where that
    /// is as large.
    pub bytes_per_second: f64,
}

/// Memory that is read, all threads together.
pub const READ_BYTES: usize = 256 << 20;
/// How often each loop is timed; the best counts.
const REPEATS: usize = 8;
/// Rounds of the multiply-add loop: about 10 ms.
const ROUNDS: usize = 1_500_000;

/// Measures the peak of `level` on `threads` threads: half a second of full load, and [`READ_BYTES`] of memory.
///
/// Panics if `threads` is 0 or the processor does not have the level.
pub fn peak(level: Level, threads: usize) -> Peak {
    assert!(threads > 0 && Level::available().contains(&level), "{level} on {threads} threads");
    let flops = best_rate(threads, &|&()| std::hint::black_box(multiply_add(level, ROUNDS)).0, &|| ());
    let elements = READ_BYTES / size_of::<f32>() / threads;
    let bytes_per_second = best_rate(
        threads,
        &|values: &Vec<f32>| {
            std::hint::black_box(read(level, values));
            size_of_val(values.as_slice()) as f64
        },
        &|| vec![1.0f32; elements],
    );
    Peak { flops, bytes_per_second }
}

/// What a thread does with what it has; returns how much that was.
type Work<'a, T> = dyn Fn(&T) -> f64 + Sync + 'a;

/// The best of several rates at which `threads` threads do `work` at the same time, in units of what `work` returns per
/// second. Each thread makes something of its own with `make` before the clock starts.
fn best_rate<T>(threads: usize, work: &Work<'_, T>, make: &(dyn Fn() -> T + Sync)) -> f64 {
    let (start, end) = (Barrier::new(threads), Barrier::new(threads));
    let timed = || {
        let own = make();
        let mut best = 0.0f64;
        for _ in 0..REPEATS {
            start.wait();
            let started = Instant::now();
            let amount = work(&own);
            end.wait();
            best = best.max(amount * threads as f64 / started.elapsed().as_secs_f64());
        }
        best
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(timed);
        }
        timed()
    })
}
