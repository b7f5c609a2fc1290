//! Sums over the map of one channel, exact enough for statistics: a few numbers are added in `f32`, the sums of those in
//! `f64`.

use super::simd::Simd;

/// The lengths of one channel's map.
#[derive(Clone, Copy)]
pub(super) struct Map {
    pub(super) positions: usize,
    pub(super) lanes: usize,
    /// Examples in the lanes.
    pub(super) live: usize,
}

impl Map {
    /// Numbers that statistics run over.
    pub(super) fn count(self) -> f64 {
        (self.positions * self.live) as f64
    }

    /// `value` in lanes of examples, zero in the others, for the vector that starts at `lane`.
    #[inline(always)]
    pub(super) unsafe fn keep_live<S: Simd>(self, lane: usize, value: S::V) -> S::V {
        if lane + S::WIDTH <= self.live {
            return value;
        }
        let bits = (1u32 << self.live.saturating_sub(lane)) - 1;
        // SAFETY: the caller is compiled for the instruction set.
        unsafe { S::keep(S::mask(bits as u16), value) }
    }
}

/// What two sums over a map are made of.
pub(super) trait Factors: Copy {
    /// `a` and `b` of the vector at `at`, for the sums of `a` and of `a * b`.
    ///
    /// # Safety
    ///
    /// `at` is the place of a vector of the maps that the factors are made of.
    unsafe fn at<S: Simd>(self, at: usize) -> [S::V; 2];
}

/// Positions that are summed side by side: additions that wait for each other are what takes the time.
const CHAINS: usize = 4;
/// Vectors that each chain adds in `f32` before the sum goes on in `f64`.
const RUN: usize = 64;

/// The sums of `a` and of `a * b` over positions and examples; the lanes behind the last example count for nothing, but
/// their factors are computed too.
///
/// # Safety
///
/// As [`Factors::at`], for maps of the lengths of `map`.
#[inline(always)]
pub(super) unsafe fn sums<S: Simd, F: Factors>(factors: F, map: Map) -> [f64; 2] {
    let mut totals = [0.0f64; 2];
    // SAFETY: the caller's.
    unsafe {
        let (mut chains, mut run) = ([[S::splat(0.0); 2]; CHAINS], 0);
        let whole = map.positions - map.positions % CHAINS;
        for position in (0..whole).step_by(CHAINS) {
            for lane in (0..map.lanes).step_by(S::WIDTH) {
                for (chain, sums) in chains.iter_mut().enumerate() {
                    *sums = grown::<S, F>(*sums, factors, map, position + chain, lane);
                }
                run += 1;
                if run == RUN {
                    chains.iter().for_each(|&sums| totals = added::<S>(totals, sums));
                    (chains, run) = ([[S::splat(0.0); 2]; CHAINS], 0);
                }
            }
        }
        for position in whole..map.positions {
            for (index, lane) in (0..map.lanes).step_by(S::WIDTH).enumerate() {
                let sums = &mut chains[index % CHAINS];
                *sums = grown::<S, F>(*sums, factors, map, position, lane);
            }
        }
        chains.iter().for_each(|&sums| totals = added::<S>(totals, sums));
    }
    totals
}

/// The sums with the vector at one position and lane.
#[inline(always)]
unsafe fn grown<S: Simd, F: Factors>(
    sums: [S::V; 2],
    factors: F,
    map: Map,
    position: usize,
    lane: usize,
) -> [S::V; 2] {
    // SAFETY: the caller's.
    unsafe {
        let [a, b] = factors.at::<S>(position * map.lanes + lane);
        let (a, b) = (map.keep_live::<S>(lane, a), map.keep_live::<S>(lane, b));
        [S::add(sums[0], a), S::mul_add(a, b, sums[1])]
    }
}

#[inline(always)]
unsafe fn added<S: Simd>(totals: [f64; 2], sums: [S::V; 2]) -> [f64; 2] {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe { [totals[0] + f64::from(S::sum(sums[0])), totals[1] + f64::from(S::sum(sums[1]))] }
}
