//! The gradient of a convolution with respect to its weight, of few examples: for every tap an outer product of the input's and
//! the gradient's channels, summed over positions; with the optimiser's update while the sums are in registers, where nobody
//! else reads the gradient.

use std::ops::Range;

use graph::NodeId;

use super::form::{self, Form, Lengths, Strides};
use super::learning;
use super::runs::{Run, runs};
use crate::kernels::conv::geometry_of;
use crate::kernels::geometry::Geometry;
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::kernels::tile::{Tile, products, row_blocks, zero};
use crate::kernels::weight_result::{Sink, WeightResult, dispatch_sink};
use crate::lower::Lowering;
use crate::step::{Access, Context, Mode, Pieces, Step};

/// Output channels of a tile.
const PANEL: usize = 2 * ALIGNMENT;
/// Input channels whose rows are worked on together.
const CHANNELS: usize = 8;
/// Products that are added up before the sum is added to the others: sums of sums round less than long sums.
const TOGETHER: usize = 64;
/// Up to so many positions the rows of the weight are gone through from end to end, since reading and writing them is what
/// takes the time; with more, the gradient's channels of a panel stay in the first-level cache.
const FEW_POSITIONS: usize = 64;

/// `dw[i, tap][o] = sum over examples and positions of x[tap's place][i] dy[position][o]`.
struct WeightGradient {
    x: Slot,
    strides: Strides,
    dy: Slot,
    result: WeightResult,
    w_stride: usize,
    geometry: Geometry,
    runs: Vec<Vec<Run>>,
    /// Floating-point operations.
    work: usize,
    /// Cut of the taps of all blocks of input channels, block by block.
    pieces: Pieces,
    /// The input channels of each piece, where none is in two.
    shares: Option<Pieces>,
}

impl Step for WeightGradient {
    fn name(&self) -> String {
        let Geometry { channels_in, channels_out, kernel: [height, width], output: [rows, columns], .. } =
            self.geometry;
        let update = self.result.suffix();
        format!(
            "conv {channels_in} to {channels_out} {height}x{width} at {rows}x{columns} weight gradient{update}"
        )
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.work as u64
    }

    fn access(&self) -> Vec<Access> {
        let mut access = vec![Access::read(self.x), Access::read(self.dy)];
        match &self.shares {
            Some(channels) => {
                access.extend(self.result.access(channels, self.geometry.window() * self.w_stride));
            }
            // A piece is some taps of a few channels: its rows do not follow each other.
            None => {
                let whole = self.result.access(&self.pieces, 0);
                access.extend(whole.into_iter().map(|Access { slot, mode, .. }| match mode {
                    Mode::Read => Access::read(slot),
                    Mode::Write => Access::write(slot),
                }));
            }
        }
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let range = self.pieces.span(pieces);
        let (from, to) = (range.start, range.end);
        let job = Job {
            x: cx.memory.at(self.x),
            strides: self.strides,
            dy: cx.memory.at(self.dy),
            w_stride: self.w_stride,
            geometry: &self.geometry,
            runs: &self.runs,
            examples: cx.live(),
        };
        // SAFETY: the geometry was inferred from these buffers' shapes; the rows of the weight are the pieces'.
        unsafe {
            dispatch_sink!(&self.result, cx => rows(job: Job<'_>, from: usize, to: usize));
        }
    }
}

/// What the kernel reads.
#[derive(Clone, Copy)]
struct Job<'a> {
    x: *const f32,
    strides: Strides,
    dy: *const f32,
    w_stride: usize,
    geometry: &'a Geometry,
    runs: &'a [Vec<Run>],
    examples: usize,
}

/// The taps `from..to` of all blocks of input channels.
#[inline(always)]
unsafe fn rows<S: Simd, K: Sink>(sink: K, job: Job<'_>, from: usize, to: usize) {
    let window = job.geometry.window();
    let panels = job.geometry.channels_out.div_ceil(PANEL);
    let mut first = from;
    while first < to {
        let block = first / window;
        let last = to.min((block + 1) * window);
        let taps = first - block * window..last - block * window;
        let steps = taps.len() * panels;
        for step in 0..steps {
            let (tap, panel) = match job.geometry.positions() <= FEW_POSITIONS {
                true => (taps.start + step / panels, step % panels),
                false => (taps.start + step % taps.len(), step / taps.len()),
            };
            // SAFETY: the caller's.
            unsafe { rows_of_tap::<S, K>(sink, job, block * CHANNELS, tap, panel * PANEL) };
        }
        first = last;
    }
}

/// One tap of a block of input channels, by one panel of output channels.
#[inline(always)]
unsafe fn rows_of_tap<S: Simd, K: Sink>(sink: K, job: Job<'_>, channel: usize, tap: usize, panel: usize) {
    let end = job.geometry.channels_in.min(channel + CHANNELS);
    let wide = job.geometry.channels_out - panel > ALIGNMENT;
    // SAFETY: the caller's.
    unsafe {
        row_blocks!(S, channel, end, row, R => match (wide, S::WIDTH) {
            (true, 16) => tile::<S, K, R, 2>(sink, job, row, tap, panel),
            (true, _) => tile::<S, K, R, 4>(sink, job, row, tap, panel),
            (false, 16) => tile::<S, K, R, 1>(sink, job, row, tap, panel),
            (false, _) => tile::<S, K, R, 2>(sink, job, row, tap, panel),
        });
    }
}

/// `R` input channels by `J` vectors of output channels, of one tap.
#[inline(always)]
unsafe fn tile<S: Simd, K: Sink, const R: usize, const J: usize>(
    sink: K,
    job: Job<'_>,
    row: usize,
    tap: usize,
    panel: usize,
) {
    let Geometry { channels_out, stride, .. } = *job.geometry;
    let (channels, Strides { channel, position, .. }) =
        (channels_out.next_multiple_of(ALIGNMENT), job.strides);
    // SAFETY: the caller's; the runs lie inside of both maps.
    unsafe {
        let mut sums = zero::<S, R, J>();
        let (mut total, mut count) = (zero::<S, R, J>(), 0);
        for example in 0..job.examples {
            let x = job.x.add(example * job.strides.example + row * channel);
            let dy = job.dy.add(example * job.geometry.positions() * channels + panel);
            for run in &job.runs[tap] {
                if count >= TOGETHER {
                    total = added::<S, R, J>(total, sums);
                    (sums, count) = (zero::<S, R, J>(), 0);
                }
                let x = x.add(run.source * position);
                let dy = dy.add(run.place * channels);
                products::<S, R, J>(&mut sums, x, channel, stride[1] * position, dy, channels, run.steps);
                count += run.steps;
            }
        }
        let total = added::<S, R, J>(total, sums);
        for r in 0..R {
            let offset = ((row + r) * job.geometry.window() + tap) * job.w_stride + panel;
            for j in 0..J {
                sink.take::<S>(offset + j * S::WIDTH, total[r][j]);
            }
        }
    }
}

#[inline(always)]
unsafe fn added<S: Simd, const R: usize, const J: usize>(
    a: Tile<S::V, R, J>,
    b: Tile<S::V, R, J>,
) -> Tile<S::V, R, J> {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe {
        let mut sum = a;
        for r in 0..R {
            for j in 0..J {
                sum[r][j] = S::add(a[r][j], b[r][j]);
            }
        }
        sum
    }
}

/// Lowers `ConvGradWeight(dy, x)` of one group, with the update that it is for.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(dy), Some(x), dw) = (node.inputs[0], node.inputs[1], node.outputs[0]) else { return false };
    let Some((geometry, plain)) = geometry_of(cx, node, x, dy, dw) else { return false };
    if geometry.groups != 1 {
        return false;
    }
    let form = learning::input_form(cx, x, &geometry);
    let strides = form.strides(Lengths::of(cx, x).expect("a geometry has maps"), cx.lanes);
    let (x, dy) = (form::have(cx, x, form), form::have(cx, dy, Form::Maps));
    let result = WeightResult::of(cx, dw);
    let items = geometry.channels_in.div_ceil(CHANNELS) * geometry.window();
    let work = geometry.work(form::batch(cx));
    let shares = learning::shares(&geometry, work);
    let pieces = match &shares {
        Some(channels) => channels.per(CHANNELS).scaled(geometry.window()),
        None => Pieces::of(items, work),
    };
    let (runs, w_stride) = (runs(&geometry), plain.stride);
    cx.push(WeightGradient { x, strides, dy, result, w_stride, geometry, runs, work, pieces, shares });
    true
}
