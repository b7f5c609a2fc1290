//! The way back through a dense layer of few examples that has no more columns than a line of memory has numbers, such as the last one
//! of a classifier: the gradients of its sums stay in registers for all rows, and the input's gradient is made for many rows at a time,
//! in the lanes.

use super::dense_backward::Job;
use crate::kernels::memory::ALIGNMENT;
use crate::kernels::simd::Simd;
use crate::kernels::update::{Coefficients, Pointers, Rule};

/// The most columns.
pub(super) const COLUMNS: usize = ALIGNMENT;

/// A block of the weight, turned: `[column][row]`.
type Turned = [[f32; COLUMNS]; COLUMNS];

/// As many of the rows `from..to` as are whole vectors, with up to `E` examples, in `J` vectors of columns. Returns the first row that is
/// left. With `DX` the input's gradient is wanted.
///
/// # Safety
///
/// As for the rows of [`super::dense_backward`].
#[inline(always)]
pub(super) unsafe fn rows<S: Simd, U: Rule, const E: usize, const J: usize, const DX: bool>(
    c: &Coefficients,
    at: Pointers,
    job: Job,
    (from, to): (usize, usize),
) -> usize {
    let whole = to - (to - from) % S::WIDTH;
    // SAFETY: the caller's; rows of the weight and of `dy` are padded to whole lines, and what lies in the padding of `dy` counts as zero.
    unsafe {
        let mut dy = [[S::splat(0.0); J]; E];
        for e in 0..E.min(job.live) {
            for j in 0..J {
                let columns = job.n.saturating_sub(j * S::WIDTH).min(S::WIDTH);
                let mask = S::mask(((1u32 << columns) - 1) as u16);
                dy[e][j] = S::keep(mask, S::load(job.dy.add(e * job.dy_example + j * S::WIDTH)));
            }
        }
        let numbers: [*const f32; E] =
            std::array::from_fn(|e| job.dy.wrapping_add(if e < job.live { e * job.dy_example } else { 0 }));
        for first in (from..whole).step_by(S::WIDTH) {
            if DX {
                input_gradient::<S, E>(at, job, &numbers, first);
            }
            for row in first..first + S::WIDTH {
                let mut gradient = [S::splat(0.0); J];
                for e in 0..E {
                    // An example that is not there counts as the first, times zero.
                    let example = if e < job.live { e } else { 0 };
                    let x = *job.x.add(example * job.x_strides.example + row * job.x_strides.channel);
                    for j in 0..J {
                        gradient[j] = S::mul_add(S::splat(x), dy[e][j], gradient[j]);
                    }
                }
                for j in 0..J {
                    U::apply::<S>(c, at, row * job.stride + j * S::WIDTH, gradient[j]);
                }
            }
        }
    }
    whole
}

/// `dx[e][first ..] = sum over the columns of w[..][column] dy[e][column]`, a vector of rows.
#[inline(always)]
unsafe fn input_gradient<S: Simd, const E: usize>(
    at: Pointers,
    job: Job,
    dy: &[*const f32; E],
    first: usize,
) {
    let mut turned: Turned = [[0.0; COLUMNS]; COLUMNS];
    // SAFETY: the caller's.
    unsafe {
        for column in (0..job.n).step_by(S::WIDTH) {
            let w = at.weight.add(first * job.stride + column);
            S::turn(w, job.stride, turned[column].as_mut_ptr(), COLUMNS);
        }
        let mut sums = [S::splat(0.0); E];
        for column in 0..job.n {
            let w = S::load(turned[column].as_ptr());
            for e in 0..E {
                sums[e] = S::mul_add(w, S::splat(*dy[e].add(column)), sums[e]);
            }
        }
        for e in 0..E.min(job.live) {
            S::store(job.dx.add(e * job.dx_example + first), sums[e]);
        }
    }
}
