//! Convolutions of few examples whose weights change from step to step: read where they lie, as `[input channel, tap][output
//! channel]`. A tile is up to twelve positions by two vectors of output channels, or fewer positions by more vectors. Dense layers
//! are convolutions of one tap over maps of one position.

use std::ops::Range;

use graph::NodeId;

use super::conv::by_count;
use super::form::{self, Form, Lengths, Strides};
use super::learning;
use super::strips::{Meeting, Place, STRIP, Strips};
use crate::kernels::conv::Convolution;
use crate::kernels::geometry::{CHANNEL_BLOCK, Geometry};
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, PIECES, Pieces, Step};

/// Output channels of one piece's tiles: their weights for an input channel and a tap are one run of cache lines.
const BLOCK: usize = 4 * ALIGNMENT;
/// The same where strips are short: the weights are what takes the time, and longer runs come faster from memory.
const WIDE_BLOCK: usize = 8 * ALIGNMENT;
/// Places of a short strip at most.
const SHORT: usize = 3;
/// Products that are added up before the sum is added to the others: sums of sums round less than long sums.
const TOGETHER: usize = 1024;
/// Cycles from asking for weights to needing them: as long as they may take to come from memory.
const AHEAD: usize = 600;

/// `y[position][o] = activation(b[o] + sum over blocks of input channels, taps, channels of x[tap's place][c] w[c, tap][o])`.
pub(super) struct Forward {
    pub(super) x: Slot,
    /// Of `x`; the maps of the examples lie one behind the other.
    pub(super) strides: Strides,
    pub(super) w: Slot,
    pub(super) w_stride: usize,
    pub(super) bias: Option<Slot>,
    pub(super) relu: bool,
    pub(super) y: Slot,
    pub(super) geometry: Geometry,
}

impl Forward {
    /// Adds the step.
    pub(super) fn push(self, cx: &mut Lowering<'_>, strips: Strips) {
        let block = if strips.longest() <= SHORT { WIDE_BLOCK } else { BLOCK };
        // With few strips, enough blocks for every piece to have one.
        let channels = self.geometry.channels_out.div_ceil(PIECES.div_ceil(strips.count().max(1)));
        let block = block.min(channels.next_multiple_of(2 * ALIGNMENT));
        let blocks = self.geometry.channels_out.div_ceil(block);
        let work = self.geometry.work(form::batch(cx));
        let pieces = Pieces::weighed(&strips.costs(), blocks, work);
        cx.push(Cut { forward: self, strips, block, work, pieces });
    }
}

/// The step.
struct Cut {
    forward: Forward,
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
        let geometry = &self.forward.geometry;
        let Geometry { channels_in, channels_out, kernel: [height, width], output: [rows, columns], .. } =
            geometry;
        let relu = if self.forward.relu { " + relu" } else { "" };
        match geometry.positions() * geometry.window() {
            1 => format!("dense {channels_in}x{channels_out}{relu}"),
            _ => format!("conv {channels_in} to {channels_out} {height}x{width} at {rows}x{columns}{relu}"),
        }
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.work as u64
    }

    fn access(&self) -> Vec<Access> {
        let Forward { x, w, y, bias, .. } = self.forward;
        let mut access = vec![Access::read(x), Access::read(w), Access::write(y)];
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
        let Forward { x, strides, w, w_stride, bias, relu, y, geometry } = &self.forward;
        let job = Job {
            x: cx.memory.at(*x),
            strides: *strides,
            w: cx.memory.at(*w),
            w_stride: *w_stride,
            bias: bias.map_or(std::ptr::null(), |bias| cx.memory.at(bias)),
            floor: if *relu { 0.0 } else { f32::NEG_INFINITY },
            y: cx.memory.at(*y),
            geometry,
            strips: &self.strips,
            block: self.block,
        };
        // SAFETY: the geometry was inferred from these buffers' shapes; the strips `from..to` are the pieces'.
        unsafe { dispatch!(cx.level => strips::<S>(job: Job<'_>, from: usize, to: usize)) };
    }
}

/// What the kernel reads and writes.
#[derive(Clone, Copy)]
struct Job<'a> {
    x: *const f32,
    strides: Strides,
    w: *const f32,
    w_stride: usize,
    /// Null without bias.
    bias: *const f32,
    /// Zero with a ReLU.
    floor: f32,
    y: *mut f32,
    geometry: &'a Geometry,
    strips: &'a Strips,
    /// Output channels of a block.
    block: usize,
}

#[inline(always)]
unsafe fn strips<S: Simd>(job: Job<'_>, from: usize, to: usize) {
    let count = job.strips.count();
    let channels = job.geometry.channels_out.next_multiple_of(ALIGNMENT);
    let mut first = from;
    while first < to {
        let block = first / count;
        let last = to.min((block + 1) * count);
        let (start, end) = (block * job.block, channels.min((block + 1) * job.block));
        for strip in first - block * count..last - block * count {
            let (meetings, places) = job.strips.strip(strip);
            // SAFETY: the caller's.
            unsafe { block_of_places::<S>(job, (start, end), meetings, places) };
        }
        first = last;
    }
}

/// One strip by the output channels `start..end`, in as many tiles as the registers ask for.
#[inline(always)]
unsafe fn block_of_places<S: Simd>(
    job: Job<'_>,
    (start, end): (usize, usize),
    meetings: &[Meeting],
    places: &[Place],
) {
    let mut channel = start;
    // SAFETY: the caller's.
    unsafe {
        while channel < end {
            let vectors = (end - channel) / S::WIDTH;
            if S::WIDTH == 16 {
                if vectors >= 8 && places.len() <= SHORT {
                    by_count!(places, P => tile::<S, P, 8>(job, channel, meetings, places); 1 2 3);
                    channel += 8 * S::WIDTH;
                } else if vectors >= 4 && places.len() <= 6 {
                    by_count!(places, P => tile::<S, P, 4>(job, channel, meetings, places); 1 2 3 4 5 6);
                    channel += 4 * S::WIDTH;
                } else if vectors >= 2 {
                    by_count!(places, P => tile::<S, P, 2>(job, channel, meetings, places);
                        1 2 3 4 5 6 7 8 9 10 11 12);
                    channel += 2 * S::WIDTH;
                } else {
                    by_count!(places, P => tile::<S, P, 1>(job, channel, meetings, places);
                        1 2 3 4 5 6 7 8 9 10 11 12);
                    channel += S::WIDTH;
                }
            } else if vectors >= 4 && places.len() <= 3 {
                by_count!(places, P => tile::<S, P, 4>(job, channel, meetings, places); 1 2 3);
                channel += 4 * S::WIDTH;
            } else {
                let tiles = places.len().div_ceil(6);
                for at in 0..tiles {
                    let places = &places[at * places.len() / tiles..(at + 1) * places.len() / tiles];
                    by_count!(places, P => tile::<S, P, 2>(job, channel, meetings, places); 1 2 3 4 5 6);
                }
                channel += 2 * S::WIDTH;
            }
        }
    }
}

/// `P` positions by `J` vectors of output channels from `channel` on.
#[inline(always)]
unsafe fn tile<S: Simd, const P: usize, const J: usize>(
    job: Job<'_>,
    channel: usize,
    meetings: &[Meeting],
    places: &[Place],
) {
    let (inputs, window, Strides { position, .. }) =
        (job.geometry.channels_in, job.geometry.window(), job.strides);
    let next = window * job.w_stride;
    // SAFETY: the caller's; the meetings are those inside of the map.
    unsafe {
        let x: [*const f32; P] = std::array::from_fn(|p| job.x.add(places[p].source as usize * position));
        let (mut sums, mut total, mut summed) = ([[S::splat(0.0); J]; P], [[S::splat(0.0); J]; P], 0);
        let block_cycles = CHANNEL_BLOCK * meetings.len() * (P * J / 2).max(J + 1);
        let blocks =
            if P <= SHORT && job.block == WIDE_BLOCK { AHEAD.div_ceil(block_cycles.max(1)) } else { 0 };
        let far = blocks * CHANNEL_BLOCK * next;
        for from in (0..inputs).step_by(CHANNEL_BLOCK) {
            let count = CHANNEL_BLOCK.min(inputs - from);
            if summed >= TOGETHER {
                total = added::<S, P, J>(total, sums);
                (sums, summed) = ([[S::splat(0.0); J]; P], 0);
            }
            summed += count * meetings.len();
            let w = job.w.add(from * next + channel);
            for meeting in meetings {
                let offset = meeting.offset * position as isize + (from * job.strides.channel) as isize;
                let x = x.map(|x| x.offset(offset));
                products::<S, P, J>(
                    &mut sums,
                    x,
                    job.strides.channel,
                    count,
                    w.add(meeting.tap * job.w_stride),
                    next,
                    far,
                );
            }
        }
        let sums = added::<S, P, J>(total, sums);
        let outputs = job.geometry.channels_out.next_multiple_of(ALIGNMENT);
        let mut bias = [S::splat(0.0); J];
        if !job.bias.is_null() {
            for j in 0..J {
                bias[j] = S::load(job.bias.add(channel + j * S::WIDTH));
            }
        }
        for p in 0..P {
            let y = job.y.add(places[p].place as usize * outputs + channel);
            for j in 0..J {
                S::store(y.add(j * S::WIDTH), S::max(S::splat(job.floor), S::add(sums[p][j], bias[j])));
            }
        }
    }
}

#[inline(always)]
unsafe fn added<S: Simd, const P: usize, const J: usize>(
    a: [[S::V; J]; P],
    b: [[S::V; J]; P],
) -> [[S::V; J]; P] {
    let mut sum = a;
    for p in 0..P {
        for j in 0..J {
            // SAFETY: the caller is compiled for the instruction set.
            sum[p][j] = unsafe { S::add(a[p][j], b[p][j]) };
        }
    }
    sum
}

/// `sums[p][j] += sum over c < count of x[p][c x_step] w[c w_step + j WIDTH ..]`; asks for the weights of the next block of
/// channels and, where they are read for few products, for those `far` ahead.
///
/// # Safety
///
/// All those elements can be read.
#[inline(always)]
unsafe fn products<S: Simd, const P: usize, const J: usize>(
    sums: &mut [[S::V; J]; P],
    x: [*const f32; P],
    x_step: usize,
    count: usize,
    w: *const f32,
    w_step: usize,
    far: usize,
) {
    let mut w = w;
    for c in 0..count {
        // SAFETY: the caller's; what is asked for is only a hint.
        unsafe {
            let ahead = far > 0;
            let (near, far) = (w.wrapping_add(CHANNEL_BLOCK * w_step), w.wrapping_add(far));
            for line in (0..J * S::WIDTH).step_by(ALIGNMENT) {
                S::prefetch(near.wrapping_add(line));
                if P <= SHORT && ahead {
                    S::prefetch_far(far.wrapping_add(line));
                }
            }
            let mut weights = [S::splat(0.0); J];
            for j in 0..J {
                weights[j] = S::load(w.add(j * S::WIDTH));
            }
            for p in 0..P {
                let number = S::splat(*x[p].add(c * x_step));
                for j in 0..J {
                    sums[p][j] = S::mul_add(number, weights[j], sums[p][j]);
                }
            }
        }
        w = w.wrapping_add(w_step);
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
    let y = form::make(cx, output, Form::Maps);
    let relu = relu.is_some();
    Forward { x, strides, w, w_stride, bias, relu, y, geometry }.push(cx, strips);
    true
}
