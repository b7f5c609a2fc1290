//! The one inner loop behind dense layers, convolutions and their gradients: a tile of `R` rows by `J` vectors
//! of accumulators, fed by one broadcast number per row and one vector per column each step.

use super::nonzero::Place;
use super::simd::Simd;

/// A tile of accumulators.
pub(crate) type Tile<V, const R: usize, const J: usize> = [[V; J]; R];

/// An empty tile.
#[inline(always)]
pub(crate) unsafe fn zero<S: Simd, const R: usize, const J: usize>() -> Tile<S::V, R, J> {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe { [[S::splat(0.0); J]; R] }
}

/// The tile whose rows lie `row` elements apart from `from` on.
///
/// # Safety
///
/// They can be read.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, const R: usize, const J: usize>(
    from: *const f32,
    row: usize,
) -> Tile<S::V, R, J> {
    // SAFETY: the caller's.
    unsafe {
        let mut tile = zero::<S, R, J>();
        for r in 0..R {
            for j in 0..J {
                tile[r][j] = S::load(from.add(r * row + j * S::WIDTH));
            }
        }
        tile
    }
}

/// Puts a tile where [`load`] finds it.
///
/// # Safety
///
/// Its rows can be written.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd, const R: usize, const J: usize>(
    tile: &Tile<S::V, R, J>,
    to: *mut f32,
    row: usize,
) {
    for r in 0..R {
        for j in 0..J {
            // SAFETY: the caller's.
            unsafe { S::store(to.add(r * row + j * S::WIDTH), tile[r][j]) };
        }
    }
}

/// `tile[r][j] += a(r) * x[j * WIDTH ..]`: whichever of rows and columns are fewer stay in registers meanwhile.
///
/// # Safety
///
/// The vectors can be read.
#[inline(always)]
unsafe fn outer_product<S: Simd, const R: usize, const J: usize>(
    tile: &mut Tile<S::V, R, J>,
    a: impl Fn(usize) -> f32,
    x: *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        if R > J {
            let mut columns = [S::splat(0.0); J];
            for (j, column) in columns.iter_mut().enumerate() {
                *column = S::load(x.add(j * S::WIDTH));
            }
            for row in 0..R {
                let factor = S::splat(a(row));
                for j in 0..J {
                    tile[row][j] = S::mul_add(columns[j], factor, tile[row][j]);
                }
            }
        } else {
            let mut factors = [S::splat(0.0); R];
            for (row, factor) in factors.iter_mut().enumerate() {
                *factor = S::splat(a(row));
            }
            for j in 0..J {
                let column = S::load(x.add(j * S::WIDTH));
                for row in 0..R {
                    tile[row][j] = S::mul_add(column, factors[row], tile[row][j]);
                }
            }
        }
    }
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
    // SAFETY: the caller's.
    unsafe { in_groups::<S, R, J, 1>(tile, (a, a_row, a_step), (x, x_step), steps, |_| {}) }
}

/// After how many steps [`products_beside`] does something else, with tiles of so many rows: a line of memory is asked for once
/// or twice while as many numbers of it are multiplied as it has.
pub(crate) const fn steps_between(rows: usize) -> usize {
    match rows {
        9.. => 1,
        8 => 2,
        _ => 4,
    }
}

/// As [`products`]; does `beside` with the number of the step before every [`steps_between`] of them.
///
/// # Safety
///
/// As [`products`].
#[inline(always)]
pub(crate) unsafe fn products_beside<S: Simd, const R: usize, const J: usize>(
    tile: &mut Tile<S::V, R, J>,
    a: (*const f32, usize, usize),
    x: (*const f32, usize),
    steps: usize,
    beside: impl FnMut(usize),
) {
    // SAFETY: the caller's.
    unsafe {
        match steps_between(R) {
            1 => in_groups::<S, R, J, 1>(tile, a, x, steps, beside),
            2 => in_groups::<S, R, J, 2>(tile, a, x, steps, beside),
            _ => in_groups::<S, R, J, 4>(tile, a, x, steps, beside),
        }
    }
}

/// As [`products_beside`], with `G` steps in between.
#[inline(always)]
unsafe fn in_groups<S: Simd, const R: usize, const J: usize, const G: usize>(
    tile: &mut Tile<S::V, R, J>,
    (mut a, a_row, a_step): (*const f32, usize, usize),
    (mut x, x_step): (*const f32, usize),
    steps: usize,
    mut beside: impl FnMut(usize),
) {
    let whole = steps - steps % G;
    for first in (0..whole).step_by(G) {
        beside(first);
        for _ in 0..G {
            // SAFETY: the caller's.
            unsafe { outer_product::<S, R, J>(tile, |row| *a.add(row * a_row), x) };
            (a, x) = (a.wrapping_add(a_step), x.wrapping_add(x_step));
        }
    }
    for _ in whole..steps {
        // SAFETY: the caller's.
        unsafe { outer_product::<S, R, J>(tile, |row| *a.add(row * a_row), x) };
        (a, x) = (a.wrapping_add(a_step), x.wrapping_add(x_step));
    }
}

/// `tile[r][j] += sum over places of a[r * a_row + place[0]] * x[place[1] + j * WIDTH ..]`; does `beside` with the number of the place
/// before each.
///
/// # Safety
///
/// All those elements can be read.
#[inline(always)]
pub(crate) unsafe fn products_at<S: Simd, const R: usize, const J: usize>(
    tile: &mut Tile<S::V, R, J>,
    (a, a_row): (*const f32, usize),
    x: *const f32,
    places: &[Place],
    mut beside: impl FnMut(usize),
) {
    for (step, &[in_a, in_x]) in places.iter().enumerate() {
        beside(step);
        // SAFETY: the caller's.
        unsafe {
            let a = a.add(in_a as usize);
            outer_product::<S, R, J>(tile, |row| *a.add(row * a_row), x.add(in_x as usize));
        }
    }
}

/// Where the `index`-th number of a block of `COLUMNS` columns lies, or of a whole weight that is narrower.
#[inline(always)]
pub(crate) fn place<const COLUMNS: usize>(index: usize, stride: usize) -> usize {
    index / COLUMNS * stride.max(COLUMNS) + index % COLUMNS
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
    let mut ahead = a.wrapping_add(16);
    // SAFETY: the caller's; what is asked for is not read.
    unsafe {
        in_groups::<S, R, J, 1>(tile, (a, 1, a_step), (x, x_step), steps, |_| {
            S::prefetch(ahead);
            ahead = ahead.wrapping_add(a_step);
        });
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
    x: (*const f32, usize),
    steps: usize,
) {
    // SAFETY: the caller's.
    unsafe { rows_in_groups::<S, R, J, 1>(tile, a, x, steps, |_| {}) }
}

/// As [`products_from`]; does `beside` with the number of the step before every [`steps_between`] of them.
///
/// # Safety
///
/// As [`products_from`].
#[inline(always)]
pub(crate) unsafe fn products_from_beside<S: Simd, const R: usize, const J: usize>(
    tile: &mut Tile<S::V, R, J>,
    a: [*const f32; R],
    x: (*const f32, usize),
    steps: usize,
    beside: impl FnMut(usize),
) {
    // SAFETY: the caller's.
    unsafe {
        match steps_between(R) {
            1 => rows_in_groups::<S, R, J, 1>(tile, a, x, steps, beside),
            2 => rows_in_groups::<S, R, J, 2>(tile, a, x, steps, beside),
            _ => rows_in_groups::<S, R, J, 4>(tile, a, x, steps, beside),
        }
    }
}

/// As [`products_from_beside`], with `G` steps in between.
#[inline(always)]
unsafe fn rows_in_groups<S: Simd, const R: usize, const J: usize, const G: usize>(
    tile: &mut Tile<S::V, R, J>,
    a: [*const f32; R],
    (mut x, x_step): (*const f32, usize),
    steps: usize,
    mut beside: impl FnMut(usize),
) {
    let whole = steps - steps % G;
    for first in (0..whole).step_by(G) {
        beside(first);
        for step in first..first + G {
            // SAFETY: the caller's.
            unsafe { outer_product::<S, R, J>(tile, |row| *a[row].add(step), x) };
            x = x.wrapping_add(x_step);
        }
    }
    for step in whole..steps {
        // SAFETY: the caller's.
        unsafe { outer_product::<S, R, J>(tile, |row| *a[row].add(step), x) };
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
        $crate::kernels::tile::row_blocks_from!($simd, $row, to, $r => $call)
    }};
    // As above; tiles of 12 rows first where there are 32 registers.
    (tall $simd:ident, $from:expr, $to:expr, $row:ident, $r:ident => $call:expr) => {{
        let (from, to): (usize, usize) = ($from, $to);
        let mut $row = from;
        if $simd::WIDTH == 16 {
            while $row + 12 <= to {
                const $r: usize = 12;
                $call;
                $row += 12;
            }
        }
        $crate::kernels::tile::row_blocks_from!($simd, $row, to, $r => $call)
    }};
}
pub(crate) use row_blocks;

/// As [`row_blocks`], from the row that `$row` holds.
macro_rules! row_blocks_from {
    ($simd:ident, $row:ident, $to:ident, $r:ident => $call:expr) => {{
        let to: usize = $to;
        if $simd::WIDTH == 16 {
            while $row + 8 <= to {
                const $r: usize = 8;
                $call;
                $row += 8;
            }
            if $row + 4 <= to {
                const $r: usize = 4;
                $call;
                $row += 4;
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
pub(crate) use row_blocks_from;
