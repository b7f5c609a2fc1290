//! Sums over the rows of maps, a vector of channels at a time, exact enough for statistics: a few numbers are added in `f32`, the
//! sums of those in `f64`.

use crate::kernels::simd::Simd;

/// The widest vector.
pub(super) const LANES: usize = 16;
/// Rows that are summed side by side: additions that wait for each other are what takes the time.
const CHAINS: usize = 4;
/// Rows that each chain adds in `f32` before the sum goes on in `f64`.
const RUN: usize = 64;

/// What two sums over rows are made of.
pub(super) trait Terms<S: Simd>: Copy {
    /// `a` and `b` of a row, for the sums of `a` and of `a * b`.
    ///
    /// # Safety
    ///
    /// The row is one of the maps that the terms are made of.
    unsafe fn at(self, row: usize) -> [S::V; 2];
}

/// The sums of `a` and of `a * b` over the first `rows` rows, for each lane of a vector.
///
/// # Safety
///
/// As [`Terms::at`].
#[inline(always)]
pub(super) unsafe fn sums<S: Simd, T: Terms<S>>(terms: T, rows: usize) -> [[f64; LANES]; 2] {
    let mut totals = [[0.0f64; LANES]; 2];
    // SAFETY: the caller's.
    unsafe {
        let mut first = 0;
        while first < rows {
            let end = rows.min(first + CHAINS * RUN);
            let mut chains = [[S::splat(0.0); 2]; CHAINS];
            let whole = end - (end - first) % CHAINS;
            for row in (first..whole).step_by(CHAINS) {
                for (chain, sums) in chains.iter_mut().enumerate() {
                    *sums = grown::<S, T>(*sums, terms, row + chain);
                }
            }
            for (row, sums) in (whole..end).zip(&mut chains) {
                *sums = grown::<S, T>(*sums, terms, row);
            }
            for sums in chains {
                for (totals, sum) in totals.iter_mut().zip(sums) {
                    let mut lanes = [0.0f32; LANES];
                    S::store(lanes.as_mut_ptr(), sum);
                    totals.iter_mut().zip(lanes).for_each(|(total, lane)| *total += f64::from(lane));
                }
            }
            first = end;
        }
    }
    totals
}

/// The sums with one more row.
#[inline(always)]
unsafe fn grown<S: Simd, T: Terms<S>>(sums: [S::V; 2], terms: T, row: usize) -> [S::V; 2] {
    // SAFETY: the caller's.
    unsafe {
        let [a, b] = terms.at(row);
        [S::add(sums[0], a), S::mul_add(a, b, sums[1])]
    }
}
