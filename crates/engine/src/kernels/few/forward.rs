//! Convolutions of few examples whose weights change from step to step: read where they lie, as `[input channel, tap][output
//! channel]`. Each piece makes some of the output channels, or, where there are more weights than sums, adds up the products of some of
//! the input channels.

use std::ops::Range;

use graph::{NodeId, ValueId};

use super::form::{self, Form, Lengths, Strides};
use super::forward_tile::{Job, SHORT, WIDE_BLOCK, channels, strips};
use super::learning;
use super::parts::Parts;
use super::strips::{STRIP, Strips};
use crate::kernels::conv::Convolution;
use crate::kernels::geometry::{CHANNEL_BLOCK, Geometry};
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::dispatch;
use crate::lower::Lowering;
use crate::step::{Access, Context, PIECES, Pieces, Step};

/// Output channels of one piece's tiles: their weights for an input channel and a tap are one run of cache lines.
const BLOCK: usize = 4 * ALIGNMENT;

/// Where an output channel has so many times more weights than all pieces would have sums of it, the sums are cut instead of the
/// channels that are made: the weight's rows are read from end to end, by the thread that has updated them.
const WEIGHTS_PER_SUM: usize = 4;

/// `y[position][o] = activation(b[o] + sum over blocks of input channels, taps, channels of x[tap's place][c] w[c, tap][o])`.
struct Forward {
    x: Slot,
    /// Of `x`; the maps of the examples lie one behind the other.
    strides: Strides,
    w: Slot,
    w_stride: usize,
    bias: Option<Slot>,
    relu: bool,
    geometry: Geometry,
}

impl Forward {
    /// Adds the step, or the steps.
    fn push(self, cx: &mut Lowering<'_>, output: ValueId, strips: Strips) {
        let work = self.geometry.work(form::batch(cx));
        let sums = PIECES * form::batch(cx) * self.geometry.positions();
        let weights = self.geometry.channels_in * self.geometry.window();
        let shares = learning::shares(&self.geometry, work).filter(|_| WEIGHTS_PER_SUM * sums <= weights);
        if let Some(pieces) = shares {
            let parts = Parts::new(cx, pieces.count(), output);
            let (bias, relu) = (self.bias, self.relu);
            cx.push(Summed { forward: self, strips, work, parts, pieces });
            parts.gather(cx, output, bias, relu);
            return;
        }
        let y = form::make(cx, output, Form::Maps);
        let block = if strips.longest() <= SHORT { WIDE_BLOCK } else { BLOCK };
        // With few strips, enough blocks for every piece to have one.
        let channels = self.geometry.channels_out.div_ceil(PIECES.div_ceil(strips.count().max(1)));
        let block = block.min(channels.next_multiple_of(2 * ALIGNMENT));
        let blocks = self.geometry.channels_out.div_ceil(block);
        let pieces = Pieces::weighed(&strips.costs(), blocks, work);
        cx.push(Cut { forward: self, y, strips, block, work, pieces });
    }
}

/// The step that makes some of the channels with each piece.
struct Cut {
    forward: Forward,
    y: Slot,
    strips: Strips,
    /// Output channels of a block.
    block: usize,
    /// Floating-point operations.
    work: usize,
    /// Cut of the strips of all blocks of output channels, block by block.
    pieces: Pieces,
}

impl Step for Cut {
    fn name(&self) -> String {
        self.forward.name(self.forward.relu)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.work as u64
    }

    fn access(&self) -> Vec<Access> {
        let Forward { x, w, bias, .. } = self.forward;
        let mut access = vec![Access::read(x), Access::read(w), Access::write(self.y)];
        access.extend(bias.map(Access::read));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    /// The strips of all pieces one after the other: those of one block of output channels read the same weights.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let range = self.pieces.span(pieces);
        let (from, to) = (range.start, range.end);
        let Forward { bias, relu, .. } = self.forward;
        let job = Job {
            bias: bias.map_or(std::ptr::null(), |bias| cx.memory.at(bias)),
            floor: if relu { 0.0 } else { f32::NEG_INFINITY },
            y: cx.memory.at(self.y),
            block: self.block,
            ..self.forward.job(&self.strips, cx)
        };
        // SAFETY: the geometry was inferred from these buffers' shapes; the strips `from..to` are the pieces'.
        unsafe { dispatch!(cx.level => strips::<S>(job: Job<'_>, from: usize, to: usize)) };
    }
}

/// The step that adds up the products of some of the input channels with each piece.
struct Summed {
    forward: Forward,
    strips: Strips,
    /// Floating-point operations.
    work: usize,
    parts: Parts,
    /// Input channels.
    pieces: Pieces,
}

impl Step for Summed {
    fn name(&self) -> String {
        self.forward.name(false)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.work as u64
    }

    fn access(&self) -> Vec<Access> {
        let Forward { x, w, w_stride, geometry, .. } = &self.forward;
        let w = Access::read_own(*w, &self.pieces, geometry.window() * w_stride);
        vec![Access::read(*x), w, self.parts.written()]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        // SAFETY: the geometry was inferred from these buffers' shapes; the partial sums are the piece's.
        unsafe {
            let y = self.parts.at(piece, cx);
            let job = Job { y, block: usize::MAX, ..self.forward.job(&self.strips, cx) };
            let (from, to) = (range.start, range.end);
            dispatch!(cx.level => channels::<S>(job: Job<'_>, from: usize, to: usize));
        }
    }
}

impl Forward {
    fn name(&self, relu: bool) -> String {
        let Geometry { channels_in, channels_out, kernel: [height, width], output: [rows, columns], .. } =
            self.geometry;
        let relu = if relu { " + relu" } else { "" };
        format!("conv {channels_in} to {channels_out} {height}x{width} at {rows}x{columns}{relu}")
    }

    /// All of the products, without bias and ReLU, to be stored nowhere yet.
    fn job<'a>(&'a self, strips: &'a Strips, cx: &Context<'_>) -> Job<'a> {
        Job {
            x: cx.memory.at(self.x),
            strides: self.strides,
            w: cx.memory.at(self.w),
            w_stride: self.w_stride,
            bias: std::ptr::null(),
            floor: f32::NEG_INFINITY,
            y: std::ptr::null_mut(),
            geometry: &self.geometry,
            strips,
            block: 0,
            inputs: (0, self.geometry.channels_in),
            adds: false,
            next: CHANNEL_BLOCK,
        }
    }
}

/// Lowers a `Conv` of one group, with a ReLU behind it.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let Some(Convolution { x, w, w_stride, bias, geometry }) = Convolution::of(cx, node) else {
        return false;
    };
    if geometry.groups != 1 {
        return false;
    }
    let Some(strips) = Strips::forward(&geometry, form::batch(cx), STRIP) else { return false };
    let relu = learning::relu_behind(cx, node.outputs[0]);
    let output = relu.map_or(node.outputs[0], |relu| cx.graph.node(relu).outputs[0]);
    relu.into_iter().for_each(|relu| cx.done(relu));
    let form = learning::input_form(cx, x, &geometry);
    let strides = form.strides(Lengths::of(cx, x).expect("a geometry has maps"), cx.lanes);
    let x = form::have(cx, x, form);
    let relu = relu.is_some();
    Forward { x, strides, w, w_stride, bias, relu, geometry }.push(cx, output, strips);
    true
}
