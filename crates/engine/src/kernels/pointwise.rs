//! The direct sum where every place meets at most one tap: a product of matrices. What a few places read is copied side by
//! side first: channels of maps of even lengths would meet in the same sets of the caches.

use super::direct::Sum;
use super::memory::Lines;
use super::simd::Simd;
use super::tile::{lane_blocks, products, products_ahead, row_blocks, zero};

/// Channels that are summed before the next.
const CHANNELS: usize = 128;
/// Places that are worked on together.
const PLACES: usize = 2;
/// Lanes that are worked on together.
const LANES: usize = 32;

/// What a few places read of a block of channels: `[place][channel][lane]`.
type Copies = Lines<{ PLACES * CHANNELS * LANES }>;

/// Computes the rows `from..to`.
///
/// # Safety
///
/// As [`Sum::run`]; the window has one tap.
#[inline(always)]
pub(super) unsafe fn rows<S: Simd>(sum: Sum<'_>, from: usize, to: usize) {
    let places = sum.meetings.places();
    let mut copies = Copies::new();
    let copies = copies.at();
    // SAFETY: the caller's.
    unsafe {
        lane_blocks!(S, sum.lanes, lane, J => {
            for first in (0..places).step_by(PLACES) {
                let last = places.min(first + PLACES);
                for channel in (0..sum.channels).step_by(CHANNELS) {
                    let count = CHANNELS.min(sum.channels - channel);
                    for place in first..last {
                        copy::<S, J>(sum, place, (channel, count), lane, copies.add((place - first) * CHANNELS * LANES));
                    }
                    row_blocks!(S, from, to, row, R => {
                        for place in first..last {
                            let copy = copies.add((place - first) * CHANNELS * LANES);
                            tile::<S, R, J>(sum, row, place, (channel, count), lane, copy);
                        }
                    });
                }
            }
        });
    }
}

/// Copies what `place` reads of a block of channels, if it reads anything.
#[inline(always)]
unsafe fn copy<S: Simd, const J: usize>(
    sum: Sum<'_>,
    place: usize,
    (channel, count): (usize, usize),
    lane: usize,
    to: *mut f32,
) {
    let Some(source) = sum.meetings.only_source(place) else { return };
    // SAFETY: the caller's; the source lies inside of the map.
    unsafe {
        let from = sum.x.add(channel * sum.x_channel + source * sum.lanes + lane);
        for c in 0..count {
            for j in 0..J {
                let value = S::load(from.add(c * sum.x_channel + j * S::WIDTH));
                S::store(to.add(c * LANES + j * S::WIDTH), value);
            }
        }
    }
}

/// Adds one block of channels to `R` rows of one place.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const J: usize>(
    sum: Sum<'_>,
    row: usize,
    place: usize,
    (channel, count): (usize, usize),
    lane: usize,
    x: *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = zero::<S, R, J>();
        if channel > 0 {
            sum.load::<S, R, J>(&mut sums, row, place, lane);
        }
        if sum.meetings.only_source(place).is_some() {
            let w = sum.w.add(row * sum.w_row + channel * sum.w_channel);
            if sum.w_row == 1 {
                products_ahead::<S, R, J>(&mut sums, w, sum.w_channel, x, LANES, count);
            } else {
                products::<S, R, J>(&mut sums, w, sum.w_row, 1, x, LANES, count);
            }
        }
        sum.store::<S, R, J>(sums, row, place, lane, channel + count == sum.channels);
    }
}
