//! The gradients of a convolution with respect to its input and its weight.

use graph::NodeId;

use super::conv::{Data, geometry_of, padded_input};
use super::geometry::Geometry;
use super::live_lanes::zero_beyond;
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use super::tile::{lane_blocks, products, row_blocks, zero};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Taps whose gradients are kept in registers at once.
const TAP_BLOCK: usize = 9;

/// `dx[i][place][lane] = sum over output channels and taps that read the place of w[o][i, tap] dy[o][position][lane]`.
struct InputGradient {
    dy: Slot,
    w: Slot,
    w_stride: usize,
    dx: Slot,
    geometry: Geometry,
    pieces: Pieces,
    lanes: usize,
}

impl Step for InputGradient {
    fn name(&self) -> String {
        "conv input gradient".to_owned()
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let plane = self.geometry.input[0] * self.geometry.input[1] * self.lanes;
        vec![Access::read(self.dy), Access::read(self.w), Access::write_own(self.dx, &self.pieces, plane)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start, range.end);
        let data = Data {
            x: cx.memory.at(self.dy),
            w: cx.memory.at(self.w),
            w_stride: self.w_stride,
            bias: std::ptr::null(),
            y: cx.memory.at(self.dx),
            geometry: &self.geometry,
            offsets: &[],
            lanes: self.lanes,
            relu: false,
        };
        // SAFETY: the geometry was inferred from these buffers' shapes; input channels `from..to` are the piece's.
        unsafe { dispatch!(cx.level => input_gradient::<S>(data: Data<'_>, from: usize, to: usize)) };
    }
}

#[inline(always)]
unsafe fn input_gradient<S: Simd>(data: Data<'_>, from: usize, to: usize) {
    let geometry = data.geometry;
    let per_group = geometry.channels_per_group();
    let mut first = from;
    while first < to {
        let group = first / per_group;
        let last = to.min((group + 1) * per_group);
        for y in 0..geometry.input[0] {
            for x in 0..geometry.input[1] {
                // SAFETY: the place lies inside of the maps.
                unsafe {
                    lane_blocks!(S, data.lanes, lane, J => row_blocks!(S, first, last, channel, R => {
                        input_gradient_tile::<S, R, J>(data, group, channel, [y, x], lane)
                    }));
                }
            }
        }
        first = last;
    }
}

#[inline(always)]
unsafe fn input_gradient_tile<S: Simd, const R: usize, const J: usize>(
    data: Data<'_>,
    group: usize,
    channel: usize,
    place: [usize; 2],
    lane: usize,
) {
    let geometry = data.geometry;
    let outputs = geometry.channels_out / geometry.groups;
    let window = geometry.kernel[0] * geometry.kernel[1];
    // SAFETY: the caller's; `position` gives places inside of the output maps only.
    unsafe {
        let mut tile = zero::<S, R, J>();
        for tap_y in 0..geometry.kernel[0] {
            let Some(y) = position(geometry, 0, place[0], tap_y) else { continue };
            for tap_x in 0..geometry.kernel[1] {
                let Some(x) = position(geometry, 1, place[1], tap_x) else { continue };
                let tap = tap_y * geometry.kernel[1] + tap_x;
                let inner = channel - group * geometry.channels_per_group();
                let w = data.w.add(group * outputs * data.w_stride + inner * window + tap);
                let from = group * outputs * geometry.positions() + y * geometry.output[1] + x;
                let dy = data.x.add(from * data.lanes + lane);
                let step = geometry.positions() * data.lanes;
                products::<S, R, J>(&mut tile, w, window, data.w_stride, dy, step, outputs);
            }
        }
        for r in 0..R {
            let at = ((channel + r) * geometry.input[0] + place[0]) * geometry.input[1] + place[1];
            for j in 0..J {
                S::store(data.y.add(at * data.lanes + lane + j * S::WIDTH), tile[r][j]);
            }
        }
    }
}

/// The output position whose window has the input place `place` under tap `tap`, along one axis.
#[inline(always)]
fn position(geometry: &Geometry, axis: usize, place: usize, tap: usize) -> Option<usize> {
    let start = (place + geometry.before[axis]).checked_sub(tap * geometry.dilation[axis])?;
    let position = start / geometry.stride[axis];
    (start % geometry.stride[axis] == 0 && position < geometry.output[axis]).then_some(position)
}

/// `dw[o][tap] = sum over positions and lanes of dy[o][position][lane] x[tap's place][lane]`.
struct WeightGradient {
    dy: Slot,
    x: Slot,
    dw: Slot,
    w_stride: usize,
    geometry: Geometry,
    offsets: Vec<usize>,
    pieces: Pieces,
    lanes: usize,
}

impl Step for WeightGradient {
    fn name(&self) -> String {
        "conv weight gradient".to_owned()
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.dy, &self.pieces, self.geometry.positions() * self.lanes),
            Access::read(self.x),
            Access::write_own(self.dw, &self.pieces, self.w_stride),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start, range.end);
        let dy: *const f32 = cx.memory.at(self.dy);
        let data = Data {
            x: cx.memory.at(self.x),
            w: std::ptr::null(),
            w_stride: self.w_stride,
            bias: std::ptr::null(),
            y: cx.memory.at(self.dw),
            geometry: &self.geometry,
            offsets: &self.offsets,
            lanes: self.lanes,
            relu: false,
        };
        // SAFETY: the geometry was inferred from these buffers' shapes; output channels `from..to` are the piece's.
        unsafe {
            dispatch!(cx.level => weight_gradient::<S>(data: Data<'_>, dy: *const f32, from: usize, to: usize))
        };
    }
}

#[inline(always)]
unsafe fn weight_gradient<S: Simd>(data: Data<'_>, dy: *const f32, from: usize, to: usize) {
    for channel in from..to {
        for (block, offsets) in data.offsets.chunks(TAP_BLOCK).enumerate() {
            // SAFETY: the caller's; taps of the block lie inside of the channel's row.
            unsafe {
                let dw = data.y.add(channel * data.w_stride + block * TAP_BLOCK);
                match <&[usize; TAP_BLOCK]>::try_from(offsets) {
                    Ok(offsets) => tap_gradients::<S, TAP_BLOCK>(data, dy, channel, offsets, dw),
                    Err(_) => {
                        for (tap, &offset) in offsets.iter().enumerate() {
                            tap_gradients::<S, 1>(data, dy, channel, &[offset], dw.add(tap));
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn tap_gradients<S: Simd, const T: usize>(
    data: Data<'_>,
    dy: *const f32,
    channel: usize,
    offsets: &[usize; T],
    dw: *mut f32,
) {
    let geometry = data.geometry;
    let [height, width] = geometry.padded();
    let group = channel / (geometry.channels_out / geometry.groups);
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [S::splat(0.0); T];
        for y in 0..geometry.output[0] {
            for x in 0..geometry.output[1] {
                let corner = (group * geometry.channels_per_group() * height + y * geometry.stride[0])
                    * width
                    + x * geometry.stride[1];
                let input = data.x.add(corner * data.lanes);
                let dy = dy.add((channel * geometry.positions() + y * geometry.output[1] + x) * data.lanes);
                for lane in (0..data.lanes).step_by(S::WIDTH) {
                    let factor = S::load(dy.add(lane));
                    for tap in 0..T {
                        sums[tap] = S::mul_add(factor, S::load(input.add(offsets[tap] + lane)), sums[tap]);
                    }
                }
            }
        }
        for tap in 0..T {
            *dw.add(tap) = S::sum(sums[tap]);
        }
    }
}

/// Lowers `ConvGradInput(dy, w)`.
pub(crate) fn lower_input_gradient(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(dy), Some(w)) = (node.inputs[0], node.inputs[1]) else { return false };
    let Some((geometry, plain)) = geometry_of(cx, node, node.outputs[0], dy, w) else { return false };
    let lanes = cx.lanes;
    let pieces = Pieces::of(geometry.channels_in, geometry.work(lanes));
    cx.set_cut(node.outputs[0], pieces.scaled(geometry.input[0] * geometry.input[1]));
    let (dy, w, dx) = (cx.slot(dy), cx.slot(w), cx.slot(node.outputs[0]));
    cx.push(InputGradient { dy, w, w_stride: plain.stride, dx, geometry, pieces, lanes });
    true
}

/// Lowers `ConvGradWeight(dy, x)`.
pub(crate) fn lower_weight_gradient(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(dy), Some(x)) = (node.inputs[0], node.inputs[1]) else { return false };
    let dw = node.outputs[0];
    let Some((geometry, plain)) = geometry_of(cx, node, x, dy, dw) else { return false };
    let x = padded_input(cx, x, &geometry);
    let lanes = cx.lanes;
    let pieces = Pieces::of(geometry.channels_out, geometry.work(lanes));
    let (dy, dw) = (zero_beyond(cx, dy), cx.slot(dw));
    let offsets = geometry.tap_offsets(lanes);
    cx.push(WeightGradient { dy, x, dw, w_stride: plain.stride, geometry, offsets, pieces, lanes });
    true
}
