//! Winograd's F(2×2, 3×3) of small maps with large weights: all tiles for one block of output channels after another. The weights come
//! from memory once, as windows of nine: sixteen transformed numbers would take nearly twice as long to come as a core takes to make
//! them, some input channels at a time, in its second-level cache.

use std::ops::Range;

use super::ahead::Ahead;
use super::epilogue::Epilogue;
use super::form;
use super::pack::{BLOCK, Blocks, INPUTS};
use super::places::STRIP;
use super::winograd_input::Tiles;
use super::winograd_product::{Outputs, SUMS, Weights, multiply, outputs};
use crate::kernels::memory::Slot;
use crate::kernels::simd::{Simd, dispatch};
use crate::kernels::winograd::{APART, PRODUCTS, weight};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Input channels whose weights are transformed together at least: their sums are read and written once for all of them.
const CHUNK_MIN: usize = 128;
/// And at most: their transformed weights have to stay in the second-level cache.
const CHUNK_MAX: usize = 256;

/// `y = epilogue(outputs of the products of transformed tiles and transformed windows)`.
pub(super) struct ByBlock {
    /// Transformed tiles: `[example][group][frequency][tile][input channel]`.
    v: Slot,
    /// Windows as [`super::pack::direct`] packs them.
    w: Slot,
    /// Of each piece: transformed weights of some input channels, then the sums of all tiles.
    room: Slot,
    room_len: usize,
    /// Input channels whose weights are transformed together.
    chunk: usize,
    y: Slot,
    epilogue: Epilogue,
    tiles: Tiles,
    /// Cut of the groups of all blocks, block by block.
    pieces: Pieces,
}

impl Step for ByBlock {
    fn name(&self) -> String {
        format!("{}{}", self.tiles.name(), self.epilogue.name())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.tiles.geometry.work(1) as u64
    }

    fn access(&self) -> Vec<Access> {
        let room = Access::write_own(self.room, &Pieces::each(self.pieces.count()), self.room_len);
        let mut access = vec![Access::read(self.v), Access::read(self.w), room, Access::write(self.y)];
        access.extend(self.epilogue.access());
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    /// Pieces that follow each other share the room of the first, and know which weights are next.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let geometry = &self.tiles.geometry;
        let blocks = Blocks::of(geometry.channels_out);
        let room = cx.memory.at(self.room).wrapping_add(pieces.start * self.room_len);
        let range = self.pieces.span(pieces);
        let mut first = range.start;
        while first < range.end {
            let block = first / self.tiles.groups;
            let start = block * self.tiles.groups;
            let last = range.end.min(start + self.tiles.groups);
            let job = Job {
                v: cx.memory.at(self.v),
                w: cx.memory.at(self.w).wrapping_add(block * BLOCK * geometry.taps()),
                room,
                chunk: self.chunk,
                width: blocks.width(block),
                goes_on: last < range.end,
                tiles: &self.tiles,
                groups: first - start..last - start,
                examples: cx.live(),
                to: Outputs {
                    y: cx.memory.at(self.y),
                    finish: self.epilogue.at(cx.memory),
                    channel: block * BLOCK,
                    width: blocks.width(block),
                    channels: blocks.channels,
                    first: 0,
                },
            };
            // SAFETY: the geometry was inferred from these buffers' shapes; the room, and the outputs of these groups in this
            // block, are the pieces'.
            unsafe { dispatch!(cx.level => block_of_channels::<S>(job: Job<'_>)) };
            first = last;
        }
    }
}

/// Some groups of all examples times one block of output channels.
struct Job<'a> {
    v: *const f32,
    w: *const f32,
    room: *mut f32,
    chunk: usize,
    /// Output channels of the block.
    width: usize,
    /// Whether another block comes behind this one.
    goes_on: bool,
    tiles: &'a Tiles,
    groups: Range<usize>,
    examples: usize,
    /// Of the first example.
    to: Outputs,
}

#[inline(always)]
unsafe fn block_of_channels<S: Simd>(job: Job<'_>) {
    let (tiles, inputs, chunk) = (job.tiles, job.tiles.geometry.channels_in, job.chunk);
    let groups = job.examples * job.groups.len();
    let all = || (0..job.examples).flat_map(|example| job.groups.clone().map(move |group| (example, group)));
    let sums = job.room.wrapping_add(PRODUCTS * apart(chunk));
    let window = tiles.geometry.window() * job.width;
    for from in (0..inputs).step_by(chunk) {
        let channels = from..inputs.min(from + chunk);
        let ahead = inputs.min(channels.end + chunk) - channels.end;
        let ahead = if ahead == 0 && job.goes_on { chunk.min(inputs) } else { ahead };
        let next = job.w.wrapping_add(channels.end * window);
        let mut ahead = Ahead::of(next, ahead * window, groups * PRODUCTS * channels.len());
        // SAFETY: the caller's; the room holds the transformed weights of a chunk, and the sums of all groups behind them.
        unsafe {
            transform::<S>(job.w, job.room, channels.clone(), (inputs, chunk, job.width));
            let weights = Weights { u: job.room, apart: apart(chunk), width: job.width };
            for (at, (example, group)) in all().enumerate() {
                let v = job.v.add((example * tiles.groups + group) * tiles.group_len());
                let m = sums.add(at * SUMS);
                multiply::<S>(v, weights, m, (tiles, group), channels.clone(), &mut ahead);
            }
        }
    }
    for (at, (example, group)) in all().enumerate() {
        let to = Outputs { first: example * tiles.geometry.positions(), ..job.to };
        // SAFETY: all sums of these tiles were made above.
        unsafe { outputs::<S>(to, sums.add(at * SUMS), tiles, group) };
    }
}

/// Transforms the windows of input channels `channels` of a block of `width` output channels.
#[inline(always)]
unsafe fn transform<S: Simd>(
    w: *const f32,
    u: *mut f32,
    channels: Range<usize>,
    (inputs, chunk, width): (usize, usize, usize),
) {
    for input in channels.clone() {
        let first = input - input % INPUTS;
        let tap = INPUTS.min(inputs - first) * width;
        for vector in (0..width).step_by(S::WIDTH) {
            // SAFETY: the caller's.
            unsafe {
                let w = w.add(first * 9 * width + (input - first) * width + vector);
                let g = std::array::from_fn(|y| std::array::from_fn(|x| S::load(w.add((3 * y + x) * tap))));
                let u = u.add((input - channels.start) * width + vector);
                for (frequency, &value) in weight::<S>(g).as_flattened().iter().enumerate() {
                    S::store(u.add(frequency * apart(chunk)), value);
                }
            }
        }
    }
}

/// Elements from the transformed weights of one frequency to those of the next.
fn apart(chunk: usize) -> usize {
    chunk * BLOCK + APART
}

impl ByBlock {
    /// Adds the step over transformed tiles `v`; `w` are packed windows.
    pub(super) fn push(
        cx: &mut Lowering<'_>,
        (v, w, y): (Slot, Slot, Slot),
        epilogue: Epilogue,
        tiles: Tiles,
    ) {
        let blocks = Blocks::of(tiles.geometry.channels_out).count();
        let pieces = Pieces::of(tiles.groups * blocks, tiles.geometry.work(1));
        let groups = form::batch(cx) * tiles.groups;
        // As large as the sums: the fewer transforms, the less often sums are gone through.
        let chunk = (groups * STRIP).clamp(CHUNK_MIN, CHUNK_MAX).next_multiple_of(INPUTS);
        let room_len = PRODUCTS * apart(chunk) + groups * SUMS;
        let room = cx.temporary(pieces.count() * room_len);
        cx.push(ByBlock { v, w, room, room_len, chunk, y, epilogue, tiles, pieces });
    }
}
