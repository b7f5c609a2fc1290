//! Convolutions by Winograd's F(2×2, 3×3) or F(4×4, 3×3) with the batch in the lanes, forwards and, with the window mirrored and the
//! channels exchanged, backwards to the input.

use std::ops::Range;

use super::memory::Slot;
use super::simd::{Simd, dispatch};
use super::tile::{lane_blocks, load, products, products_ahead, row_blocks, store, zero};
use super::winograd::{APART, Tiles, Transformed, Transforms, Two, mirrored};
use super::winograd_four::Four;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Elements that the transformed inputs and the products of the tiles that are worked on together may take: they stay in
/// a core's second-level cache.
const ROOM: usize = 256 * 1024;
/// Lanes that are worked on together.
const LANES: usize = 32;
/// Channels that are summed before the next: one tile's transformed inputs stay in the first-level cache.
const CHANNELS: usize = 256;

/// The step that [`Parts`] describe, as it is cut.
struct WinogradConv {
    parts: Parts,
    lanes: usize,
    /// Transformed inputs and products of the tiles that each piece works on.
    room: Slot,
    /// Tiles that are worked on together.
    together: usize,
    pieces: Pieces,
}

/// Elements of the transformed inputs and the products of one tile.
fn of_tile(products: usize, channels: [usize; 2], lanes: usize) -> usize {
    products * (channels[0] + channels[1]) * LANES.min(lanes)
}

/// Elements of the room of a piece.
fn room_len(products: usize, channels: [usize; 2], lanes: usize, together: usize) -> usize {
    together * of_tile(products, channels, lanes) + 2 * products * APART
}

/// `y = activation(bias + convolution of x)`; see [`super::winograd`].
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) x: Slot,
    /// Transformed weights.
    pub(super) u: Slot,
    pub(super) shape: Transformed,
    /// Whether the sum runs over the weight's output channels, backwards.
    pub(super) backward: bool,
    pub(super) bias: Option<Slot>,
    pub(super) relu: bool,
    pub(super) y: Slot,
    /// Channels of `x`, which are summed, and of `y`.
    pub(super) channels: [usize; 2],
    pub(super) tiles: Tiles,
}

impl Parts {
    /// Adds the step.
    pub(super) fn push(self, cx: &mut Lowering<'_>) {
        let (lanes, channels, products) = (cx.lanes, self.channels, self.shape.products());
        let together = (ROOM / of_tile(products, channels, lanes)).clamp(1, self.tiles.count());
        let pieces = Pieces::of(self.tiles.count(), self.work(lanes));
        let room = cx.temporary(pieces.count() * room_len(products, channels, lanes, together));
        cx.push(WinogradConv { parts: self, lanes, room, together, pieces });
    }

    /// Floating-point operations of the products.
    fn work(&self, lanes: usize) -> usize {
        2 * self.shape.products() * self.channels[0] * self.channels[1] * self.tiles.count() * lanes
    }
}

impl Step for WinogradConv {
    fn name(&self) -> String {
        self.parts.name.clone()
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.parts.work(self.lanes) as u64
    }

    fn access(&self) -> Vec<Access> {
        let Parts { x, u, y, bias, .. } = &self.parts;
        let mut access =
            vec![Access::read(*x), Access::read(*u), Access::write(*y), Access::write(self.room)];
        access.extend(bias.map(Access::read));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    fn stays_together(&self) -> bool {
        true
    }

    /// Pieces are tiles. Those of one thread share the room of the first.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let tiles = self.pieces.span(pieces.clone());
        let (from, to) = (tiles.start, tiles.end);
        let parts = &self.parts;
        let room = room_len(parts.shape.products(), parts.channels, self.lanes, self.together);
        // SAFETY: the room holds as much for every piece; this piece's is nobody else's.
        let room = unsafe { cx.memory.at(self.room).add(pieces.start * room) };
        let data = Data {
            x: cx.memory.at(parts.x),
            u: cx.memory.at(parts.u),
            shape: parts.shape,
            backward: parts.backward,
            bias: parts.bias.map_or(std::ptr::null(), |bias| cx.memory.at(bias)),
            relu: parts.relu,
            y: cx.memory.at(parts.y),
            channels: parts.channels,
            tiles: parts.tiles,
            lanes: self.lanes,
            room,
            together: self.together,
        };
        // SAFETY: the lengths were inferred from these buffers' shapes; the tiles `from..to` of `y` are the pieces'.
        unsafe {
            if parts.shape.side == 4 {
                dispatch!(cx.level => tiles_of_four::<S>(data: Data, from: usize, to: usize));
            } else {
                dispatch!(cx.level => tiles_of_two::<S>(data: Data, from: usize, to: usize));
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Data {
    x: *const f32,
    u: *const f32,
    shape: Transformed,
    backward: bool,
    bias: *const f32,
    relu: bool,
    y: *mut f32,
    channels: [usize; 2],
    tiles: Tiles,
    lanes: usize,
    room: *mut f32,
    together: usize,
}

impl Data {
    /// Where the transformed inputs of a product of a tile start: `[product][tile][channel][lane]`.
    #[inline(always)]
    fn inputs(&self, product: usize, tile: usize, lanes: usize) -> usize {
        (product * self.together + tile) * self.channels[0] * lanes + product * APART
    }

    /// Where its sums start, behind all inputs.
    #[inline(always)]
    fn sums<const N: usize>(&self, product: usize, tile: usize, lanes: usize) -> usize {
        let inputs = N * N * self.together * self.channels[0];
        let sums = (product * self.together + tile) * self.channels[1];
        (inputs + sums) * lanes + (N * N + product) * APART
    }
}

#[inline(always)]
unsafe fn tiles_of_two<S: Simd>(data: Data, from: usize, to: usize) {
    // SAFETY: the caller's.
    unsafe { all_tiles::<S, Two, 4, 2>(data, from, to) }
}

#[inline(always)]
unsafe fn tiles_of_four<S: Simd>(data: Data, from: usize, to: usize) {
    // SAFETY: the caller's.
    unsafe { all_tiles::<S, Four, 6, 4>(data, from, to) }
}

#[inline(always)]
unsafe fn all_tiles<S: Simd, T: Transforms<N, M>, const N: usize, const M: usize>(
    data: Data,
    from: usize,
    to: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        lane_blocks!(S, data.lanes, lane, J => {
            for first in (from..to).step_by(data.together) {
                let count = data.together.min(to - first);
                transform::<S, T, N, M, J>(data, first, count, lane);
                multiply::<S, T, N, M, J>(data, count);
                finish::<S, T, N, M, J>(data, first, count, lane);
            }
        });
    }
}

/// The inputs of `count` tiles from `first` on, transformed.
#[inline(always)]
unsafe fn transform<S: Simd, T: Transforms<N, M>, const N: usize, const M: usize, const J: usize>(
    data: Data,
    first: usize,
    count: usize,
    lane: usize,
) {
    let lanes = J * S::WIDTH;
    let plane = data.tiles.input[0] * data.tiles.input[1] * data.lanes;
    for channel in 0..data.channels[0] {
        for tile in 0..count {
            for j in 0..J {
                // SAFETY: the caller's; the room holds the tiles that are worked on together.
                unsafe {
                    let x = data.x.add(channel * plane);
                    let from = lane + j * S::WIDTH;
                    let products = data.tiles.turned::<S, T, N, M>(x, first + tile, data.lanes, from);
                    for index in 0..N * N {
                        let at = data.inputs(index, tile, lanes) + channel * lanes + j * S::WIDTH;
                        S::store(data.room.add(at), products[index / N][index % N]);
                    }
                }
            }
        }
    }
}

/// `sums[product][tile][o] = sum over channels of u[product][i][o] inputs[product][tile][i]`, or over output channels.
#[inline(always)]
unsafe fn multiply<S: Simd, T: Transforms<N, M>, const N: usize, const M: usize, const J: usize>(
    data: Data,
    count: usize,
) {
    let lanes = J * S::WIDTH;
    let [summed, made] = data.channels;
    for product in 0..N * N {
        let weight = if data.backward && T::MIRRORS { mirrored(product) } else { product };
        for tile in 0..count {
            for channel in (0..summed).step_by(CHANNELS) {
                let steps = CHANNELS.min(summed - channel);
                // SAFETY: the caller's.
                unsafe {
                    let u = data.u.add(weight * data.shape.product());
                    let v = data.room.add(data.inputs(product, tile, lanes) + channel * lanes).cast_const();
                    let m = data.room.add(data.sums::<N>(product, tile, lanes));
                    row_blocks!(S, 0, made, row, R => {
                        let m = m.add(row * lanes);
                        let mut sums = zero::<S, R, J>();
                        if channel > 0 {
                            sums = load::<S, R, J>(m, lanes);
                        }
                        let stride = data.shape.stride;
                        if data.backward {
                            let u = u.add(row * stride + channel);
                            products::<S, R, J>(&mut sums, u, stride, 1, v, lanes, steps);
                        } else {
                            let u = u.add(channel * stride + row);
                            products_ahead::<S, R, J>(&mut sums, u, stride, v, lanes, steps);
                        }
                        store::<S, R, J>(&sums, m, lanes);
                    });
                }
            }
        }
    }
}

/// The outputs of `count` tiles from `first` on.
#[inline(always)]
unsafe fn finish<S: Simd, T: Transforms<N, M>, const N: usize, const M: usize, const J: usize>(
    data: Data,
    first: usize,
    count: usize,
    lane: usize,
) {
    let lanes = J * S::WIDTH;
    let [height, width] = data.tiles.output;
    for channel in 0..data.channels[1] {
        for tile in 0..count {
            let [top, left] = data.tiles.corner::<M>(first + tile);
            for j in 0..J {
                // SAFETY: the caller's; only places inside of the map are written.
                unsafe {
                    let bias = if data.bias.is_null() { 0.0 } else { *data.bias.add(channel) };
                    let sums = std::array::from_fn(|y| {
                        std::array::from_fn(|x| {
                            let at = data.sums::<N>(N * y + x, tile, lanes) + channel * lanes + j * S::WIDTH;
                            S::load(data.room.add(at))
                        })
                    });
                    let values = T::output::<S>(sums);
                    for (y, row) in values.iter().enumerate().take(height - top) {
                        for (x, &value) in row.iter().enumerate().take(width - left) {
                            let mut value = S::add(value, S::splat(bias));
                            if data.relu {
                                value = S::max(S::splat(0.0), value);
                            }
                            let place = (channel * height + top + y) * width + left + x;
                            S::store(data.y.add(place * data.lanes + lane + j * S::WIDTH), value);
                        }
                    }
                }
            }
        }
    }
}
