//! The gradient of a convolution with respect to its input, of few examples: dot products over output channels, which lie side
//! by side in the gradient's maps and in the weight's rows, so that the weight is read where it lies.

use std::ops::Range;

use graph::NodeId;

use super::form::{self, Form};
use super::learning;
use super::strips::{Meeting, Place, Strips};
use crate::kernels::conv::geometry_of;
use crate::kernels::geometry::Geometry;
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{SUMMED, Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Places of a strip at most: as many as the registers hold beside four rows of the weight.
const PLACES: usize = 6;
/// Input channels of one piece's tiles: a cache line of the gradient that is made.
const CHANNELS: usize = ALIGNMENT;

/// `dx[place][i] = sum over taps that read the place, output channels of w[i, tap][o] dy[position][o]`.
struct InputGradient {
    dy: Slot,
    w: Slot,
    w_stride: usize,
    dx: Slot,
    geometry: Geometry,
    strips: Strips,
    /// Floating-point operations.
    work: usize,
    /// Cut of the strips of all blocks of input channels, block by block.
    pieces: Pieces,
    /// The input channels of each piece, where none is in two.
    shares: Option<Pieces>,
}

impl Step for InputGradient {
    fn name(&self) -> String {
        let Geometry { channels_in, channels_out, kernel: [height, width], input: [rows, columns], .. } =
            self.geometry;
        format!("conv {channels_in} to {channels_out} {height}x{width} at {rows}x{columns} input gradient")
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.work as u64
    }

    fn access(&self) -> Vec<Access> {
        let w = match &self.shares {
            Some(channels) => Access::read_own(self.w, channels, self.geometry.window() * self.w_stride),
            None => Access::read(self.w),
        };
        vec![Access::read(self.dy), w, Access::write(self.dx)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    /// The strips of all pieces one after the other: those of one block of input channels read the same weights.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let range = self.pieces.span(pieces);
        let (from, to) = (range.start, range.end);
        let job = Job {
            dy: cx.memory.at(self.dy),
            w: cx.memory.at(self.w),
            w_stride: self.w_stride,
            dx: cx.memory.at(self.dx),
            geometry: &self.geometry,
            strips: &self.strips,
        };
        // SAFETY: the geometry was inferred from these buffers' shapes; the strips `from..to` are the pieces'.
        unsafe { dispatch!(cx.level => strips::<S>(job: Job<'_>, from: usize, to: usize)) };
    }
}

/// What the kernel reads and writes.
#[derive(Clone, Copy)]
struct Job<'a> {
    dy: *const f32,
    w: *const f32,
    w_stride: usize,
    dx: *mut f32,
    geometry: &'a Geometry,
    strips: &'a Strips,
}

impl Job<'_> {
    /// The gradient's row at a place, from input channel `channel` on.
    #[inline(always)]
    unsafe fn made(&self, place: Place, channel: usize) -> *mut f32 {
        let row = self.geometry.channels_in.next_multiple_of(ALIGNMENT);
        // SAFETY: the caller's.
        unsafe { self.dx.add(place.place as usize * row + channel) }
    }
}

#[inline(always)]
unsafe fn strips<S: Simd>(job: Job<'_>, from: usize, to: usize) {
    let count = job.strips.count();
    // With few places to a tile, more rows of the weight keep the pipeline full.
    let deep = job.strips.longest() <= PLACES / 2 && S::WIDTH == ALIGNMENT;
    let rows = if deep { 8 } else { 4 };
    let mut first = from;
    while first < to {
        let block = first / count;
        let last = to.min((block + 1) * count);
        let (start, end) = (block * CHANNELS, job.geometry.channels_in.min((block + 1) * CHANNELS));
        let mut channel = start;
        while channel < end {
            let here = if channel + rows <= end {
                rows
            } else if channel + 4 <= end {
                4
            } else {
                1
            };
            for strip in first - block * count..last - block * count {
                let (meetings, places) = job.strips.strip(strip);
                // SAFETY: the caller's.
                unsafe {
                    match here {
                        8 => places_of::<S, 8>(job, channel, meetings, places),
                        4 => places_of::<S, 4>(job, channel, meetings, places),
                        _ => places_of::<S, 1>(job, channel, meetings, places),
                    }
                }
            }
            channel += here;
        }
        first = last;
    }
}

/// `R` input channels of one strip, in as many tiles as the registers ask for.
#[inline(always)]
unsafe fn places_of<S: Simd, const R: usize>(
    job: Job<'_>,
    channel: usize,
    meetings: &[Meeting],
    places: &[Place],
) {
    // SAFETY: the caller's.
    unsafe {
        if S::WIDTH == ALIGNMENT && R == 4 && places.len() > 3 {
            return match places.len() {
                4 => tile::<S, 4, 4>(job, channel, meetings, places),
                5 => tile::<S, 4, 5>(job, channel, meetings, places),
                6 => tile::<S, 4, 6>(job, channel, meetings, places),
                count => unreachable!("{count} places are no tile"),
            };
        }
        for places in places.chunks(3) {
            match places.len() {
                3 => tile::<S, R, 3>(job, channel, meetings, places),
                2 => tile::<S, R, 2>(job, channel, meetings, places),
                _ => tile::<S, R, 1>(job, channel, meetings, places),
            }
        }
    }
}

/// `R` input channels by `P` places. The lanes of a sum are output channels, added up at the end.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const P: usize>(
    job: Job<'_>,
    channel: usize,
    meetings: &[Meeting],
    places: &[Place],
) {
    let Geometry { channels_out, .. } = *job.geometry;
    let row = channels_out.next_multiple_of(ALIGNMENT);
    let whole = channels_out - channels_out % S::WIDTH;
    let step = job.geometry.window() * job.w_stride;
    // SAFETY: the caller's; the meetings are those inside of the map, and rows of both are whole vectors.
    unsafe {
        let dy: [*const f32; P] = std::array::from_fn(|p| job.dy.add(places[p].source as usize * row));
        let w = job.w.add(channel * step);
        let mut sums = [[S::splat(0.0); P]; R];
        for meeting in meetings {
            let w = w.add(meeting.tap * job.w_stride);
            let dy = dy.map(|dy| dy.offset(meeting.offset * row as isize));
            for o in (0..whole).step_by(S::WIDTH) {
                add::<S, R, P>(&mut sums, |r| S::load(w.add(r * step + o)), |p| S::load(dy[p].add(o)));
            }
            if whole < channels_out {
                // What lies behind the last channel is undefined.
                let mask = S::mask((1u16 << (channels_out - whole)) - 1);
                let kept = |from: *const f32| S::keep(mask, S::load(from.add(whole)));
                add::<S, R, P>(&mut sums, |r| kept(w.add(r * step)), |p| kept(dy[p]));
            }
        }
        let sums = summed::<S, R, P>(sums);
        for p in 0..P {
            let to = job.made(places[p], channel);
            for r in 0..R {
                *to.add(r) = sums[p * R + r];
            }
        }
    }
}

/// `sums[r][p] += w(r) * dy(p)`.
#[inline(always)]
unsafe fn add<S: Simd, const R: usize, const P: usize>(
    sums: &mut [[S::V; P]; R],
    w: impl Fn(usize) -> S::V,
    dy: impl Fn(usize) -> S::V,
) {
    // SAFETY: the caller's.
    unsafe {
        if P <= R {
            let mut held = [S::splat(0.0); P];
            for p in 0..P {
                held[p] = dy(p);
            }
            for r in 0..R {
                let w = w(r);
                for p in 0..P {
                    sums[r][p] = S::mul_add(w, held[p], sums[r][p]);
                }
            }
        } else {
            let mut held = [S::splat(0.0); R];
            for r in 0..R {
                held[r] = w(r);
            }
            for p in 0..P {
                let dy = dy(p);
                for r in 0..R {
                    sums[r][p] = S::mul_add(held[r], dy, sums[r][p]);
                }
            }
        }
    }
}

/// Sums of a tile at most.
const SUMS: usize = 32;

/// The sum over the lanes of each of the tile's sums, at `p * R + r`: squares of them are turned, so that sums lie side by side.
#[inline(always)]
unsafe fn summed<S: Simd, const R: usize, const P: usize>(sums: [[S::V; P]; R]) -> [f32; SUMS] {
    let (mut lanes, mut all) = ([[0.0f32; SUMMED]; SUMS], [0.0f32; SUMS]);
    // SAFETY: the caller is compiled for the instruction set; the arrays hold whole squares.
    unsafe {
        for r in 0..R {
            for p in 0..P {
                S::store(lanes.as_mut_ptr().add(p * R + r).cast(), sums[r][p]);
            }
        }
        S::sum_rows(lanes.as_ptr(), R * P, all.as_mut_ptr());
    }
    all
}

/// Lowers `ConvGradInput(dy, w)` of one group.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(dy), Some(w), dx) = (node.inputs[0], node.inputs[1], node.outputs[0]) else { return false };
    let Some((geometry, plain)) = geometry_of(cx, node, dx, dy, w) else { return false };
    if geometry.groups != 1 {
        return false;
    }
    let Some(strips) = Strips::backward(&geometry, form::batch(cx), PLACES) else { return false };
    let (dy, w) = (form::have(cx, dy, Form::Maps), cx.slot(w));
    let dx = form::make(cx, dx, Form::Maps);
    let blocks = geometry.channels_in.div_ceil(CHANNELS);
    let work = geometry.work(form::batch(cx));
    let shares = learning::shares(&geometry, work);
    let pieces = match &shares {
        Some(channels) => channels.per(CHANNELS).scaled(strips.count()),
        None => Pieces::weighed(&strips.costs(), blocks, work),
    };
    cx.push(InputGradient { dy, w, w_stride: plain.stride, dx, geometry, strips, work, pieces, shares });
    true
}
