//! The direct convolution with the batch in the lanes: for every place of a map the products of the taps that lie inside
//! of the other map, and of no others, so that padding costs nothing. Forwards and backwards are the same sum with the
//! roles of the two channel axes exchanged.

use super::geometry::{CHANNEL_BLOCK, Geometry, Tap};
use super::simd::{Simd, dispatch};
use super::tile::{lane_blocks, products, products_ahead, row_blocks, zero};
use crate::cpu::Level;

/// Places of a map that are worked on together: what they read of a block of channels, and that block's weights, stay in
/// the first-level cache.
const PLACES: usize = 4;

/// Which taps each place meets.
#[derive(Debug, Clone)]
pub(crate) struct Meetings {
    rows: Vec<Vec<Tap>>,
    columns: Vec<Vec<Tap>>,
    /// Width of the map that is read.
    width: usize,
    /// Width of the window.
    kernel_width: usize,
}

impl Meetings {
    /// Output positions with the inputs of their windows.
    pub(crate) fn forward(geometry: &Geometry) -> Self {
        let [rows, columns] = geometry.windows();
        Meetings { rows, columns, width: geometry.input[1], kernel_width: geometry.kernel[1] }
    }

    /// Input places with the output positions that read them.
    pub(crate) fn backward(geometry: &Geometry) -> Self {
        let [rows, columns] = geometry.readers();
        Meetings { rows, columns, width: geometry.output[1], kernel_width: geometry.kernel[1] }
    }

    fn places(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

/// `y[row][place][lane] = activation(bias[row] + sum over channels and taps of w[row, channel, tap] x[channel][source][lane])`.
#[derive(Clone, Copy)]
pub(super) struct Sum<'a> {
    pub(super) x: *const f32,
    /// Elements from one summed channel's map to the next.
    pub(super) x_channel: usize,
    pub(super) w: *const f32,
    /// Elements from one row's weights to the next's; 1 forwards.
    pub(super) w_row: usize,
    /// Elements from one summed channel's weights to the next's; 1 backwards.
    pub(super) w_channel: usize,
    /// Elements from one tap's weights to the next's.
    pub(super) w_tap: usize,
    /// Null without bias.
    pub(super) bias: *const f32,
    pub(super) relu: bool,
    pub(super) y: *mut f32,
    /// Channels that are summed.
    pub(super) channels: usize,
    pub(super) meetings: &'a Meetings,
    pub(super) lanes: usize,
}

impl Sum<'_> {
    /// Computes the rows `from..to`.
    ///
    /// # Safety
    ///
    /// The buffers have the lengths that the fields state, and nobody else touches those rows of `y`.
    pub(super) unsafe fn run(self, from: usize, to: usize, level: Level) {
        let sum = self;
        // SAFETY: the caller's; the level is the processor's.
        unsafe { dispatch!(level => rows::<S>(sum: Sum<'_>, from: usize, to: usize)) };
    }
}

#[inline(always)]
unsafe fn rows<S: Simd>(sum: Sum<'_>, from: usize, to: usize) {
    let places = sum.meetings.places();
    // SAFETY: the caller's.
    unsafe {
        lane_blocks!(S, sum.lanes, lane, J => {
            for first in (0..places).step_by(PLACES) {
                let last = places.min(first + PLACES);
                for channel in (0..sum.channels).step_by(CHANNEL_BLOCK) {
                    row_blocks!(S, from, to, row, R => {
                        for place in first..last {
                            tile::<S, R, J>(sum, row, place, channel, lane);
                        }
                    });
                }
            }
        });
    }
}

/// Adds one block of channels to `R` rows of one place.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const J: usize>(
    sum: Sum<'_>,
    row: usize,
    place: usize,
    channel: usize,
    lane: usize,
) {
    let Sum { meetings, lanes, .. } = sum;
    let columns = meetings.columns.len();
    let (y, x) = (place / columns, place % columns);
    let channels = (sum.channels - channel).min(CHANNEL_BLOCK);
    // SAFETY: the caller's; the taps' sources lie inside of the maps.
    unsafe {
        let mut sums = zero::<S, R, J>();
        let at = sum.y.add((row * meetings.places() + place) * lanes + lane);
        let y_row = meetings.places() * lanes;
        if channel > 0 {
            for r in 0..R {
                for j in 0..J {
                    sums[r][j] = S::load(at.add(r * y_row + j * S::WIDTH));
                }
            }
        }
        let w = sum.w.add(row * sum.w_row + channel * sum.w_channel);
        let input = sum.x.add(channel * sum.x_channel + lane);
        for down in meetings.rows.get_unchecked(y) {
            for right in meetings.columns.get_unchecked(x) {
                let w = w.add((down.tap * meetings.kernel_width + right.tap) * sum.w_tap);
                let input = input.add((down.source * meetings.width + right.source) * lanes);
                if sum.w_row == 1 {
                    products_ahead::<S, R, J>(&mut sums, w, sum.w_channel, input, sum.x_channel, channels);
                } else {
                    for r in 0..R {
                        S::prefetch(w.wrapping_add((R + r) * sum.w_row));
                    }
                    products::<S, R, J>(&mut sums, w, sum.w_row, 1, input, sum.x_channel, channels);
                }
            }
        }
        let done = channel + channels == sum.channels;
        for r in 0..R {
            let bias = if done && !sum.bias.is_null() { *sum.bias.add(row + r) } else { 0.0 };
            for j in 0..J {
                let mut value = sums[r][j];
                if done {
                    value = S::add(value, S::splat(bias));
                    if sum.relu {
                        value = S::max(S::splat(0.0), value);
                    }
                }
                S::store(at.add(r * y_row + j * S::WIDTH), value);
            }
        }
    }
}
