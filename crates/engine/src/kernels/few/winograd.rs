//! Winograd's F(2×2, 3×3) for a few examples: for a group of up to twelve tiles and a block of output channels, the products of
//! all frequencies are summed over the input channels and turned into outputs while they lie in the first-level cache.
//!
//! Large maps are computed here, a few groups at a time, transformed just before they are used; small ones block by block of
//! output channels ([`super::winograd_blocks`]), so that each weight is read from memory once, with the input transformed in a step of
//! its own.

use std::ops::Range;

use graph::NodeId;

use super::ahead::Ahead;
use super::conv::Convolution;
use super::epilogue::{Chain, Epilogue};
use super::form::{self, Form};
use super::pack::{self, BLOCK, Blocks};
use super::winograd_blocks::ByBlock;
use super::winograd_input::{ROOM, Tiles, lower_transform, transform_group};
use super::winograd_product::{Outputs, SUMS, Weights, multiply, outputs};
use super::winograd_tiles;
use crate::costs::{Algorithm, Pass};
use crate::kernels::geometry::Geometry;
use crate::kernels::memory::{Lines, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::kernels::winograd::PRODUCTS;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y = epilogue(outputs of the products of transformed tiles and u)`.
struct ByGroup {
    x: Slot,
    /// Of each piece: transformed tiles of some groups.
    room: Slot,
    u: Slot,
    y: Slot,
    epilogue: Epilogue,
    tiles: Tiles,
    /// Cut of the groups.
    pieces: Pieces,
}

impl Step for ByGroup {
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
        let each = Pieces::each(self.pieces.count());
        let room = self.tiles.together() * self.tiles.group_len();
        let room = Access::write_own(self.room, &each, room);
        let mut access = vec![Access::read(self.u), Access::write(self.y), Access::read(self.x), room];
        access.extend(self.epilogue.access());
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    /// Pieces that follow each other share the room of the first: all blocks for as many groups as are transformed together,
    /// then the next groups.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let (tiles, together) = (&self.tiles, self.tiles.together());
        let blocks = Blocks::of(tiles.geometry.channels_out).count();
        let room = cx.memory.at(self.room).wrapping_add(pieces.start * together * tiles.group_len());
        let span = self.pieces.span(pieces);
        for example in 0..cx.live() {
            for first in span.clone().step_by(together) {
                let groups = first..span.end.min(first + together);
                let v = |group: usize| room.wrapping_add((group - first) * tiles.group_len());
                for group in groups.clone() {
                    let v = v(group);
                    // SAFETY: the geometry was inferred from these buffers' shapes; the room is the pieces'.
                    unsafe {
                        let x = cx.memory.at(self.x).add(example * tiles.map_len()).cast_const();
                        dispatch!(cx.level => transform_group::<S>(tiles: &Tiles, x: *const f32, v: *mut f32, group: usize));
                    }
                }
                for block in 0..blocks {
                    let mut ahead = self.ahead((block + 1) % blocks, groups.len(), cx);
                    for group in groups.clone() {
                        // SAFETY: the group was transformed above, and is the pieces'.
                        unsafe { self.multiply(v(group), example, group, block, &mut ahead, cx) };
                    }
                }
            }
        }
    }
}

impl ByGroup {
    /// The weights of block `next`, fetched while `groups` groups of one example are computed.
    fn ahead(&self, next: usize, groups: usize, cx: &Context<'_>) -> Ahead {
        let Geometry { channels_in, channels_out, .. } = self.tiles.geometry;
        let at = cx.memory.at(self.u).wrapping_add(next * BLOCK * channels_in * PRODUCTS);
        let len = Blocks::of(channels_out).width(next) * channels_in * PRODUCTS;
        Ahead::of(at, len, groups * PRODUCTS * channels_in)
    }

    /// One group of transformed tiles `v` times one block.
    ///
    /// # Safety
    ///
    /// `v` holds the group's tiles, and its outputs in the block are the piece's.
    unsafe fn multiply(
        &self,
        v: *const f32,
        example: usize,
        group: usize,
        block: usize,
        ahead: &mut Ahead,
        cx: &Context<'_>,
    ) {
        let tiles = &self.tiles;
        let inputs = tiles.geometry.channels_in;
        let blocks = Blocks::of(tiles.geometry.channels_out);
        let (width, groups) = (blocks.width(block), (tiles, group));
        // SAFETY: the caller's; the weights of a block lie behind those of the blocks before.
        unsafe {
            let u = cx.memory.at(self.u).add(block * BLOCK * inputs * PRODUCTS);
            let weights = Weights { u, apart: inputs * width, width };
            let to = Outputs {
                y: cx.memory.at(self.y),
                finish: self.epilogue.at(cx.memory),
                channel: block * BLOCK,
                width,
                channels: blocks.channels,
                first: example * tiles.geometry.positions(),
            };
            dispatch!(cx.level => group_by_block::<S>(v: *const f32, weights: Weights, to: Outputs,
                groups: (&Tiles, usize), ahead: &mut Ahead));
        }
    }
}

/// The outputs of one group of transformed tiles and one block of output channels.
#[inline(always)]
unsafe fn group_by_block<S: Simd>(
    v: *const f32,
    weights: Weights,
    to: Outputs,
    (tiles, group): (&Tiles, usize),
    ahead: &mut Ahead,
) {
    let mut sums = Lines::<SUMS>::new();
    let m = sums.at();
    // SAFETY: the caller's; all sums of these tiles are written before they are read.
    unsafe {
        multiply::<S>(v, weights, m, (tiles, group), 0..tiles.geometry.channels_in, ahead);
        outputs::<S>(to, m, tiles, group);
    }
}

/// Whether less is read from beyond the second-level cache if all blocks of `weights` transformed weights are read for some groups after
/// another, than if all groups are read for one block after another, and the windows that are nine sixteenths of them; as on two cores.
fn reads_less_by_group(tiles: &Tiles, blocks: usize, weights: usize) -> bool {
    let map = tiles.groups * tiles.group_len();
    let by_group = weights * tiles.groups.div_ceil(2 * tiles.together());
    let windows = weights * 9 / PRODUCTS;
    let by_block = windows / 2 + map * if map > ROOM { blocks.div_ceil(2) } else { 1 };
    by_group <= by_block
}

/// Lowers a `Conv` that suits Winograd's algorithm, with what follows it.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let Some(conv) = Convolution::of(cx, id) else { return false };
    if cx.algorithm(&conv.geometry, Pass::Maps) != Algorithm::Winograd2x2 {
        return false;
    }
    let (Convolution { x, weight, bias, geometry }, tiles) = (&conv, Tiles::of(&conv.geometry));
    let chain = Chain::behind(cx, cx.graph.node(id).outputs[0]);
    let blocks = Blocks::of(geometry.channels_out);
    let by_group =
        reads_less_by_group(&tiles, blocks.count(), blocks.channels * geometry.channels_in * PRODUCTS);
    let weight = cx.constant(*weight).expect("a constant, as read above");
    let weight =
        if by_group { winograd_tiles::pack(weight, geometry) } else { pack::direct(weight, geometry) };
    let (weight, x) = (cx.filled(weight), form::have(cx, *x, Form::Maps));
    let output = chain.output;
    let bias = bias.and_then(|bias| cx.constant(bias)).cloned();
    let epilogue = chain.lower_sum(cx, bias.as_ref());
    if by_group {
        let pieces = Pieces::of(tiles.groups, geometry.work(1));
        let room = cx.temporary(pieces.count() * tiles.together() * tiles.group_len());
        let y = form::make(cx, output, Form::Maps);
        cx.push(ByGroup { x, room, u: weight, y, epilogue, tiles, pieces });
    } else {
        let v = lower_transform(cx, x, &tiles);
        let y = form::make(cx, output, Form::Maps);
        ByBlock::push(cx, (v, weight, y), epilogue, tiles);
    }
    true
}
