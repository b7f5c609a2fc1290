//! The one inner loop behind dense layers, convolutions and their gradients: a tile of `R` rows by `J` vectors
//! of accumulators, fed by one broadcast number per row and one vector per column each step.

use super::simd::Simd;

/// A tile of accumulators.
pub(crate) type Tile<V, const R: usize, const J: usize> = [[V; J]; R];

/// An empty tile.
#[inline(always)]
pub(crate) unsafe fn zero<S: Simd, const R: usize, const J: usize>() -> Tile<S::V, R, J> {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe { [[S::splat(0.0); J]; R] }
}

/// `tile[r][j] += sum over s < steps of a[r * a_row + s * a_step] * x[s * x_step + j * WIDTH ..]`.
///
/// # Safety
///
/// All those elements can be read.
#[inline(always)]
pub(crate) unsafe fn products<S: Simd, const R: usize, const J: usize>(
    tile: &mut Tile<S::V, R, J>,
    a: *const f32,
    a_row: usize,
    a_step: usize,
    x: *const f32,
    x_step: usize,
    steps: usize,
) {
    let mut a = a;
    let mut x = x;
    for _ in 0..steps {
        // SAFETY: the caller's.
        unsafe {
            let mut factor = [S::splat(0.0); R];
            for (row, factor) in factor.iter_mut().enumerate() {
                *factor = S::splat(*a.add(row * a_row));
            }
            for j in 0..J {
                let column = S::load(x.add(j * S::WIDTH));
                for row in 0..R {
                    tile[row][j] = S::mul_add(column, factor[row], tile[row][j]);
                }
            }
        }
        a = a.wrapping_add(a_step);
        x = x.wrapping_add(x_step);
    }
}

/// As [`products`] with `a_row = 1`; asks for the line of `a` behind each that is read, which the next rows will want.
///
/// # Safety
///
/// As [`products`].
#[inline(always)]
pub(crate) unsafe fn products_ahead<S: Simd, const R: usize, const J: usize>(
    tile: &mut Tile<S::V, R, J>,
    a: *const f32,
    a_step: usize,
    x: *const f32,
    x_step: usize,
    steps: usize,
) {
    let mut a = a;
    let mut x = x;
    for _ in 0..steps {
        // SAFETY: the caller's; what is asked for is not read.
        unsafe {
            S::prefetch(a.wrapping_add(16));
            let mut factor = [S::splat(0.0); R];
            for (row, factor) in factor.iter_mut().enumerate() {
                *factor = S::splat(*a.add(row));
            }
            for j in 0..J {
                let column = S::load(x.add(j * S::WIDTH));
                for row in 0..R {
                    tile[row][j] = S::mul_add(column, factor[row], tile[row][j]);
                }
            }
        }
        a = a.wrapping_add(a_step);
        x = x.wrapping_add(x_step);
    }
}

/// As [`products`], with the consecutive numbers of row `r` from `a[r]` on.
///
/// # Safety
///
/// All those elements can be read.
#[inline(always)]
pub(crate) unsafe fn products_from<S: Simd, const R: usize, const J: usize>(
    tile: &mut Tile<S::V, R, J>,
    a: [*const f32; R],
    x: *const f32,
    x_step: usize,
    steps: usize,
) {
    let mut x = x;
    for step in 0..steps {
        // SAFETY: the caller's.
        unsafe {
            let mut factor = [S::splat(0.0); R];
            for (row, factor) in factor.iter_mut().enumerate() {
                *factor = S::splat(*a[row].add(step));
            }
            for j in 0..J {
                let column = S::load(x.add(j * S::WIDTH));
                for row in 0..R {
                    tile[row][j] = S::mul_add(column, factor[row], tile[row][j]);
                }
            }
        }
        x = x.wrapping_add(x_step);
    }
}

/// Runs `$call` for blocks of 32 lanes, then one of 16 if that is left, with `$lane` the first lane and the
/// constant `$j` the number of vectors in the block. `$lanes` is a multiple of 16.
macro_rules! lane_blocks {
    ($simd:ident, $lanes:expr, $lane:ident, $j:ident => $call:expr) => {{
        let lanes: usize = $lanes;
        let mut $lane = 0;
        while $lane + 32 <= lanes {
            if $simd::WIDTH == 16 {
                const $j: usize = 2;
                $call
            } else {
                const $j: usize = 4;
                $call
            }
            $lane += 32;
        }
        if $lane < lanes {
            if $simd::WIDTH == 16 {
                const $j: usize = 1;
                $call
            } else {
                const $j: usize = 2;
                $call
            }
        }
    }};
}
pub(crate) use lane_blocks;

/// Runs `$call` for blocks of as many rows as the registers hold beside 32 lanes, then for the rest, with
/// `$row` the first row and the constant `$r` the number of rows in the block.
macro_rules! row_blocks {
    ($simd:ident, $from:expr, $to:expr, $row:ident, $r:ident => $call:expr) => {{
        let (from, to): (usize, usize) = ($from, $to);
        let mut $row = from;
        if $simd::WIDTH == 16 {
            while $row + 8 <= to {
                const $r: usize = 8;
                $call;
                $row += 8;
            }
        }
        while $row + 3 <= to {
            const $r: usize = 3;
            $call;
            $row += 3;
        }
        if $row + 2 <= to {
            const $r: usize = 2;
            $call;
            $row += 2;
        }
        if $row < to {
            const $r: usize = 1;
            $call;
        }
    }};
}
pub(crate) use row_blocks;
