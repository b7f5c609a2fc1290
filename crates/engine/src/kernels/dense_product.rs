//! The product behind a dense layer with many examples: block by block of weights, so that the sums that a block adds to stay
//! in the first-level cache however wide the layer is, and each weight comes from memory once.

use super::dense::Shape;
use super::memory::Lines;
use super::nonzero::{Place, list_nonzero};
use super::simd::Simd;
use super::tile::{lane_blocks, load, place, products_at, products_beside, row_blocks, store};

/// Columns of the weight that are worked on together, so that their sums stay in the second-level cache; rows of memory as
/// long as that are fetched well ahead by the processor itself.
const COLUMNS: usize = 1024;
/// Rows of the weight that are worked on together: of a layer of 128 columns they stay in the first-level cache.
const ROWS: usize = 52;
/// The same for a weight that is wider than [`COLUMNS`].
const WIDE_ROWS: usize = 16;
/// Lanes that are worked on together.
const LANES: usize = 32;

/// `y[n][lane] = sum over k < rows of w[k][n] x[k][lane]`, the products in the order of `k`; those with an `x` that is zero in all
/// lanes are left out.
///
/// # Safety
///
/// The buffers have the lengths of `shape`; nobody else touches `y`.
#[inline(always)]
pub(super) unsafe fn product<S: Simd>(w: *const f32, x: *const f32, y: *mut f32, rows: usize, shape: Shape) {
    let Shape { n, stride, lanes } = shape;
    let mut copies = Lines::<{ ROWS * LANES }>::new();
    let copies = copies.at();
    let block_rows = if n > COLUMNS { WIDE_ROWS } else { ROWS };
    let block_rows = rows.div_ceil(rows.div_ceil(block_rows).max(1)).max(1);
    // SAFETY: the caller's; blocks stay inside of `rows`, `n` and `lanes`.
    unsafe {
        std::slice::from_raw_parts_mut(y, n * lanes).fill(0.0);
        for columns in (0..n).step_by(COLUMNS) {
            let end = n.min(columns + COLUMNS);
            for block in (0..rows).step_by(block_rows) {
                let steps = block_rows.min(rows - block);
                // The next block of rows, inside of the piece: what lies behind it another thread may be changing.
                let next = w.add((block + steps).min(rows - steps) * stride + columns);
                let (w, x) = (w.add(block * stride), x.add(block * lanes));
                let mut places = [[0; 2]; ROWS];
                let count = list_nonzero::<S>(x, lanes, [stride, lanes.min(LANES)], &mut places[..steps]);
                let places = if count < steps { Some(&places[..count]) } else { None };
                lane_blocks!(S, lanes, lane, J => {
                    let mut x = (x.add(lane), lanes);
                    if lanes > LANES {
                        // Rows that are far apart would crowd each other out of the cache.
                        side_by_side::<S, J>(x.0, lanes, copies, steps);
                        x = (copies.cast_const(), LANES);
                    }
                    row_blocks!(tall S, columns, end, column, R => {
                        let y = y.add(column * lanes + lane);
                        let ahead = (next, (column - columns) * steps);
                        tile::<S, R, J>((w.add(column), stride), ahead, x, (steps, places), (y, lanes))
                    });
                });
            }
        }
    }
}

/// Copies `J` vectors of each of `rows` rows.
#[inline(always)]
unsafe fn side_by_side<S: Simd, const J: usize>(x: *const f32, lanes: usize, to: *mut f32, rows: usize) {
    for row in 0..rows {
        for j in 0..J {
            // SAFETY: the caller's.
            unsafe {
                S::store(to.add(row * LANES + j * S::WIDTH), S::load(x.add(row * lanes + j * S::WIDTH)))
            };
        }
    }
}

/// Adds the products of a block of rows to `R` outputs; of the rows at `places`, if not all count. Asks for its share of the
/// next block, which begins at `next`: `asked` numbers of it have been asked for.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const J: usize>(
    (w, stride): (*const f32, usize),
    (next, asked): (*const f32, usize),
    x: (*const f32, usize),
    (steps, places): (usize, Option<&[Place]>),
    (y, lanes): (*mut f32, usize),
) {
    // SAFETY: the caller's; what is asked for is not read.
    unsafe {
        let mut sums = load::<S, R, J>(y, lanes);
        // Row by row: memory gives neighbours faster.
        let ask = |index: usize| {
            S::prefetch_far(next.wrapping_add(place::<COLUMNS>(asked + index, stride)));
        };
        match places {
            Some(places) => {
                let each = (R * steps) / places.len().max(1);
                products_at::<S, R, J>(&mut sums, (w, 1), x.0, places, |step| ask(step * each));
            }
            None => products_beside::<S, R, J>(&mut sums, (w, 1, stride), x, steps, |step| ask(step * R)),
        }
        store::<S, R, J>(&sums, y, lanes);
    }
}
