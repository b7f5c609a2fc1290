//! The weight gradient of a convolution that is computed by Winograd's F(2×2, 3×3): the way back through its three
//! transforms, `dg = Gᵀ [Σ (A dy Aᵀ) ⊙ (Bᵀ d B)] G`, the sum over tiles and examples.

use std::ops::Range;

use super::conv_weight_gradient::{EXAMPLES, PANEL};
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use super::tile::{products, row_blocks, zero};
use super::weight_result::{Sink, WeightResult, dispatch_sink};
use super::winograd::{APART, PRODUCTS, Tiles, Transformed, gradient, weight_gradient};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Tiles whose products are added up before the sum is added to the gradient.
const TOGETHER: usize = 4;
/// Input channels that are worked on together: their transformed inputs stay in a core's second-level cache.
const CHANNELS: usize = 64;

struct WinogradWeightGradient {
    x: Slot,
    /// `[block][position][lane][o]`, see [`super::conv_weight_gradient`].
    panels: Slot,
    /// The gradient of the transformed weight.
    du: Slot,
    shape: Transformed,
    result: WeightResult,
    channels_out: usize,
    tiles: Tiles,
    lanes: usize,
    /// Room of each piece: transformed inputs and transformed gradients of the tiles that are worked on together.
    room: Slot,
    /// Input channels.
    pieces: Pieces,
}

/// Elements of the room of a piece.
const ROOM: usize = PRODUCTS * (TOGETHER * EXAMPLES * (CHANNELS + PANEL) + 2 * APART);

impl Step for WinogradWeightGradient {
    fn name(&self) -> String {
        format!("conv {} 3x3 weight gradient{}, winograd", self.channels_out, self.result.suffix())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        (2 * PRODUCTS * self.shape.channels_in * self.channels_out * self.tiles.count() * self.lanes) as u64
    }

    fn access(&self) -> Vec<Access> {
        let plane = self.tiles.input[0] * self.tiles.input[1] * self.lanes;
        let mut access = self.result.access(&self.pieces, 9 * self.shape.stride);
        access.extend([
            Access::read_own(self.x, &self.pieces, plane),
            Access::read(self.panels),
            Access::write(self.du),
            Access::write(self.room),
        ]);
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    fn stays_together(&self) -> bool {
        true
    }

    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let range = self.pieces.span(pieces.clone());
        let (from, to) = (range.start, range.end);
        // SAFETY: the room holds as much for every piece; this piece's is nobody else's.
        let room = unsafe { cx.memory.at(self.room).add(pieces.start * ROOM) };
        let data = Data {
            x: cx.memory.at(self.x),
            panels: cx.memory.at(self.panels),
            du: cx.memory.at(self.du),
            shape: self.shape,
            channels_out: self.channels_out,
            tiles: self.tiles,
            lanes: self.lanes,
            examples: (0, 0),
            room,
        };
        let live = cx.live();
        // SAFETY: the lengths were inferred from these buffers' shapes; the input channels `from..to` are the pieces'.
        unsafe {
            dispatch_sink!(&self.result, cx => channels(data: Data, live: usize, from: usize, to: usize));
        }
    }
}

#[derive(Clone, Copy)]
struct Data {
    x: *const f32,
    panels: *const f32,
    du: *mut f32,
    shape: Transformed,
    channels_out: usize,
    tiles: Tiles,
    lanes: usize,
    /// The examples that are worked on: the first, and how many.
    examples: (usize, usize),
    room: *mut f32,
}

impl Data {
    /// Transformed inputs: `[product][tile][channel][lane]`.
    #[inline(always)]
    fn inputs(&self, product: usize, tile: usize) -> usize {
        (product * TOGETHER + tile) * CHANNELS * EXAMPLES + product * APART
    }

    /// Transformed gradients, behind all inputs: `[product][tile][lane][o]`.
    #[inline(always)]
    fn gradients(&self, product: usize, tile: usize) -> usize {
        (PRODUCTS * TOGETHER * CHANNELS + (product * TOGETHER + tile) * PANEL) * EXAMPLES
            + (PRODUCTS + product) * APART
    }
}

#[inline(always)]
unsafe fn channels<S: Simd, K: Sink>(sink: K, data: Data, live: usize, from: usize, to: usize) {
    for first in (0..data.tiles.count()).step_by(TOGETHER) {
        for example in (0..live).step_by(EXAMPLES) {
            let data = Data { examples: (example, EXAMPLES.min(live - example)), ..data };
            let fresh = first == 0 && example == 0;
            // SAFETY: the caller's.
            unsafe { tiles::<S>(data, first, from, to, fresh) };
        }
    }
    for channel in from..to {
        // SAFETY: the caller's.
        unsafe { finish::<S, K>(sink, data, channel) };
    }
}

/// Adds a few tiles of a few examples, from tile `first` on.
#[inline(always)]
unsafe fn tiles<S: Simd>(data: Data, first: usize, from: usize, to: usize, fresh: bool) {
    let count = TOGETHER.min(data.tiles.count() - first);
    for channel in (from..to).step_by(CHANNELS) {
        let end = to.min(channel + CHANNELS);
        // SAFETY: the caller's.
        unsafe {
            transform_inputs::<S>(data, first, count, channel, end);
            for block in (0..data.channels_out).step_by(PANEL) {
                transform_gradients::<S>(data, first, count, block);
                match (data.channels_out - block > 16, S::WIDTH) {
                    (true, 16) => multiply::<S, 2>(data, count, block, channel, end, fresh),
                    (true, _) => multiply::<S, 4>(data, count, block, channel, end, fresh),
                    (false, 16) => multiply::<S, 1>(data, count, block, channel, end, fresh),
                    (false, _) => multiply::<S, 2>(data, count, block, channel, end, fresh),
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn transform_inputs<S: Simd>(data: Data, first: usize, count: usize, from: usize, to: usize) {
    let plane = data.tiles.input[0] * data.tiles.input[1] * data.lanes;
    for channel in from..to {
        for tile in 0..count {
            for lane in (0..data.examples.1).step_by(S::WIDTH) {
                // SAFETY: the caller's.
                unsafe {
                    let x = data.x.add(channel * plane);
                    let products =
                        data.tiles.transformed::<S>(x, first + tile, data.lanes, data.examples.0 + lane);
                    for index in 0..PRODUCTS {
                        let at = data.inputs(index, tile) + (channel - from) * EXAMPLES + lane;
                        S::store(data.room.add(at), products[index / 4][index % 4]);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn transform_gradients<S: Simd>(data: Data, first: usize, count: usize, block: usize) {
    let [height, width] = data.tiles.output;
    for tile in 0..count {
        let [top, left] = data.tiles.corner::<2>(first + tile);
        for lane in 0..data.examples.1 {
            for column in (0..PANEL).step_by(S::WIDTH) {
                // SAFETY: the caller's; positions outside of the map count as zero.
                unsafe {
                    let mut corner = [[S::splat(0.0); 2]; 2];
                    for (y, row) in corner.iter_mut().enumerate().take(height - top) {
                        for (x, value) in row.iter_mut().enumerate().take(width - left) {
                            let position = (top + y) * width + left + x;
                            let at =
                                ((block / PANEL * height * width + position) * data.lanes + lane) * PANEL;
                            *value = S::load(data.panels.add(at + column));
                        }
                    }
                    let products = gradient::<S>(corner);
                    for index in 0..PRODUCTS {
                        let at = data.gradients(index, tile) + lane * PANEL + column;
                        S::store(data.room.add(at), products[index / 4][index % 4]);
                    }
                }
            }
        }
    }
}

/// Adds the products of `count` tiles to the gradient of the transformed weight; or writes them, if `fresh`.
#[inline(always)]
unsafe fn multiply<S: Simd, const J: usize>(
    data: Data,
    count: usize,
    block: usize,
    from: usize,
    to: usize,
    fresh: bool,
) {
    for product in 0..PRODUCTS {
        // SAFETY: the caller's.
        unsafe {
            row_blocks!(S, from, to, channel, R => {
                let mut sums = zero::<S, R, J>();
                for tile in 0..count {
                    let v = data.room.add(data.inputs(product, tile) + (channel - from) * EXAMPLES);
                    let w = data.room.add(data.gradients(product, tile));
                    products::<S, R, J>(&mut sums, v, EXAMPLES, 1, w, PANEL, data.examples.1);
                }
                for r in 0..R {
                    let at = product * data.shape.product() + (channel + r) * data.shape.stride + block;
                    for j in 0..J {
                        let du = data.du.add(at + j * S::WIDTH);
                        let before = if fresh { S::splat(0.0) } else { S::load(du) };
                        S::store(du, S::add(before, sums[r][j]));
                    }
                }
            });
        }
    }
}

/// The gradient of one input channel's weights from that of the transformed ones.
#[inline(always)]
unsafe fn finish<S: Simd, K: Sink>(sink: K, data: Data, channel: usize) {
    let stride = data.shape.stride;
    for column in (0..data.channels_out).step_by(S::WIDTH) {
        // SAFETY: the caller's; rows are padded to whole vectors.
        unsafe {
            let products = std::array::from_fn(|y| {
                std::array::from_fn(|x| {
                    let at = (4 * y + x) * data.shape.product() + channel * stride + column;
                    S::load(data.du.add(at))
                })
            });
            let window = weight_gradient::<S>(products);
            for tap in 0..9 {
                let at = (channel * 9 + tap) * stride + column;
                sink.ask::<S>(at + 9 * stride);
                sink.take::<S>(at, window[tap / 3][tap % 3]);
            }
        }
    }
}

/// Adds the step.
pub(super) fn push(
    cx: &mut Lowering<'_>,
    [x, panels]: [Slot; 2],
    result: WeightResult,
    channels: [usize; 2],
    stride: usize,
    tiles: Tiles,
) {
    let lanes = cx.lanes;
    let shape = Transformed::new(channels[0], stride);
    let work = 2 * PRODUCTS * channels[0] * channels[1] * tiles.count() * lanes;
    let pieces = Pieces::of(channels[0], work);
    let du = cx.temporary(shape.len());
    let room = cx.temporary(pieces.count() * ROOM);
    cx.push(WinogradWeightGradient {
        x,
        panels,
        du,
        shape,
        result,
        channels_out: channels[1],
        tiles,
        lanes,
        room,
        pieces,
    });
}
