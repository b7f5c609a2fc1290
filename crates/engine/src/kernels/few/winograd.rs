//! Winograd's F(2×2, 3×3) for a few examples: for a group of up to twelve tiles and a block of output channels, the products of
//! all frequencies are summed over the input channels and turned into outputs while they lie in the first-level cache.
//!
//! Large maps are computed a few groups at a time, transformed just before they are used; small ones block by block of output
//! channels, so that each weight is read from memory once, with the input transformed in a step of its own.

use std::mem::MaybeUninit;
use std::ops::Range;

use graph::NodeId;

use super::ahead::Ahead;
use super::conv::{Convolution, by_count, products};
use super::epilogue::{Chain, Epilogue, Finish};
use super::form::{self, Form};
use super::pack::{BLOCK, Blocks};
use super::places::STRIP;
use super::winograd_input::{ROOM, Tiles, lower_transform, transform_group};
use super::winograd_tiles::pack;
use crate::costs::{Algorithm, Pass};
use crate::kernels::geometry::Geometry;
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::kernels::winograd::{PRODUCTS, output};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y = epilogue(outputs of the products of transformed tiles and u)`.
struct Multiply {
    source: Source,
    u: Slot,
    y: Slot,
    epilogue: Epilogue,
    tiles: Tiles,
    /// Cut of the groups, or of the groups of all blocks, block by block.
    pieces: Pieces,
}

/// Where transformed tiles come from.
enum Source {
    /// Each piece transforms those of map `x`, a few groups at a time, into room of its own.
    Map { x: Slot, room: Slot },
    /// They lie at `v`: `[example][group][frequency][tile][channel]`.
    Transformed { v: Slot },
}

impl Step for Multiply {
    fn name(&self) -> String {
        let Geometry { channels_in, channels_out, output: [height, width], .. } = self.tiles.geometry;
        format!("winograd {channels_in} to {channels_out} at {height}x{width}{}", self.epilogue.name())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.tiles.geometry.work(1) as u64
    }

    fn access(&self) -> Vec<Access> {
        let mut access = vec![Access::read(self.u), Access::write(self.y)];
        match self.source {
            Source::Map { x, room } => {
                let each = Pieces::each(self.pieces.count());
                access.extend([Access::read(x), Access::write_own(room, &each, self.tiles.group_len())]);
            }
            Source::Transformed { v } => access.push(Access::read(v)),
        }
        access.extend(self.epilogue.access());
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    /// Pieces that follow each other share the room of the first, and know which weights are next.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        match self.source {
            Source::Map { x, room } => self.by_group(pieces, x, room, cx),
            Source::Transformed { v } => self.by_block(self.pieces.span(pieces), v, cx),
        }
    }
}

impl Multiply {
    /// All blocks for as many groups as are transformed together, then the next groups.
    fn by_group(&self, pieces: Range<usize>, x: Slot, room: Slot, cx: &Context<'_>) {
        let (tiles, together) = (&self.tiles, self.tiles.together());
        let blocks = Blocks::of(tiles.geometry.channels_out).count();
        let room = cx.memory.at(room).wrapping_add(pieces.start * together * tiles.group_len());
        let span = self.pieces.span(pieces);
        for example in 0..cx.live() {
            for first in span.clone().step_by(together) {
                let groups = first..span.end.min(first + together);
                let v = |group: usize| room.wrapping_add((group - first) * tiles.group_len());
                for group in groups.clone() {
                    let v = v(group);
                    // SAFETY: the geometry was inferred from these buffers' shapes; the room is the pieces'.
                    unsafe {
                        let x = cx.memory.at(x).add(example * tiles.map_len()).cast_const();
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

    /// All groups for one block after another; meanwhile, the next block's weights are fetched.
    fn by_block(&self, range: Range<usize>, v: Slot, cx: &Context<'_>) {
        let (tiles, mut first) = (&self.tiles, range.start);
        while first < range.end {
            let block = first / tiles.groups;
            let last = range.end.min((block + 1) * tiles.groups);
            let mut ahead = match last < range.end {
                true => self.ahead(block + 1, cx.live() * (last - first), cx),
                false => Ahead::nothing(cx.memory.at(v)),
            };
            for example in 0..cx.live() {
                for group in first - block * tiles.groups..last - block * tiles.groups {
                    let group_at = (example * tiles.groups + group) * tiles.group_len();
                    // SAFETY: the buffer holds the tiles of every group of every example.
                    unsafe {
                        let v = cx.memory.at(v).add(group_at);
                        self.multiply(v, example, group, block, &mut ahead, cx);
                    }
                }
            }
            first = last;
        }
    }

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
        let blocks = Blocks::of(tiles.geometry.channels_out);
        // SAFETY: the caller's; the weights of a block lie behind those of the blocks before.
        unsafe {
            let job = Job {
                v,
                u: cx.memory.at(self.u).add(block * BLOCK * tiles.geometry.channels_in * PRODUCTS),
                y: cx.memory.at(self.y),
                finish: self.epilogue.at(cx.memory),
                channel: block * BLOCK,
                width: blocks.width(block),
                channels: blocks.channels,
                first: example * tiles.geometry.positions(),
            };
            dispatch!(cx.level => multiply::<S>(job: Job, tiles: &Tiles, group: usize, ahead: &mut Ahead));
        }
    }
}

/// One group of tiles and one block of output channels.
#[derive(Clone, Copy)]
struct Job {
    v: *const f32,
    u: *const f32,
    y: *mut f32,
    finish: Finish,
    /// First output channel, and how many there are in the block and in the map.
    channel: usize,
    width: usize,
    channels: usize,
    /// The number of the example's first position.
    first: usize,
}

/// Sums of products: `[frequency][tile][output channel of the block]`.
#[repr(align(64))]
struct Products(MaybeUninit<[f32; PRODUCTS * STRIP * BLOCK]>);

#[inline(always)]
unsafe fn multiply<S: Simd>(job: Job, tiles: &Tiles, group: usize, ahead: &mut Ahead) {
    let mut sums = Products(MaybeUninit::uninit());
    let m: *mut f32 = sums.0.as_mut_ptr().cast();
    let (inputs, count) = (tiles.geometry.channels_in, tiles.group(group).len());
    for frequency in 0..PRODUCTS {
        // SAFETY: the caller's; the sums of a frequency have room for all tiles and channels of a block.
        unsafe {
            let v = job.v.add(frequency * STRIP * tiles.inputs());
            let u = job.u.add(frequency * inputs * job.width);
            multiply_frequency::<S>(job, v, u, m.add(frequency * STRIP * BLOCK), tiles, count, ahead);
        }
    }
    for (at, tile) in tiles.group(group).enumerate() {
        // SAFETY: all sums of these tiles were written above.
        unsafe { outputs::<S>(job, m.add(at * BLOCK), tiles, tile) };
    }
}

/// The sums of one frequency, in as many tiles of registers as they ask for.
#[inline(always)]
unsafe fn multiply_frequency<S: Simd>(
    job: Job,
    v: *const f32,
    u: *const f32,
    m: *mut f32,
    tiles: &Tiles,
    count: usize,
    ahead: &mut Ahead,
) {
    let x: [*const f32; STRIP] = std::array::from_fn(|at| v.wrapping_add(at * tiles.inputs()));
    let (x, inputs, width) = (&x[..count], tiles.geometry.channels_in, job.width);
    // SAFETY: the caller's.
    unsafe {
        if S::WIDTH == ALIGNMENT {
            match width {
                BLOCK => {
                    by_count!(x, P => sum::<S, P, 2>(x, u, width, inputs, m, ahead); 1 2 3 4 5 6 7 8 9 10 11 12)
                }
                _ => {
                    by_count!(x, P => sum::<S, P, 1>(x, u, width, inputs, m, ahead); 1 2 3 4 5 6 7 8 9 10 11 12)
                }
            }
        } else {
            let parts = count.div_ceil(6);
            for half in (0..width).step_by(ALIGNMENT) {
                for part in 0..parts {
                    let (from, to) = (part * count / parts, (part + 1) * count / parts);
                    let (x, m) = (&x[from..to], m.add(from * BLOCK + half));
                    by_count!(x, P => sum::<S, P, 2>(x, u.add(half), width, inputs, m, ahead); 1 2 3 4 5 6);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn sum<S: Simd, const P: usize, const J: usize>(
    x: &[*const f32],
    u: *const f32,
    width: usize,
    inputs: usize,
    m: *mut f32,
    ahead: &mut Ahead,
) {
    // SAFETY: the caller's.
    unsafe {
        let x: [*const f32; P] = std::array::from_fn(|p| x[p]);
        let mut sums = [[S::splat(0.0); J]; P];
        products::<S, P, J>(&mut sums, &x, inputs, u, width, ahead);
        for p in 0..P {
            for j in 0..J {
                S::store(m.add(p * BLOCK + j * S::WIDTH), sums[p][j]);
            }
        }
    }
}

/// The outputs of one tile, from its sums.
#[inline(always)]
unsafe fn outputs<S: Simd>(job: Job, m: *const f32, tiles: &Tiles, tile: usize) {
    let [height, width] = tiles.geometry.output;
    let (top, left) = (2 * (tile / tiles.across()), 2 * (tile % tiles.across()));
    for vector in (0..job.width).step_by(S::WIDTH) {
        // SAFETY: the caller's; outputs beyond the map are left out.
        unsafe {
            let mut products = [[S::splat(0.0); 4]; 4];
            for (frequency, value) in products.as_flattened_mut().iter_mut().enumerate() {
                *value = S::load(m.add(frequency * STRIP * BLOCK + vector));
            }
            let values = output::<S>(products);
            for (y, row) in values.into_iter().enumerate().take(height - top) {
                for (x, value) in row.into_iter().enumerate().take(width - left) {
                    let position = job.first + (top + y) * width + left + x;
                    let channel = job.channel + vector;
                    let at = position * job.channels + channel;
                    S::store(job.y.add(at), job.finish.apply::<S>(value, channel, at));
                }
            }
        }
    }
}

/// Whether less is read from beyond the second-level cache if all blocks of weights, `weights` elements, are read for some groups
/// after another, than if all groups are read for one block after another; as on two cores.
fn reads_less_by_group(tiles: &Tiles, blocks: usize, weights: usize) -> bool {
    let map = tiles.groups * tiles.group_len();
    let by_group = weights * tiles.groups.div_ceil(2 * tiles.together());
    let by_block = weights / 2 + map * if map > ROOM { blocks.div_ceil(2) } else { 1 };
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
    let u = pack(cx.constant(*weight).expect("a constant, as read above"), geometry);
    let blocks = Blocks::of(geometry.channels_out).count();
    let by_group = reads_less_by_group(&tiles, blocks, u.len());
    let pieces = Pieces::of(tiles.groups * if by_group { 1 } else { blocks }, geometry.work(1));
    let (u, x) = (cx.filled(u), form::have(cx, *x, Form::Maps));
    let source = match by_group {
        true => Source::Map { x, room: cx.temporary(pieces.count() * tiles.together() * tiles.group_len()) },
        false => Source::Transformed { v: lower_transform(cx, x, &tiles) },
    };
    let output = chain.output;
    let bias = bias.and_then(|bias| cx.constant(bias)).cloned();
    let epilogue = chain.lower_sum(cx, bias.as_ref());
    let y = form::make(cx, output, Form::Maps);
    cx.push(Multiply { source, u, y, epilogue, tiles, pieces });
    true
}
