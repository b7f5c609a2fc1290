//! The kernel of Winograd's F(2×2, 3×3) for a few examples: a group of up to twelve tiles times a block of output channels.

use std::ops::Range;

use super::ahead::Ahead;
use super::conv::{by_count, products};
use super::epilogue::Finish;
use super::pack::BLOCK;
use super::places::STRIP;
use super::winograd_input::Tiles;
use crate::kernels::memory::ALIGNMENT;
use crate::kernels::simd::Simd;
use crate::kernels::tile;
use crate::kernels::winograd::{PRODUCTS, output};

/// Elements of the sums of a group of tiles: `[frequency][tile][output channel of the block]`.
pub(super) const SUMS: usize = PRODUCTS * STRIP * BLOCK;

/// Transformed weights of a block of output channels: `[frequency][input channel][output channel of the block]`.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    pub(super) u: *const f32,
    /// Elements from one frequency to the next.
    pub(super) apart: usize,
    /// Output channels of the block.
    pub(super) width: usize,
}

/// Adds to sums `m` of a group of tiles, `v` = `[frequency][tile][input channel]`, the products of input channels `channels`: the only ones
/// that `u` has. The first channels' products begin the sums.
///
/// # Safety
///
/// The buffers are of these lengths.
#[inline(always)]
pub(super) unsafe fn multiply<S: Simd>(
    v: *const f32,
    weights: Weights,
    m: *mut f32,
    (tiles, group): (&Tiles, usize),
    channels: Range<usize>,
    ahead: &mut Ahead,
) {
    for frequency in 0..PRODUCTS {
        // SAFETY: the caller's; the sums of a frequency have room for all tiles and channels of a block.
        unsafe {
            let v = v.add(frequency * STRIP * tiles.inputs() + channels.start);
            let x: [*const f32; STRIP] = std::array::from_fn(|at| v.wrapping_add(at * tiles.inputs()));
            let x = &x[..tiles.group(group).len()];
            let weights = Weights { u: weights.u.add(frequency * weights.apart), ..weights };
            let m = m.add(frequency * STRIP * BLOCK);
            multiply_frequency::<S>(x, weights, m, channels.clone(), ahead);
        }
    }
}

/// The sums of one frequency, in as many tiles of registers as they ask for.
#[inline(always)]
unsafe fn multiply_frequency<S: Simd>(
    x: &[*const f32],
    weights: Weights,
    m: *mut f32,
    channels: Range<usize>,
    ahead: &mut Ahead,
) {
    // SAFETY: the caller's.
    unsafe {
        if S::WIDTH == ALIGNMENT {
            match weights.width {
                BLOCK => {
                    by_count!(x, P => sum::<S, P, 2>(x, weights, m, channels, ahead); 1 2 3 4 5 6 7 8 9 10 11 12)
                }
                _ => {
                    by_count!(x, P => sum::<S, P, 1>(x, weights, m, channels, ahead); 1 2 3 4 5 6 7 8 9 10 11 12)
                }
            }
        } else {
            let parts = x.len().div_ceil(6);
            for half in (0..weights.width).step_by(ALIGNMENT) {
                let weights = Weights { u: weights.u.add(half), ..weights };
                for part in 0..parts {
                    let (from, to) = (part * x.len() / parts, (part + 1) * x.len() / parts);
                    let (x, m, channels) = (&x[from..to], m.add(from * BLOCK + half), channels.clone());
                    by_count!(x, P => sum::<S, P, 2>(x, weights, m, channels, ahead); 1 2 3 4 5 6);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn sum<S: Simd, const P: usize, const J: usize>(
    x: &[*const f32],
    weights: Weights,
    m: *mut f32,
    channels: Range<usize>,
    ahead: &mut Ahead,
) {
    // SAFETY: the caller's.
    unsafe {
        let x: [*const f32; P] = std::array::from_fn(|p| x[p]);
        let mut sums = match channels.start {
            0 => tile::zero::<S, P, J>(),
            _ => tile::load::<S, P, J>(m, BLOCK),
        };
        products::<S, P, J>(&mut sums, &x, channels.len(), weights.u, weights.width, ahead);
        tile::store::<S, P, J>(&sums, m, BLOCK);
    }
}

/// Where the outputs of a block of channels of one example go.
#[derive(Clone, Copy)]
pub(super) struct Outputs {
    pub(super) y: *mut f32,
    pub(super) finish: Finish,
    /// First output channel, and how many there are in the block and in the map.
    pub(super) channel: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// The number of the example's first position.
    pub(super) first: usize,
}

/// The outputs of a group of tiles, from its sums.
///
/// # Safety
///
/// The buffers are of the lengths that are stated, and the outputs the caller's.
#[inline(always)]
pub(super) unsafe fn outputs<S: Simd>(to: Outputs, m: *const f32, tiles: &Tiles, group: usize) {
    for (at, tile) in tiles.group(group).enumerate() {
        // SAFETY: the caller's.
        unsafe { outputs_of_tile::<S>(to, m.add(at * BLOCK), tiles, tile) };
    }
}

#[inline(always)]
unsafe fn outputs_of_tile<S: Simd>(to: Outputs, m: *const f32, tiles: &Tiles, tile: usize) {
    let [height, width] = tiles.geometry.output;
    let (top, left) = (2 * (tile / tiles.across()), 2 * (tile % tiles.across()));
    for vector in (0..to.width).step_by(S::WIDTH) {
        // SAFETY: the caller's; outputs beyond the map are left out.
        unsafe {
            let mut products = [[S::splat(0.0); 4]; 4];
            for (frequency, value) in products.as_flattened_mut().iter_mut().enumerate() {
                *value = S::load(m.add(frequency * STRIP * BLOCK + vector));
            }
            let values = output::<S>(products);
            for (y, row) in values.into_iter().enumerate().take(height - top) {
                for (x, value) in row.into_iter().enumerate().take(width - left) {
                    let position = to.first + (top + y) * width + left + x;
                    let channel = to.channel + vector;
                    let at = position * to.channels + channel;
                    S::store(to.y.add(at), to.finish.apply::<S>(value, channel, at));
                }
            }
        }
    }
}
