//! The direct convolution with the batch in the lanes: for every place of a map the products of the taps that lie inside
//! of the other map, and of no others, so that padding costs nothing. Forwards and backwards are the same sum with the
//! roles of the two channel axes exchanged.

use super::geometry::{CHANNEL_BLOCK, Geometry, Tap};
use super::pointwise;
use super::simd::{Simd, dispatch};
use super::tile::{Tile, lane_blocks, products, products_ahead, row_blocks, zero};
use crate::cpu::Level;

/// Places of a map that are worked on together: what they read of a block of channels, and that block's weights, stay in
/// the first-level cache.
const PLACES: usize = 4;

/// Channels of the output's gradient whose products are added up tap by tap before the next channels' are: with strides a
/// place meets few taps, and sums that are put aside after few products cost as much as these.
const BACKWARD_BLOCK: usize = 16;

/// Which taps each place meets.
#[derive(Debug, Clone)]
pub(crate) struct Meetings {
    /// Taps of the window, each with the place that it reads, for one place after the other.
    taps: Vec<[u32; 2]>,
    /// Where each place's taps begin, and the end of the last's.
    starts: Vec<u32>,
    /// Taps of the window.
    window: usize,
    /// Channels whose products are added up tap by tap before the next channels' are.
    channels: usize,
}

impl Meetings {
    /// Output positions with the inputs of their windows.
    pub(crate) fn forward(geometry: &Geometry) -> Self {
        Self::of(geometry.windows(), geometry.input[1], geometry, CHANNEL_BLOCK)
    }

    /// Input places with the output positions that read them.
    pub(crate) fn backward(geometry: &Geometry) -> Self {
        Self::of(geometry.readers(), geometry.output[1], geometry, BACKWARD_BLOCK)
    }

    /// `width`: that of the map that is read.
    fn of([rows, columns]: [Vec<Vec<Tap>>; 2], width: usize, geometry: &Geometry, channels: usize) -> Self {
        let (mut taps, mut starts) = (Vec::new(), vec![0]);
        for row in &rows {
            for column in &columns {
                for down in row {
                    let right = column.iter().map(|right| {
                        let tap = down.tap * geometry.kernel[1] + right.tap;
                        [tap, down.source * width + right.source].map(|index| index as u32)
                    });
                    taps.extend(right);
                }
                starts.push(taps.len() as u32);
            }
        }
        Meetings { taps, starts, window: geometry.window(), channels }
    }

    pub(super) fn places(&self) -> usize {
        self.starts.len() - 1
    }

    /// The taps that a place meets.
    #[inline(always)]
    fn at(&self, place: usize) -> &[[u32; 2]] {
        &self.taps[self.starts[place] as usize..self.starts[place + 1] as usize]
    }

    /// The place that `place` reads, in a window of one tap; `None` where that lies outside of the map.
    #[inline(always)]
    pub(super) fn only_source(&self, place: usize) -> Option<usize> {
        Some(self.at(place).first()?[1] as usize)
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

    /// The first element of a row at a place.
    #[inline(always)]
    unsafe fn at(&self, row: usize, place: usize, lane: usize) -> *mut f32 {
        // SAFETY: the caller's.
        unsafe { self.y.add((row * self.meetings.places() + place) * self.lanes + lane) }
    }

    /// The sums of `R` rows of a place so far.
    ///
    /// # Safety
    ///
    /// As [`Sum::run`].
    #[inline(always)]
    pub(super) unsafe fn load<S: Simd, const R: usize, const J: usize>(
        &self,
        sums: &mut Tile<S::V, R, J>,
        row: usize,
        place: usize,
        lane: usize,
    ) {
        for r in 0..R {
            for j in 0..J {
                // SAFETY: the caller's.
                unsafe { sums[r][j] = S::load(self.at(row + r, place, lane + j * S::WIDTH)) };
            }
        }
    }

    /// Keeps the sums of `R` rows of a place; with bias and activation when they are `done`.
    ///
    /// # Safety
    ///
    /// As [`Sum::run`].
    #[inline(always)]
    pub(super) unsafe fn store<S: Simd, const R: usize, const J: usize>(
        &self,
        sums: Tile<S::V, R, J>,
        row: usize,
        place: usize,
        lane: usize,
        done: bool,
    ) {
        // SAFETY: the caller's.
        unsafe {
            for r in 0..R {
                let bias = if done && !self.bias.is_null() { *self.bias.add(row + r) } else { 0.0 };
                for j in 0..J {
                    let mut value = sums[r][j];
                    if done {
                        value = S::add(value, S::splat(bias));
                        if self.relu {
                            value = S::max(S::splat(0.0), value);
                        }
                    }
                    S::store(self.at(row + r, place, lane + j * S::WIDTH), value);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn rows<S: Simd>(sum: Sum<'_>, from: usize, to: usize) {
    if sum.meetings.window == 1 {
        // SAFETY: the caller's.
        return unsafe { pointwise::rows::<S>(sum, from, to) };
    }
    let places = sum.meetings.places();
    // SAFETY: the caller's.
    unsafe {
        lane_blocks!(S, sum.lanes, lane, J => {
            for first in (0..places).step_by(PLACES) {
                let last = places.min(first + PLACES);
                for channel in (0..sum.channels).step_by(sum.meetings.channels) {
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
    let channels = (sum.channels - channel).min(meetings.channels);
    // SAFETY: the caller's; the taps' sources lie inside of the maps.
    unsafe {
        let mut sums = zero::<S, R, J>();
        if channel > 0 {
            sum.load::<S, R, J>(&mut sums, row, place, lane);
        }
        let w = sum.w.add(row * sum.w_row + channel * sum.w_channel);
        let input = sum.x.add(channel * sum.x_channel + lane);
        for &[tap, source] in meetings.at(place) {
            let w = w.add(tap as usize * sum.w_tap);
            let input = input.add(source as usize * lanes);
            if sum.w_row == 1 {
                products_ahead::<S, R, J>(&mut sums, w, sum.w_channel, input, sum.x_channel, channels);
            } else {
                for r in 0..R {
                    S::prefetch(w.wrapping_add((R + r) * sum.w_row));
                }
                products::<S, R, J>(&mut sums, w, sum.w_row, 1, input, sum.x_channel, channels);
            }
        }
        sum.store::<S, R, J>(sums, row, place, lane, channel + channels == sum.channels);
    }
}
