//! What a way back through a dense layer does with a block of rows of the weight: first the input's gradient, then, while the rows are
//! in the first-level cache, the weight's gradient with the optimiser's update.
//!
//! Rows whose input is zero for all examples, as of units behind a ReLU that are off, have a gradient of zero: the optimiser's rule is
//! all that is left of them.

use std::ops::Range;

use super::conv_weight_gradient::PANEL;
use super::dense::Shape;
use super::dense_gradient::COLUMNS;
use super::memory::Lines;
use super::nonzero::is_zero;
use super::simd::Simd;
use super::tile::{
    lane_blocks, load, place, products_beside, products_from_beside, row_blocks, steps_between, store, zero,
};
use super::update::{Coefficients, Pointers, Rule};

/// Rows whose input gradient is computed before their weight gradient, so that the weight is still in the first-level cache.
const ROWS: usize = 24;

/// Examples whose products are summed at a time.
const LANES: usize = 32;

/// Numbers that a block's input takes.
pub(super) const fn packed_len(lanes: usize) -> usize {
    ROWS * lanes.next_multiple_of(LANES)
}

/// What is read and written beside the weight.
#[derive(Clone, Copy)]
pub(super) struct Data {
    /// The layer's input.
    pub(super) x: *const f32,
    /// Room for it of a block's rows.
    pub(super) packed: *mut f32,
    /// The gradient of its output.
    pub(super) dy: *const f32,
    /// The same, turned.
    pub(super) columns: *const f32,
    /// The gradient of its input; null where nobody needs it.
    pub(super) dx: *mut f32,
    /// Whether nobody needs that of an input which is zero for all examples.
    pub(super) masked: bool,
    /// What [`pace`] says.
    pub(super) pace: usize,
}

/// Bits behind the point of a [`pace`].
const PACE_FRACTION: u32 = 6;

/// Moments of each row that a tile asks for with every example of `lanes`, so that a whole tile asks for as many as it has.
pub(super) const fn pace(lanes: usize) -> usize {
    (WHOLE_COLUMNS << PACE_FRACTION).div_ceil(lanes)
}

/// Some rows that follow each other.
pub(super) struct Block {
    /// Where they are.
    range: Range<usize>,
    /// The first row that is not of the piece.
    to: usize,
    /// Those that are computed, and how many there are.
    rows: [usize; ROWS],
    count: usize,
}

impl Block {
    /// The block that ends where the piece `from..to` begins.
    pub(super) fn ahead_of(from: usize, to: usize) -> Self {
        Block { range: from..from, to, rows: [from; ROWS], count: 0 }
    }

    /// Whether no rows are behind it.
    pub(super) fn is_last(&self) -> bool {
        self.range.end == self.to
    }

    /// Goes on to the rows behind this block.
    ///
    /// # Safety
    ///
    /// The piece's rows of `x` can be read; the caller is compiled for the instruction set.
    #[inline(always)]
    unsafe fn advance<S: Simd>(&mut self, data: Data, lanes: usize) {
        let (mut row, to) = (self.range.end, self.to);
        (self.range.start, self.count) = (row, 0);
        while row < to && self.count < ROWS {
            self.rows[self.count] = row;
            // SAFETY: the caller's.
            self.count +=
                usize::from(!data.masked || unsafe { !is_zero::<S>(data.x.add(row * lanes), lanes) });
            row += 1;
        }
        self.range.end = row;
        // The input of the next block.
        for line in (row * lanes..to.min(row + ROWS) * lanes).step_by(16) {
            // SAFETY: a hint reads nothing.
            unsafe { S::prefetch_far(data.x.wrapping_add(line)) };
        }
    }

    /// Where the block's input lies as `[part][index][lane]`, with [`LANES`] lanes in a part and [`ROWS`] rows from one part to the next:
    /// where it is, if it lies so, or else in `packed`, copied.
    #[inline(always)]
    unsafe fn packed<S: Simd>(&self, data: Data, lanes: usize) -> *const f32 {
        if lanes == LANES && self.count == self.range.len() {
            return data.x.wrapping_add(self.range.start * LANES);
        }
        for (index, &row) in self.rows[..self.count].iter().enumerate() {
            for lane in (0..lanes).step_by(S::WIDTH) {
                let to = (lane / LANES * ROWS + index) * LANES + lane % LANES;
                // SAFETY: the caller's; the room holds `ROWS` rows of all lanes, in whole parts.
                unsafe { S::store(data.packed.add(to), S::load(data.x.add(row * lanes + lane))) };
            }
        }
        data.packed
    }

    /// The rows that are not computed.
    #[inline(always)]
    fn idle(&self) -> impl Iterator<Item = usize> {
        let mut computed = self.rows[..self.count].iter().copied().peekable();
        self.range.clone().filter(move |row| computed.next_if_eq(row).is_none())
    }

    /// `R` rows from the `index`-th on.
    #[inline(always)]
    fn rows<const R: usize>(&self, index: usize) -> [usize; R] {
        std::array::from_fn(|row| self.rows[index + row])
    }

    /// The first of the rows that are asked for while `rows` are computed, as many: those behind them that are of the piece, since
    /// another thread may be changing what follows.
    #[inline(always)]
    fn behind<const R: usize>(&self, rows: [usize; R]) -> usize {
        (rows[R - 1] + 1).min(self.to - R)
    }
}

/// Goes on to the next block of a piece.
///
/// # Safety
///
/// As [`Block::advance`].
#[inline(always)]
pub(super) unsafe fn advance<S: Simd>(data: Data, block: &mut Block, lanes: usize) {
    // SAFETY: the caller's.
    unsafe { block.advance::<S>(data, lanes) }
}

/// Computes `dx[k][lane] = sum over the columns of w[k][column] dy[column][lane]` for its rows; adds to
/// it, unless the columns are the first.
///
/// # Safety
///
/// The rows of weight, `x` and `dx` belong to the caller, which is compiled for the instruction set; `dy` is complete.
#[inline(always)]
pub(super) unsafe fn input_gradients<S: Simd>(
    at: Pointers,
    data: Data,
    block: &Block,
    columns: Range<usize>,
    shape: Shape,
) {
    // SAFETY: the caller's.
    unsafe {
        if data.dx.is_null() {
            return;
        }
        if columns.start == 0 {
            for row in block.idle() {
                std::slice::from_raw_parts_mut(data.dx.add(row * shape.lanes), shape.lanes).fill(0.0);
            }
        }
        lane_blocks!(S, shape.lanes, lane, J => row_blocks!(S, 0, block.count, index, R => {
            input_gradient::<S, R, J>(at, data, block, index, lane, columns.clone(), shape)
        }));
    }
}

#[inline(always)]
unsafe fn input_gradient<S: Simd, const R: usize, const J: usize>(
    at: Pointers,
    data: Data,
    block: &Block,
    index: usize,
    lane: usize,
    columns: Range<usize>,
    shape: Shape,
) {
    let Shape { stride, lanes, .. } = shape;
    let rows = block.rows::<R>(index);
    // SAFETY: the caller's; what is asked for is not read.
    unsafe {
        let mut tile = zero::<S, R, J>();
        if columns.start > 0 {
            for r in 0..R {
                [tile[r]] = load::<S, 1, J>(data.dx.add(rows[r] * lanes + lane), lanes);
            }
        }
        let w = rows.map(|row| at.weight.add(row * stride + columns.start).cast_const());
        // As many numbers of the rows behind as there are rows with every step.
        let ahead = at.weight.wrapping_add(block.behind(rows) * stride + columns.start);
        let dy = data.dy.add(columns.start * lanes + lane);
        products_from_beside::<S, R, J>(&mut tile, w, (dy, lanes), columns.len(), |step| {
            S::prefetch_far(ahead.wrapping_add(place::<COLUMNS>(step * R, stride)));
        });
        for r in 0..R {
            store::<S, 1, J>(&[tile[r]], data.dx.add(rows[r] * lanes + lane), lanes);
        }
    }
}

/// `w[k][n] = update(w[k][n], sum_lane x[k][lane] dy[n][lane])` for the rows of a block and the columns of a range, in whole vectors.
///
/// # Safety
///
/// As [`input_gradients`], with the moments.
#[inline(always)]
pub(super) unsafe fn weight_gradients<S: Simd, U: Rule>(
    c: &Coefficients,
    at: Pointers,
    data: Data,
    block: &Block,
    columns: Range<usize>,
    shape: Shape,
    waiting: &mut Waiting,
) {
    // SAFETY: the caller's.
    unsafe {
        // What most often comes is compiled apart, with lengths that the compiler knows.
        match shape.lanes {
            LANES => {
                let shape = Shape { lanes: LANES, ..shape };
                weight_tiles::<S, U>(c, at, data, block, columns.clone(), shape, waiting)
            }
            _ => weight_tiles::<S, U>(c, at, data, block, columns.clone(), shape, waiting),
        }
        for row in block.idle() {
            for column in columns.clone().step_by(S::WIDTH) {
                U::apply::<S>(c, at, row * shape.stride + column, S::splat(0.0));
            }
        }
    }
}

#[inline(always)]
unsafe fn weight_tiles<S: Simd, U: Rule>(
    c: &Coefficients,
    at: Pointers,
    data: Data,
    block: &Block,
    columns: Range<usize>,
    shape: Shape,
    waiting: &mut Waiting,
) {
    // SAFETY: the caller's.
    unsafe {
        let x = block.packed::<S>(data, shape.lanes);
        row_blocks!(S, 0, block.count, index, R => {
            lane_blocks!(S, columns.len(), column, J => {
                weight_gradient::<S, U, R, J>(c, at, (x, data), block, index, columns.start + column, shape, waiting)
            })
        });
    }
}

#[inline(always)]
unsafe fn weight_gradient<S: Simd, U: Rule, const R: usize, const J: usize>(
    c: &Coefficients,
    at: Pointers,
    (x, data): (*const f32, Data),
    block: &Block,
    index: usize,
    column: usize,
    shape: Shape,
    waiting: &mut Waiting,
) {
    let Shape { stride, lanes, .. } = shape;
    let rows = block.rows::<R>(index);
    let waits = U::ROOTS && R == whole_rows::<S>() && J == WHOLE_COLUMNS / S::WIDTH;
    // SAFETY: the caller's; what is asked for is not read.
    unsafe {
        let mut tile = zero::<S, R, J>();
        let panel = data.columns.add(column * lanes);
        // The moments of the rows behind, for the tile's share of the steps.
        let inside = column % COLUMNS;
        let first = block.behind(rows) * stride + column - inside + place::<COLUMNS>(inside * R, stride);
        let mut ahead = at.moments.map(|moment| moment.wrapping_add(first));
        let each = (R * steps_between(R) * data.pace) >> PACE_FRACTION;
        let mut rooted = 0;
        let mut beside = |_| {
            for moment in ahead.iter_mut().take(U::MOMENTS) {
                S::prefetch_far(*moment);
                *moment = moment.wrapping_add(each);
            }
            if waits && rooted < waiting.count {
                waiting.take_root::<S>(rooted);
                rooted += 1;
            }
        };
        let part = |lane: usize| {
            let x = x.add(lane * ROWS + index * LANES);
            ((x, LANES, 1), (panel.add(lane * PANEL), PANEL))
        };
        for lane in (0..lanes / LANES * LANES).step_by(LANES) {
            let (x, panel) = part(lane);
            products_beside::<S, R, J>(&mut tile, x, panel, LANES, &mut beside);
        }
        if lanes % LANES > 0 {
            let (x, panel) = part(lanes - lanes % LANES);
            products_beside::<S, R, J>(&mut tile, x, panel, lanes % LANES, &mut beside);
        }
        if !waits {
            for r in 0..R {
                for j in 0..J {
                    U::apply::<S>(c, at, rows[r] * stride + column + j * S::WIDTH, tile[r][j]);
                }
            }
            return;
        }
        waiting.finish::<S, U>(c, at, rooted);
        for r in 0..R {
            let offset = rows[r] * stride + column;
            waiting.rows[r] = offset;
            for j in 0..J {
                let [_, v] = U::moments::<S>(c, at, offset + j * S::WIDTH, tile[r][j]);
                S::store(waiting.roots.at().add((r * J + j) * S::WIDTH), v);
            }
        }
        waiting.count = R * J;
    }
}

/// Columns of a whole tile.
const WHOLE_COLUMNS: usize = 32;

/// Rows of a whole tile.
const fn whole_rows<S: Simd>() -> usize {
    if S::WIDTH == 16 { 8 } else { 3 }
}

/// A whole tile of weights whose moments are new and whose square roots are still to be taken: the divider does that while the
/// products of the next tile are summed.
pub(super) struct Waiting {
    /// Second moments, then their square roots.
    roots: Lines<{ 8 * WHOLE_COLUMNS }>,
    /// The first weight of each row.
    rows: [usize; 8],
    /// Vectors of weights: all of the tile, or none.
    count: usize,
}

impl Waiting {
    /// No tile.
    pub(super) fn new() -> Self {
        Waiting { roots: Lines::new(), rows: [0; 8], count: 0 }
    }

    /// Takes the root of one vector.
    #[inline(always)]
    unsafe fn take_root<S: Simd>(&mut self, index: usize) {
        // SAFETY: the caller gives a vector of the tile and is compiled for the instruction set.
        unsafe {
            let at = self.roots.at().add(index * S::WIDTH);
            S::store(at, S::sqrt(S::load(at)));
        }
    }

    /// Updates the weights, if there is a tile, with the roots from the vector `rooted` on still to be taken.
    #[inline(always)]
    unsafe fn finish<S: Simd, U: Rule>(&mut self, c: &Coefficients, at: Pointers, rooted: usize) {
        if self.count == 0 {
            return;
        }
        // SAFETY: the tile's weights and first moments are the caller's.
        unsafe {
            (rooted..self.count).for_each(|index| self.take_root::<S>(index));
            let across = WHOLE_COLUMNS / S::WIDTH;
            for row in 0..whole_rows::<S>() {
                for j in 0..across {
                    let offset = self.rows[row] + j * S::WIDTH;
                    let m = S::load(at.moments[0].add(offset));
                    let root = S::load(self.roots.at().add((row * across + j) * S::WIDTH));
                    U::weight::<S>(c, at, offset, m, root);
                }
            }
        }
        self.count = 0;
    }
}

/// Updates the weights of the last tile.
///
/// # Safety
///
/// As [`weight_gradients`].
#[inline(always)]
pub(super) unsafe fn finish<S: Simd, U: Rule>(c: &Coefficients, at: Pointers, waiting: &mut Waiting) {
    // SAFETY: the caller's.
    unsafe { waiting.finish::<S, U>(c, at, 0) }
}
