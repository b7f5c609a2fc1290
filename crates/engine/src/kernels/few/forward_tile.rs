//! The tiles of a convolution of few examples whose weights change from step to step: up to twelve positions by two vectors of output
//! channels, or fewer positions by more vectors.

use super::conv::by_count;
use super::form::Strides;
use super::strips::{Meeting, Place, Strips};
use crate::kernels::geometry::{CHANNEL_BLOCK, Geometry};
use crate::kernels::memory::ALIGNMENT;
use crate::kernels::simd::Simd;

/// Output channels of one piece's tiles where strips are short: the weights are what takes the time, and longer runs come faster from memory.
pub(super) const WIDE_BLOCK: usize = 8 * ALIGNMENT;
/// Places of a short strip at most.
pub(super) const SHORT: usize = 3;
/// Products that are added up before the sum is added to the others: sums of sums round less than long sums.
const TOGETHER: usize = 1024;
/// Cycles from asking for weights to needing them: as long as they may take to come from memory.
const AHEAD: usize = 600;

/// What the kernel reads and writes.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) x: *const f32,
    pub(super) strides: Strides,
    pub(super) w: *const f32,
    pub(super) w_stride: usize,
    /// Null without bias.
    pub(super) bias: *const f32,
    /// Zero with a ReLU.
    pub(super) floor: f32,
    pub(super) y: *mut f32,
    pub(super) geometry: &'a Geometry,
    pub(super) strips: &'a Strips,
    /// Output channels of a block.
    pub(super) block: usize,
    /// The input channels whose products are summed.
    pub(super) inputs: (usize, usize),
    /// Whether to what is in `y`.
    pub(super) adds: bool,
    /// Input channels from those that are read to those whose weights are asked for.
    pub(super) next: usize,
}

/// The sums over the input channels `from..to`, block by block.
#[inline(always)]
pub(super) unsafe fn channels<S: Simd>(job: Job<'_>, from: usize, to: usize) {
    let outputs = job.geometry.channels_out.next_multiple_of(ALIGNMENT);
    for first in (from..to).step_by(CHANNEL_BLOCK) {
        let last = to.min(first + CHANNEL_BLOCK);
        // What lies behind the last another thread may be changing.
        let next = if last + CHANNEL_BLOCK <= to { CHANNEL_BLOCK } else { 0 };
        let job = Job { inputs: (first, last), adds: first > from, next, ..job };
        for strip in 0..job.strips.count() {
            let (meetings, places) = job.strips.strip(strip);
            // SAFETY: the caller's.
            unsafe { block_of_places::<S>(job, (0, outputs), meetings, places) };
        }
    }
}

#[inline(always)]
pub(super) unsafe fn strips<S: Simd>(job: Job<'_>, from: usize, to: usize) {
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
    let ((first, last), window, Strides { position, .. }) = (job.inputs, job.geometry.window(), job.strides);
    let outputs = job.geometry.channels_out.next_multiple_of(ALIGNMENT);
    let next = window * job.w_stride;
    // SAFETY: the caller's; the meetings are those inside of the map.
    unsafe {
        let x: [*const f32; P] = std::array::from_fn(|p| job.x.add(places[p].source as usize * position));
        let (mut sums, mut total, mut summed) = ([[S::splat(0.0); J]; P], [[S::splat(0.0); J]; P], 0);
        let block_cycles = CHANNEL_BLOCK * meetings.len() * (P * J / 2).max(J + 1);
        let blocks =
            if P <= SHORT && job.block == WIDE_BLOCK { AHEAD.div_ceil(block_cycles.max(1)) } else { 0 };
        let (near, far) = (job.next * next, blocks * CHANNEL_BLOCK * next);
        if job.adds {
            for p in 0..P {
                let y = job.y.add(places[p].place as usize * outputs + channel);
                for j in 0..J {
                    total[p][j] = S::load(y.add(j * S::WIDTH));
                }
            }
        }
        for from in (first..last).step_by(CHANNEL_BLOCK) {
            let count = CHANNEL_BLOCK.min(last - from);
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
                    (near, far),
                );
            }
        }
        let sums = added::<S, P, J>(total, sums);
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

/// `sums[p][j] += sum over c < count of x[p][c x_step] w[c w_step + j WIDTH ..]`; asks for the weights `near` ahead, of the next
/// block of channels, and, where they are read for few products, for those `far` ahead.
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
    (near, far): (usize, usize),
) {
    let mut w = w;
    for c in 0..count {
        // SAFETY: the caller's; what is asked for is only a hint.
        unsafe {
            let ahead = far > 0;
            let (near, far) = (w.wrapping_add(near), w.wrapping_add(far));
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
