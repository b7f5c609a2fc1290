//! The way back through a dense layer of few examples: one pass over the weight, row by row, so that every weight and moment
//! comes from memory once and goes there once. A vector of the weight adds to the input's gradient, then the optimiser's update
//! is applied to it.

use graph::NodeId;

use super::form::{self, Form, Lengths, Strides};
use super::{narrow_backward, trained_dense};
use crate::kernels::dense_gradient::{WayBack, step_name};
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{SUMMED, Simd, dispatch};
use crate::kernels::update::{Coefficients, Pointers, Rule, Target, dispatch_rule};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `dx[k] = sum over n of w[k][n] dy[n]` for each example, then `w[k][n] = update(w[k][n], sum over examples of x[k] dy[n])`.
struct Backward {
    x: Slot,
    x_strides: Strides,
    dy: Slot,
    dy_example: usize,
    /// `None` where nobody needs it.
    dx: Option<Slot>,
    dx_example: usize,
    /// The most examples.
    batch: usize,
    target: Target,
    n: usize,
    stride: usize,
    /// Rows of the weight.
    pieces: Pieces,
}

impl Step for Backward {
    fn name(&self) -> String {
        step_name(self.pieces.total(), self.n, self.dx.is_some())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let mut access = self.target.access(&self.pieces, self.stride);
        access.extend([
            form::read_own_row(self.x, self.x_strides, &self.pieces, self.batch),
            Access::read(self.dy),
        ]);
        access.extend(self.dx.map(|dx| Access::write_own(dx, &self.pieces, 1).of_rows(self.batch)));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start, range.end);
        let job = Job {
            x: cx.memory.at(self.x),
            x_strides: self.x_strides,
            dy: cx.memory.at(self.dy),
            dy_example: self.dy_example,
            dx: self.dx.map_or(std::ptr::null_mut(), |dx| cx.memory.at(dx)),
            dx_example: self.dx_example,
            n: self.n,
            stride: self.stride,
            live: cx.live(),
        };
        let coefficients = self.target.optimizer.coefficients(cx.step, cx.learning_rate);
        let (coefficients, at) = (&coefficients, self.target.pointers(cx));
        // SAFETY: rows `from..to` of weight, moments and `dx` belong to this piece; the lengths are those of the buffers.
        unsafe {
            dispatch_rule!(self.target.optimizer.compiled(), cx.level => rows(
                coefficients: &Coefficients, at: Pointers, job: Job, from: usize, to: usize));
        }
    }
}

/// What is read and written beside the weight.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) x: *const f32,
    pub(super) x_strides: Strides,
    pub(super) dy: *const f32,
    /// Elements from one example to the next.
    pub(super) dy_example: usize,
    /// Null where the input's gradient is not needed.
    pub(super) dx: *mut f32,
    pub(super) dx_example: usize,
    pub(super) n: usize,
    pub(super) stride: usize,
    /// Examples.
    pub(super) live: usize,
}

#[inline(always)]
unsafe fn rows<S: Simd, U: Rule>(c: &Coefficients, at: Pointers, job: Job, from: usize, to: usize) {
    // SAFETY: the caller's.
    unsafe {
        match job.live {
            1 => rows_of::<S, U, 1, 8>(c, at, job, from, to),
            2 => rows_of::<S, U, 2, 4>(c, at, job, from, to),
            3..=4 => rows_of::<S, U, 4, 2>(c, at, job, from, to),
            _ => rows_of::<S, U, 8, 1>(c, at, job, from, to),
        }
    }
}

/// Sums of input gradients, vector by vector: as many as are summed together.
type Sums = [[f32; SUMMED]; SUMMED];

/// The rows `from..to`, `R` abreast, with up to `E` examples.
#[inline(always)]
unsafe fn rows_of<S: Simd, U: Rule, const E: usize, const R: usize>(
    c: &Coefficients,
    at: Pointers,
    job: Job,
    from: usize,
    to: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        let from = match (job.n <= narrow_backward::COLUMNS, S::WIDTH) {
            (false, _) => from,
            (true, ALIGNMENT) => narrow::<S, U, E, 1>(c, at, job, (from, to)),
            (true, _) => narrow::<S, U, E, 2>(c, at, job, (from, to)),
        };
        match job.dx.is_null() {
            true => tiles::<S, U, E, R, false>(c, at, job, from, to, &mut [[0.0; SUMMED]; SUMMED]),
            false => {
                for first in (from..to).step_by(SUMMED / E) {
                    let last = to.min(first + SUMMED / E);
                    let (mut sums, mut totals) = ([[0.0; SUMMED]; SUMMED], [0.0; SUMMED]);
                    tiles::<S, U, E, R, true>(c, at, job, first, last, &mut sums);
                    S::sum_rows(sums.as_ptr(), (last - first) * E, totals.as_mut_ptr());
                    for e in 0..E.min(job.live) {
                        for row in first..last {
                            *job.dx.add(e * job.dx_example + row) = totals[(row - first) * E + e];
                        }
                    }
                }
            }
        }
    }
}

/// The rows of a narrow weight that are whole vectors; returns the first that is left.
#[inline(always)]
unsafe fn narrow<S: Simd, U: Rule, const E: usize, const J: usize>(
    c: &Coefficients,
    at: Pointers,
    job: Job,
    rows: (usize, usize),
) -> usize {
    // SAFETY: the caller's.
    unsafe {
        match job.dx.is_null() {
            true => narrow_backward::rows::<S, U, E, J, false>(c, at, job, rows),
            false => narrow_backward::rows::<S, U, E, J, true>(c, at, job, rows),
        }
    }
}

#[inline(always)]
unsafe fn tiles<S: Simd, U: Rule, const E: usize, const R: usize, const DX: bool>(
    c: &Coefficients,
    at: Pointers,
    job: Job,
    from: usize,
    to: usize,
    sums: &mut Sums,
) {
    let whole = to - (to - from) % R;
    // SAFETY: the caller's.
    unsafe {
        for row in (from..whole).step_by(R) {
            abreast::<S, U, E, R, DX>(c, at, job, (row, row - from), sums);
        }
        for row in whole..to {
            abreast::<S, U, E, 1, DX>(c, at, job, (row, row - from), sums);
        }
    }
}

/// `R` rows from `row` on. Examples that are not there count as the first, times zero. Where `DX`, the sums of the input's gradient are
/// stored from that of the row `place` on.
#[inline(always)]
unsafe fn abreast<S: Simd, U: Rule, const E: usize, const R: usize, const DX: bool>(
    c: &Coefficients,
    at: Pointers,
    job: Job,
    (row, place): (usize, usize),
    to: &mut Sums,
) {
    // SAFETY: the caller's; what lies behind the last column of `dy` is undefined, and counts as zero.
    unsafe {
        let (mut x, mut dy, mut sums) = ([[0.0f32; E]; R], [job.dy; E], [[S::splat(0.0); E]; R]);
        for e in 0..E.min(job.live) {
            dy[e] = job.dy.add(e * job.dy_example);
            for r in 0..R {
                x[r][e] = *job.x.add(e * job.x_strides.example + (row + r) * job.x_strides.channel);
            }
        }
        let whole = job.n - job.n % S::WIDTH;
        for column in (0..whole).step_by(S::WIDTH) {
            let dy: [S::V; E] = std::array::from_fn(|e| S::load(dy[e].add(column)));
            vectors::<S, U, E, R, DX>(c, at, job, (row, column), &x, dy, &mut sums);
        }
        if whole < job.n {
            let mask = S::mask((1u16 << (job.n - whole)) - 1);
            let dy: [S::V; E] = std::array::from_fn(|e| S::keep(mask, S::load(dy[e].add(whole))));
            vectors::<S, U, E, R, DX>(c, at, job, (row, whole), &x, dy, &mut sums);
        }
        if DX {
            for r in 0..R {
                for e in 0..E {
                    S::store(to.as_mut_ptr().add((place + r) * E + e).cast(), sums[r][e]);
                }
            }
        }
    }
}

/// One vector of each of `R` rows.
#[inline(always)]
unsafe fn vectors<S: Simd, U: Rule, const E: usize, const R: usize, const DX: bool>(
    c: &Coefficients,
    at: Pointers,
    job: Job,
    (row, column): (usize, usize),
    x: &[[f32; E]; R],
    dy: [S::V; E],
    sums: &mut [[S::V; E]; R],
) {
    // SAFETY: the caller's.
    unsafe {
        for r in 0..R {
            let offset = (row + r) * job.stride + column;
            let mut gradient = S::splat(0.0);
            for e in 0..E {
                gradient = S::mul_add(S::splat(x[r][e]), dy[e], gradient);
            }
            if DX {
                let w = S::load(at.weight.add(offset));
                for e in 0..E {
                    sums[r][e] = S::mul_add(w, dy[e], sums[r][e]);
                }
            }
            U::apply::<S>(c, at, offset, gradient);
        }
    }
}

/// Lowers the backward pair of a dense layer with the update.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let Some(way) = WayBack::of(cx, id, cx.graph.node(id)) else { return false };
    let (k, n, stride) = (way.plain.rows, way.plain.cols, way.plain.stride);
    let (x, x_strides) = form::side_by_side(cx, way.x);
    let dy_lengths = Lengths::of(cx, way.dy).expect("a value per example");
    let (dy, dy_example) = (form::have(cx, way.dy, Form::Maps), dy_lengths.padded());
    let target = Target::of(cx, way.update);
    let dx_example = Lengths::of(cx, way.x).expect("a value per example").padded();
    let dx = way.dx(cx).map(|dx| form::make(cx, dx, Form::Maps));
    let (pieces, batch) = (trained_dense::cut(cx, k, n), form::batch(cx));
    if let Some(dx) = dx.filter(|_| k.is_multiple_of(ALIGNMENT) && pieces.begin_at(ALIGNMENT)) {
        cx.set_cut_at(dx, pieces.per(ALIGNMENT));
    }
    cx.push(Backward { x, x_strides, dy, dy_example, dx, dx_example, batch, target, n, stride, pieces });
    way.done(cx);
    true
}
