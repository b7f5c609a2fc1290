//! Dense layers of few examples whose weights change from step to step. The weight's rows are cut into pieces as on the way back, so
//! that each thread reads what it has updated itself: rows that another has changed would come from its cache, one by one. The partial
//! sums of the pieces meet in a second step, with bias and ReLU.

use graph::NodeId;

use super::dense_backward;
use super::form::{self, Form, Lengths, Strides};
use super::learning;
use super::parts::Parts;
use crate::kernels::dense::{Dense, forward_of};
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::kernels::tile::{load, place, products_beside, steps_between, store, zero};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Columns of the weight that are worked on together, so that their sums stay in the first-level cache.
const COLUMNS: usize = 1024;
/// Rows of the weight that are worked on together.
const ROWS: usize = 16;

/// How the rows of a layer's weight are cut on the way there and on the way back.
pub(super) fn cut(cx: &Lowering<'_>, k: usize, n: usize) -> Pieces {
    // A row is as much beside its columns as a vector of them.
    Pieces::of(k, 4 * k * (n.next_multiple_of(ALIGNMENT) + ALIGNMENT) * form::batch(cx))
}

/// `partial[piece][example][n] = sum over k in the piece of x[example][k] w[k][n]`.
struct Product {
    x: Slot,
    x_strides: Strides,
    w: Slot,
    stride: usize,
    partial: Parts,
    /// Elements from one example's sums to the next.
    row: usize,
    n: usize,
    batch: usize,
    /// Rows of the weight.
    pieces: Pieces,
}

impl Step for Product {
    fn name(&self) -> String {
        format!("dense {}x{}", self.pieces.total(), self.n)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        (2 * self.pieces.total() * self.n * self.batch) as u64
    }

    fn access(&self) -> Vec<Access> {
        vec![
            form::read_own_row(self.x, self.x_strides, &self.pieces, self.batch),
            Access::read_own(self.w, &self.pieces, self.stride),
            self.partial.written(),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let rows = range.len();
        // SAFETY: the piece's rows lie inside of `x` and `w`, and its partial sums are its own.
        unsafe {
            let job = Job {
                x: cx.memory.at(self.x).add(range.start * self.x_strides.channel),
                x_strides: self.x_strides,
                w: cx.memory.at(self.w).add(range.start * self.stride),
                stride: self.stride,
                y: self.partial.at(piece, cx),
                row: self.row,
                live: cx.live(),
            };
            dispatch!(cx.level => product::<S>(job: Job, rows: usize));
        }
    }
}

/// What a piece reads and writes.
#[derive(Clone, Copy)]
struct Job {
    x: *const f32,
    x_strides: Strides,
    w: *const f32,
    stride: usize,
    y: *mut f32,
    /// Sums of an example, padded to whole vectors as the weight's rows are.
    row: usize,
    /// Examples.
    live: usize,
}

/// As many columns at a time as the registers hold beside the examples: with 32 of them, and with 16.
#[inline(always)]
unsafe fn product<S: Simd>(job: Job, rows: usize) {
    // SAFETY: the caller's.
    unsafe {
        match job.live {
            1 => examples::<S, 1, 8, 8>(job, rows),
            2 => examples::<S, 2, 8, 4>(job, rows),
            3 => examples::<S, 3, 6, 3>(job, rows),
            4 => examples::<S, 4, 6, 2>(job, rows),
            5 => examples::<S, 5, 4, 2>(job, rows),
            6 => examples::<S, 6, 4, 2>(job, rows),
            7 => examples::<S, 7, 3, 1>(job, rows),
            _ => examples::<S, 8, 3, 1>(job, rows),
        }
    }
}

/// The sums of `E` examples, block by block of the weight.
#[inline(always)]
unsafe fn examples<S: Simd, const E: usize, const WIDE: usize, const NARROW: usize>(job: Job, rows: usize) {
    // SAFETY: the caller's; vectors stay inside of the padded rows.
    unsafe {
        for columns in (0..job.row).step_by(COLUMNS) {
            let end = job.row.min(columns + COLUMNS);
            for first in (0..rows).step_by(ROWS) {
                let block = (first, ROWS.min(rows - first), rows);
                match S::WIDTH {
                    ALIGNMENT => across::<S, E, WIDE>(job, block, (columns, end)),
                    _ => across::<S, E, NARROW>(job, block, (columns, end)),
                }
            }
        }
    }
}

/// A block of rows: their first, how many they are, and how many the piece has.
type Block = (usize, usize, usize);

/// The columns of a block of rows, `J` vectors at a time.
#[inline(always)]
unsafe fn across<S: Simd, const E: usize, const J: usize>(
    job: Job,
    block: Block,
    (from, to): (usize, usize),
) {
    let whole = to - (to - from) % (J * S::WIDTH);
    // SAFETY: the caller's.
    unsafe {
        for column in (from..whole).step_by(J * S::WIDTH) {
            add::<S, E, J>(job, block, column);
        }
        for column in (whole..to).step_by(S::WIDTH) {
            add::<S, E, 1>(job, block, column);
        }
    }
}

/// `y[example][column ..] += sum over the rows of a block`; the first block overwrites it.
#[inline(always)]
unsafe fn add<S: Simd, const E: usize, const J: usize>(job: Job, (first, count, rows): Block, column: usize) {
    // SAFETY: the caller's; what is asked for is not read.
    unsafe {
        let y = job.y.add(column);
        let mut sums = zero::<S, E, J>();
        if first > 0 {
            sums = load::<S, E, J>(y, job.row);
        }
        // The tile's share of the next rows, inside of the piece: behind it another thread may be changing them.
        let next = (first + count).min(rows - count) * job.stride + column / COLUMNS * COLUMNS;
        let ahead = job.w.wrapping_add(next);
        let inside = column % COLUMNS * count;
        let x = (job.x.add(first * job.x_strides.channel), job.x_strides.example, job.x_strides.channel);
        let w = job.w.add(first * job.stride + column);
        products_beside::<S, E, J>(&mut sums, x, (w, job.stride), count, |step| {
            for line in 0..steps_between(E) * J * S::WIDTH / ALIGNMENT {
                let index = inside + step * J * S::WIDTH + line * ALIGNMENT;
                S::prefetch_far(ahead.wrapping_add(place::<COLUMNS>(index, job.stride)));
            }
        });
        store::<S, E, J>(&sums, y, job.row);
    }
}

/// Lowers a `Gemm`: a forward product with its ReLU, or one of a backward pair with the update.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    dense_backward::lower(cx, id) || lower_forward(cx, id)
}

fn lower_forward(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let node = cx.graph.node(id);
    let Some(Dense { x, w, bias, k, n, stride }) = forward_of(cx, node) else { return false };
    if cx.is_lanes(w) || cx.feature_dims(x).is_none_or(|dims| dims.len() != 1) {
        return false;
    }
    let relu = learning::relu_behind(cx, node.outputs[0]);
    let output = relu.map_or(node.outputs[0], |relu| cx.graph.node(relu).outputs[0]);
    relu.into_iter().for_each(|relu| cx.done(relu));
    let (x, x_strides) = form::side_by_side(cx, x);
    let (w, bias) = (cx.slot(w), bias.map(|bias| cx.slot(bias)));
    let batch = form::batch(cx);
    let row = Lengths::of(cx, output).expect("a value per example").padded();
    let pieces = cut(cx, k, n);
    let partial = Parts::new(cx, pieces.count(), output);
    cx.push(Product { x, x_strides, w, stride, partial, row, n, batch, pieces });
    partial.gather(cx, output, bias, relu.is_some());
    true
}

/// Lowers an operator that looks at the same numbers in another way: what lies in rows or maps goes on as rows.
pub(super) fn lower_view(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(x), y) = (node.inputs[0], node.outputs[0]) else { return false };
    let there = form::is_map(cx, x) || form::is_row(cx, x);
    let alike = cx.features(x).is_some() && cx.features(x) == cx.features(y);
    if there && alike {
        form::alias(cx, y, x, Form::Rows);
    }
    there && alike
}
