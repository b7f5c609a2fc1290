//! The input side of Winograd's algorithm: which tiles there are, and their transforms.

use std::ops::Range;

use super::form;
use super::places::STRIP;
use crate::kernels::geometry::Geometry;
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::kernels::winograd::{PRODUCTS, input};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Elements of transformed tiles that stay in a core's second-level cache beside weights.
pub(super) const ROOM: usize = 256 * 1024;

/// The 2×2 tiles of an output map, in groups of up to [`STRIP`].
#[derive(Clone)]
pub(super) struct Tiles {
    pub(super) geometry: Geometry,
    pub(super) groups: usize,
}

impl Tiles {
    /// Those of a convolution.
    pub(super) fn of(geometry: &Geometry) -> Self {
        let mut tiles = Tiles { geometry: geometry.clone(), groups: 1 };
        tiles.groups = tiles.count().div_ceil(STRIP);
        tiles
    }

    /// What is computed by them, for people reading a plan.
    pub(super) fn name(&self) -> String {
        let Geometry { channels_in, channels_out, output: [height, width], .. } = self.geometry;
        format!("winograd {channels_in} to {channels_out} at {height}x{width}")
    }

    /// How many there are.
    fn count(&self) -> usize {
        self.geometry.output[0].div_ceil(2) * self.across()
    }

    /// Tiles side by side.
    pub(super) fn across(&self) -> usize {
        self.geometry.output[1].div_ceil(2)
    }

    /// The numbers of a group's tiles, row by row.
    pub(super) fn group(&self, group: usize) -> Range<usize> {
        group * self.count() / self.groups..(group + 1) * self.count() / self.groups
    }

    /// Input channels, padded.
    pub(super) fn inputs(&self) -> usize {
        self.geometry.channels_in.next_multiple_of(ALIGNMENT)
    }

    /// Elements of a group's transformed tiles: `[frequency][tile][input channel]`.
    pub(super) fn group_len(&self) -> usize {
        PRODUCTS * STRIP * self.inputs()
    }

    /// Groups that are transformed together.
    pub(super) fn together(&self) -> usize {
        (ROOM / self.group_len()).clamp(1, self.groups)
    }

    /// Elements of an input map.
    pub(super) fn map_len(&self) -> usize {
        self.geometry.input[0] * self.geometry.input[1] * self.inputs()
    }

    /// The group that a tile belongs to.
    fn group_of(&self, tile: usize) -> usize {
        ((tile + 1) * self.groups - 1) / self.count()
    }
}

/// `v[example][group][frequency][tile][channel]`, the transformed tiles of map `x`.
struct Transform {
    x: Slot,
    v: Slot,
    tiles: Tiles,
    pieces: Pieces,
}

impl Step for Transform {
    fn name(&self) -> String {
        let Geometry { channels_in, output: [height, width], .. } = self.tiles.geometry;
        format!("winograd tiles of {channels_in} at {height}x{width}")
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.x), Access::write(self.v)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let tiles = &self.tiles;
        for example in 0..cx.live() {
            for tile in self.pieces.range(piece) {
                let group = tiles.group_of(tile);
                // SAFETY: the geometry was inferred from these buffers' shapes; the tile is the piece's.
                unsafe {
                    let x = cx.memory.at(self.x).add(example * tiles.map_len()).cast_const();
                    let v = cx.memory.at(self.v).add((example * tiles.groups + group) * tiles.group_len());
                    let v = v.add((tile - tiles.group(group).start) * tiles.inputs());
                    dispatch!(cx.level => transform_tile::<S>(tiles: &Tiles, x: *const f32, v: *mut f32, tile: usize));
                }
            }
        }
    }
}

/// Transforms the tiles of a group of map `x` to `v`: `[frequency][tile][channel]`.
///
/// # Safety
///
/// `x` and `v` are of the lengths that `tiles` states.
#[inline(always)]
pub(super) unsafe fn transform_group<S: Simd>(tiles: &Tiles, x: *const f32, v: *mut f32, group: usize) {
    for (at, tile) in tiles.group(group).enumerate() {
        // SAFETY: the caller's.
        unsafe { transform_tile::<S>(tiles, x, v.add(at * tiles.inputs()), tile) };
    }
}

#[inline(always)]
unsafe fn transform_tile<S: Simd>(tiles: &Tiles, x: *const f32, v: *mut f32, tile: usize) {
    let Geometry { input: [height, width], before, .. } = tiles.geometry;
    let inputs = tiles.inputs();
    let corner = [tile / tiles.across(), tile % tiles.across()].map(|place| 2 * place);
    let inside = |axis: usize, length: usize| -> Range<usize> {
        let start = before[axis].saturating_sub(corner[axis]).min(4);
        start..(length + before[axis]).saturating_sub(corner[axis]).clamp(start, 4)
    };
    let (rows, columns) = (inside(0, height), inside(1, width));
    let whole = rows == (0..4) && columns == (0..4);
    for channel in (0..inputs).step_by(S::WIDTH) {
        // SAFETY: the caller's; places outside of the map are zero.
        unsafe {
            let mut d = [[S::splat(0.0); 4]; 4];
            if whole {
                let first = (corner[0] - before[0]) * width + corner[1] - before[1];
                let x = x.add(first * inputs + channel);
                for row in 0..4 {
                    for column in 0..4 {
                        d[row][column] = S::load(x.add((row * width + column) * inputs));
                    }
                }
            } else {
                for row in rows.clone() {
                    for column in columns.clone() {
                        let (y, x_at) = (corner[0] + row - before[0], corner[1] + column - before[1]);
                        d[row][column] = S::load(x.add((y * width + x_at) * inputs + channel));
                    }
                }
            }
            let v = v.add(channel);
            for (frequency, &value) in input::<S>(d).as_flattened().iter().enumerate() {
                S::store(v.add(frequency * STRIP * inputs), value);
            }
        }
    }
}

/// Adds the step that transforms all tiles of map `x`, and gives where they lie.
pub(super) fn lower_transform(cx: &mut Lowering<'_>, x: Slot, tiles: &Tiles) -> Slot {
    let v = form::temporary(cx, tiles.groups * tiles.group_len());
    let pieces = Pieces::of(tiles.count(), tiles.groups * tiles.group_len() * 4);
    cx.push(Transform { x, v, tiles: tiles.clone(), pieces });
    v
}
