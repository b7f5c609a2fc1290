//! The gradient of a convolution with respect to its weight: for every tap an outer product of input channels and output
//! channels, summed over positions and examples. Output channels lie in the lanes, so no sum crosses a vector, and only
//! the examples that are there are computed.

use std::ops::Range;

use graph::NodeId;

use super::conv::{geometry_of, padded_input};
use super::geometry::Geometry;
use super::grouped_weight_gradient;
use super::memory::{ALIGNMENT, Slot};
use super::simd::{Simd, dispatch};
use super::tile::{products_from, row_blocks, zero};
use super::weight_result::{Sink, WeightResult, dispatch_sink};
use super::winograd::Tiles;
use super::winograd_weight_gradient;
use crate::costs::{Algorithm, Pass};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Output channels that lie side by side in a panel.
pub(super) const PANEL: usize = 32;
/// Positions, and examples of each, whose products are added up before the sum is added to the gradient: their panel stays in
/// the first-level cache, and sums of sums round less than long sums.
const PLACES: usize = 4;
pub(super) const EXAMPLES: usize = 32;
/// Up to so many input channels all taps are rows alike, over a padded input.
const FEW_CHANNELS: usize = 8;

/// `panels[block][position][lane][o] = dy[32 block + o][position][lane]`, zero for channels beyond the last.
struct Panels {
    dy: Slot,
    panels: Slot,
    channels: usize,
    positions: usize,
    /// Over blocks and positions.
    pieces: Pieces,
    lanes: usize,
}

impl Step for Panels {
    fn name(&self) -> String {
        format!("panels {}", self.channels)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.dy), Access::write_own(self.panels, &self.pieces, self.lanes * PANEL)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let (positions, lanes, live) = (self.positions, self.lanes, cx.live());
        for item in self.pieces.range(piece) {
            let (block, position) = (item / positions, item % positions);
            let first = block * PANEL;
            let count = PANEL.min(self.channels - first);
            let row = positions * lanes;
            // SAFETY: the item's panel belongs to this piece; channels and positions lie inside of `dy`.
            unsafe {
                let dy = cx.memory.at(self.dy).add(first * row + position * lanes).cast_const();
                let panel = cx.memory.at(self.panels).add(item * lanes * PANEL);
                dispatch!(cx.level => panel_of::<S>(dy: *const f32, row: usize, panel: *mut f32, count: usize, live: usize));
            }
        }
    }
}

/// `panel[lane][o] = dy[o][lane]` for the first `live` lanes, zero from channel `count` on.
///
/// # Safety
///
/// `dy` has `count` channels, `row` elements apart, and the panel `live` lanes, in whole vectors.
#[inline(always)]
pub(super) unsafe fn panel_of<S: Simd>(
    dy: *const f32,
    row: usize,
    panel: *mut f32,
    count: usize,
    live: usize,
) {
    for channel in (0..PANEL).step_by(S::WIDTH) {
        for lane in (0..live).step_by(S::WIDTH) {
            // SAFETY: the caller's; lanes are whole vectors.
            unsafe {
                let panel = panel.add(lane * PANEL + channel);
                if channel + S::WIDTH <= count {
                    S::turn(dy.add(channel * row + lane), row, panel, PANEL);
                    continue;
                }
                for down in 0..S::WIDTH {
                    for right in 0..S::WIDTH {
                        let inside = channel + right < count;
                        let value = if inside { *dy.add((channel + right) * row + lane + down) } else { 0.0 };
                        *panel.add(down * PANEL + right) = value;
                    }
                }
            }
        }
    }
}

/// `dw[i, tap][o] = sum over positions and examples of x[i][tap's place][lane] dy[o][position][lane]`.
struct WeightGradient {
    x: Slot,
    panels: Slot,
    result: WeightResult,
    /// The gradient while it is a part of its sum.
    partial: Slot,
    w_stride: usize,
    geometry: Geometry,
    /// Whether `x` has zeros around it, and the pieces are rows of the weight; else they are input channels.
    padded: bool,
    pieces: Pieces,
    lanes: usize,
}

impl Step for WeightGradient {
    fn name(&self) -> String {
        let [height, width] = self.geometry.kernel;
        let update = self.result.suffix();
        format!("conv {} {height}x{width} weight gradient{update}", self.geometry.channels_out)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.geometry.work(self.lanes) as u64
    }

    fn access(&self) -> Vec<Access> {
        let rows = if self.padded { 1 } else { self.geometry.window() };
        let mut access = self.result.access(&self.pieces, rows * self.w_stride);
        access.extend([
            Access::read(self.x),
            Access::read(self.panels),
            Access::write_own(self.partial, &self.pieces, rows * self.w_stride),
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
        let range = self.pieces.span(pieces);
        let (from, to) = (range.start, range.end);
        let data = Data {
            x: cx.memory.at(self.x),
            panels: cx.memory.at(self.panels),
            partial: cx.memory.at(self.partial),
            w_stride: self.w_stride,
            geometry: &self.geometry,
            lanes: self.lanes,
            live: cx.live(),
            examples: (0, 0),
        };
        // SAFETY: the geometry was inferred from these buffers' shapes; the rows of the weight are the pieces'.
        unsafe {
            if self.padded {
                dispatch_sink!(&self.result, cx => all_taps(data: Data<'_>, from: usize, to: usize));
            } else if is_whole(&self.geometry, self.lanes) {
                dispatch_sink!(&self.result, cx => row_by_row(data: Data<'_>, from: usize, to: usize));
            } else {
                dispatch_sink!(&self.result, cx => tap_by_tap(data: Data<'_>, from: usize, to: usize));
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Data<'a> {
    x: *const f32,
    panels: *const f32,
    partial: *mut f32,
    w_stride: usize,
    geometry: &'a Geometry,
    lanes: usize,
    /// Examples of the batch.
    live: usize,
    /// The examples that are worked on: the first, and how many.
    examples: (usize, usize),
}

impl Data<'_> {
    /// The examples, a few at a time.
    fn each(self) -> impl Iterator<Item = Self> {
        let few = move |first| Data { examples: (first, EXAMPLES.min(self.live - first)), ..self };
        (0..self.live).step_by(EXAMPLES).map(few)
    }

    /// How far the sum is with these examples at the places from `position` on.
    fn part(&self, position: usize) -> Part {
        let (first, count) = self.examples;
        Part {
            first: first == 0 && position == 0,
            last: first + count == self.live && position + PLACES >= self.geometry.positions(),
        }
    }
}

/// Whether there are so few places and examples that the first part of a sum is all of it.
fn is_whole(geometry: &Geometry, lanes: usize) -> bool {
    geometry.positions() <= PLACES && lanes <= EXAMPLES
}

/// Which part of a sum is added.
#[derive(Clone, Copy)]
struct Part {
    /// Nothing was added before.
    first: bool,
    /// Nothing will be added.
    last: bool,
}

/// Where a few positions of a tap lie: their distance in `x`, and in the panels of a block.
#[derive(Clone, Copy)]
struct Places {
    list: [(usize, usize); PLACES],
    count: usize,
}

impl Places {
    const NONE: Places = Places { list: [(0, 0); PLACES], count: 0 };

    #[inline(always)]
    fn push(&mut self, place: (usize, usize)) {
        self.list[self.count] = place;
        self.count += 1;
    }
}

/// The gradients of input channels `from..to`, tap by tap: of each tap only the positions inside of the maps.
#[inline(always)]
unsafe fn tap_by_tap<S: Simd, K: Sink>(sink: K, data: Data<'_>, from: usize, to: usize) {
    let Data { geometry, lanes, .. } = data;
    let (positions, window) = (geometry.positions(), geometry.window());
    let plane = geometry.input[0] * geometry.input[1] * lanes;
    for block in (0..geometry.channels_out).step_by(PANEL) {
        for first in (0..positions).step_by(PLACES) {
            let panel = data.panels.wrapping_add((block * positions + first * PANEL) * lanes);
            for data in data.each() {
                row_blocks!(S, from, to, channel, R => {
                    for tap in 0..window {
                        let places = places_of(geometry, tap, first, lanes);
                        // SAFETY: the caller's; the places lie inside of the maps.
                        unsafe {
                            let x: [*const f32; R] =
                                std::array::from_fn(|r| data.x.add((channel + r) * plane));
                            let row = channel * window + tap;
                            sum::<S, K, R>(sink, data, x, panel, places, block, (row, window), data.part(first));
                        }
                    }
                });
            }
        }
    }
}

/// As [`tap_by_tap`], of so few places and examples that each weight's sum is whole at once: then reading and writing the weights
/// takes the time, and they are gone through from end to end.
#[inline(always)]
unsafe fn row_by_row<S: Simd, K: Sink>(sink: K, data: Data<'_>, from: usize, to: usize) {
    let Data { geometry, lanes, live, .. } = data;
    let (positions, window) = (geometry.positions(), geometry.window());
    let plane = geometry.input[0] * geometry.input[1] * lanes;
    let data = Data { examples: (0, live), ..data };
    row_blocks!(S, from, to, channel, R => {
        for tap in 0..window {
            let places = places_of(geometry, tap, 0, lanes);
            for block in (0..geometry.channels_out).step_by(PANEL) {
                let panel = data.panels.wrapping_add(block * positions * lanes);
                // SAFETY: the caller's; the places lie inside of the maps.
                unsafe {
                    let x: [*const f32; R] = std::array::from_fn(|r| data.x.add((channel + r) * plane));
                    let row = channel * window + tap;
                    sum::<S, K, R>(sink, data, x, panel, places, block, (row, window), data.part(0));
                }
            }
        }
    });
}

/// The gradients of rows `from..to` of the weight, whose windows lie inside of the padded input everywhere.
#[inline(always)]
unsafe fn all_taps<S: Simd, K: Sink>(sink: K, data: Data<'_>, from: usize, to: usize) {
    let Data { geometry, lanes, .. } = data;
    let positions = geometry.positions();
    let [height, width] = geometry.padded();
    let offset = |row: usize| {
        let (channel, tap) = (row / geometry.window(), row % geometry.window());
        let (y, x) = (tap / geometry.kernel[1], tap % geometry.kernel[1]);
        ((channel * height + y * geometry.dilation[0]) * width + x * geometry.dilation[1]) * lanes
    };
    for block in (0..geometry.channels_out).step_by(PANEL) {
        for first in (0..positions).step_by(PLACES) {
            let panel = data.panels.wrapping_add((block * positions + first * PANEL) * lanes);
            let mut places = Places::NONE;
            for position in first..positions.min(first + PLACES) {
                let (y, x) = (position / geometry.output[1], position % geometry.output[1]);
                let corner = (y * geometry.stride[0] * width + x * geometry.stride[1]) * lanes;
                places.push((corner, (position - first) * PANEL * lanes));
            }
            for data in data.each() {
                row_blocks!(S, from, to, row, R => {
                    // SAFETY: the caller's; the windows lie inside of the padded maps.
                    unsafe {
                        let x: [*const f32; R] = std::array::from_fn(|r| data.x.add(offset(row + r)));
                        sum::<S, K, R>(sink, data, x, panel, places, block, (row, 1), data.part(first));
                    }
                });
            }
        }
    }
}

/// Of the positions from `first` on, those at which `tap` lies inside of the input.
#[inline(always)]
fn places_of(geometry: &Geometry, tap: usize, first: usize, lanes: usize) -> Places {
    let mut places = Places::NONE;
    let taps = [tap / geometry.kernel[1], tap % geometry.kernel[1]];
    for position in first..geometry.positions().min(first + PLACES) {
        let at = [position / geometry.output[1], position % geometry.output[1]];
        let source = |axis: usize| {
            let padded = at[axis] * geometry.stride[axis] + taps[axis] * geometry.dilation[axis];
            padded.wrapping_sub(geometry.before[axis])
        };
        let (y, x) = (source(0), source(1));
        if y < geometry.input[0] && x < geometry.input[1] {
            places.push(((y * geometry.input[1] + x) * lanes, (position - first) * PANEL * lanes));
        }
    }
    places
}

/// Adds the products of a few places to `R` rows of the gradient, of one block of output channels.
#[inline(always)]
unsafe fn sum<S: Simd, K: Sink, const R: usize>(
    sink: K,
    data: Data<'_>,
    x: [*const f32; R],
    panel: *const f32,
    places: Places,
    block: usize,
    rows: (usize, usize),
    part: Part,
) {
    // SAFETY: the caller's; a row of the weight is padded to sixteen columns.
    unsafe {
        match (data.geometry.channels_out - block > 16, S::WIDTH) {
            (true, 16) => sum_columns::<S, K, R, 2>(sink, data, x, panel, places, block, rows, part),
            (true, _) => sum_columns::<S, K, R, 4>(sink, data, x, panel, places, block, rows, part),
            (false, 16) => sum_columns::<S, K, R, 1>(sink, data, x, panel, places, block, rows, part),
            (false, _) => sum_columns::<S, K, R, 2>(sink, data, x, panel, places, block, rows, part),
        }
    }
}

#[inline(always)]
unsafe fn sum_columns<S: Simd, K: Sink, const R: usize, const J: usize>(
    sink: K,
    data: Data<'_>,
    x: [*const f32; R],
    panel: *const f32,
    places: Places,
    block: usize,
    (row, step): (usize, usize),
    part: Part,
) {
    // SAFETY: the caller's.
    unsafe {
        let at = |r: usize, j: usize| (row + r * step) * data.w_stride + block + j * S::WIDTH;
        if part.last {
            for r in 0..R {
                for j in (0..J).step_by(ALIGNMENT / S::WIDTH) {
                    sink.ask::<S>(at(r, j));
                }
            }
        }
        let mut tile = zero::<S, R, J>();
        let (first, count) = data.examples;
        for &(source, at) in &places.list[..places.count] {
            let x = x.map(|x| x.add(source + first));
            products_from::<S, R, J>(&mut tile, x, (panel.add(at + first * PANEL), PANEL), count);
        }
        for r in 0..R {
            for j in 0..J {
                let at = at(r, j);
                let partial = data.partial.wrapping_add(at);
                let before = if part.first { S::splat(0.0) } else { S::load(partial) };
                let value = S::add(before, tile[r][j]);
                if part.last {
                    sink.take::<S>(at, value);
                } else {
                    S::store(partial, value);
                }
            }
        }
    }
}

/// Lowers `ConvGradWeight(dy, x)`.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(dy), Some(x)) = (node.inputs[0], node.inputs[1]) else { return false };
    let dw = node.outputs[0];
    let Some((geometry, plain)) = geometry_of(cx, node, x, dy, dw) else { return false };
    if geometry.groups > 1 {
        return grouped_weight_gradient::lower(cx, dy, x, dw, geometry, plain.stride);
    }
    let padded = geometry.channels_in <= FEW_CHANNELS;
    let x = if padded { padded_input(cx, x, &geometry) } else { cx.slot(x) };
    let (lanes, positions, channels) = (cx.lanes, geometry.positions(), geometry.channels_out);
    let items = channels.div_ceil(PANEL) * positions;
    let panels = cx.temporary(items * lanes * PANEL);
    let dy = cx.slot(dy);
    let pieces = Pieces::of(items, items * lanes * PANEL * 8);
    cx.push(Panels { dy, panels, channels, positions, pieces, lanes });
    let result = WeightResult::of(cx, dw);
    if cx.algorithm(&geometry, Pass::Weight) == Algorithm::Winograd2x2 {
        let Geometry { channels_in, channels_out, input, output, before, .. } = geometry;
        let tiles = Tiles { side: 2, input, output, before };
        winograd_weight_gradient::push(
            cx,
            [x, panels],
            result,
            [channels_in, channels_out],
            plain.stride,
            tiles,
        );
        return true;
    }
    let rows = if padded { plain.rows } else { geometry.channels_in };
    let pieces = Pieces::of(rows, geometry.work(lanes));
    let partial = result.room(cx, if is_whole(&geometry, lanes) { 0 } else { plain.rows * plain.stride });
    let w_stride = plain.stride;
    cx.push(WeightGradient { x, panels, result, partial, w_stride, geometry, padded, pieces, lanes });
    true
}
