//! Dense layers over many examples: 32 lanes at a time, so that the sums of a block of rows are not written to memory and
//! read again for the next, and what the block reads of the examples is copied side by side first.

use std::mem::MaybeUninit;

use super::dense::Shape;
use super::simd::Simd;
use super::tile::{lane_blocks, products_ahead, row_blocks, zero};

/// Rows of the weight that are worked on together.
const ROWS: usize = 48;
/// Lanes that are worked on together.
const LANES: usize = 32;

/// `y[n][lane] = sum over k < rows of w[k][n] x[k][lane]`, the products in the order of `k`.
///
/// # Safety
///
/// The buffers have the lengths of `shape`, with at least one row; nobody else touches `y`.
#[inline(always)]
pub(super) unsafe fn wide<S: Simd>(w: *const f32, x: *const f32, y: *mut f32, rows: usize, shape: Shape) {
    let Shape { n, stride, lanes } = shape;
    let mut copies = [MaybeUninit::<f32>::uninit(); ROWS * LANES];
    let copies: *mut f32 = copies.as_mut_ptr().cast();
    // SAFETY: the caller's; blocks stay inside of `rows`, `n` and `lanes`.
    unsafe {
        lane_blocks!(S, lanes, lane, J => {
            for block in (0..rows).step_by(ROWS) {
                let steps = ROWS.min(rows - block);
                for row in 0..steps {
                    for j in 0..J {
                        let value = S::load(x.add((block + row) * lanes + lane + j * S::WIDTH));
                        S::store(copies.add(row * LANES + j * S::WIDTH), value);
                    }
                }
                let w = w.add(block * stride);
                row_blocks!(S, 0, n, column, R => {
                    tile::<S, R, J>(w.add(column), stride, copies, steps, y.add(column * lanes + lane), lanes, block == 0)
                });
            }
        });
    }
}

/// Adds the products of a block of rows to `R` outputs; or writes them, if `fresh`.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const J: usize>(
    w: *const f32,
    stride: usize,
    x: *const f32,
    steps: usize,
    y: *mut f32,
    lanes: usize,
    fresh: bool,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = zero::<S, R, J>();
        if !fresh {
            for r in 0..R {
                for j in 0..J {
                    sums[r][j] = S::load(y.add(r * lanes + j * S::WIDTH));
                }
            }
        }
        products_ahead::<S, R, J>(&mut sums, w, stride, x, LANES, steps);
        for r in 0..R {
            for j in 0..J {
                S::store(y.add(r * lanes + j * S::WIDTH), sums[r][j]);
            }
        }
    }
}
