//! The two loops that nothing is faster than: multiply-adds on registers alone, and reading memory once.

use super::simd::{Portable, Simd, dispatch};
use crate::cpu::Level;

/// Sums that a vector processor keeps apart: enough to hide the time of a multiply-add, and they fit its registers.
const CHAINS: usize = 12;
/// The same for plain Rust, whose sums take two registers each.
const CHAINS_PORTABLE: usize = 6;

/// Multiplies and adds in `rounds` rounds without touching memory. Returns how many floating-point operations that
/// were, two for each multiply-add, and the sum, which keeps the work from being left out.
pub(crate) fn multiply_add(level: Level, rounds: usize) -> (f64, f32) {
    let (chains, width) = match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => (CHAINS, 16),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => (CHAINS, 8),
        Level::Portable => (CHAINS_PORTABLE, 8),
    };
    let factor = std::hint::black_box(0.999_f32);
    // SAFETY: nothing but registers is touched; the level is one that this processor has.
    let sum = unsafe {
        match level {
            Level::Portable => chain::<Portable, CHAINS_PORTABLE>(rounds, factor),
            #[cfg(target_arch = "x86_64")]
            level => dispatch!(level => twelve::<S>(rounds: usize, factor: f32) -> f32),
        }
    };
    ((rounds * chains * width) as f64 * 2.0, sum)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn twelve<S: Simd>(rounds: usize, factor: f32) -> f32 {
    // SAFETY: the caller's.
    unsafe { chain::<S, CHAINS>(rounds, factor) }
}

#[inline(always)]
unsafe fn chain<S: Simd, const COUNT: usize>(rounds: usize, factor: f32) -> f32 {
    // SAFETY: the caller is compiled for this instruction set; no memory is touched.
    unsafe {
        let (factor, term) = (S::splat(factor), S::splat(1.0 - factor));
        let mut sums = [S::splat(0.5); COUNT];
        for _ in 0..rounds {
            for chain in 0..COUNT {
                sums[chain] = S::mul_add(sums[chain], factor, term);
            }
        }
        sums.into_iter().fold(0.0, |total, sum| total + S::sum(sum))
    }
}

/// Reads `values` once, from front to back. Returns their sum in an order of its own.
pub(crate) fn read(level: Level, values: &[f32]) -> f32 {
    let (from, len) = (values.as_ptr(), values.len());
    // SAFETY: `len` elements can be read from `from`; the level is one that this processor has.
    unsafe { dispatch!(level => sum_all::<S>(from: *const f32, len: usize) -> f32) }
}

#[inline(always)]
unsafe fn sum_all<S: Simd>(from: *const f32, len: usize) -> f32 {
    const REGISTERS: usize = 8;
    // SAFETY: every vector that is read lies inside of the `len` elements.
    unsafe {
        let mut sums = [S::splat(0.0); REGISTERS];
        let block = REGISTERS * S::WIDTH;
        for start in (0..len / block).map(|index| index * block) {
            for register in 0..REGISTERS {
                let value = S::load(from.add(start + register * S::WIDTH));
                sums[register] = S::add(sums[register], value);
            }
        }
        sums.into_iter().fold(0.0, |total, sum| total + S::sum(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loops_do_the_work_that_is_counted() {
        for level in Level::available() {
            let (operations, sum) = multiply_add(level, 1000);
            let sums = operations / 2.0 / 1000.0;
            // x -> 0.999 x + 0.001 goes from 0.5 to 1 - 0.5 * 0.999^1000.
            let expected = sums * (1.0 - 0.5 * 0.999f64.powi(1000));
            assert!((f64::from(sum) - expected).abs() < 1e-3 * expected, "{level}: {sum}, not {expected}");
            assert_eq!(read(level, &[0.5; 1024]), 512.0, "{level}");
        }
    }
}
