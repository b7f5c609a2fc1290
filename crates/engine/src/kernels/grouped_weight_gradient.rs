//! The gradient of a convolution's weight where channels are in groups: of each output channel the sums of its few taps,
//! kept in registers, over positions and examples.

use graph::ValueId;

use super::conv::padded_input;
use super::geometry::Geometry;
use super::live_lanes::zero_beyond;
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Taps whose gradients are kept in registers at once.
const TAP_BLOCK: usize = 9;

#[derive(Clone, Copy)]
struct Data<'a> {
    x: *const f32,
    dw: *mut f32,
    w_stride: usize,
    geometry: &'a Geometry,
    taps: &'a [(usize, usize)],
    lanes: usize,
}

/// `dw[tap][o] = sum over positions and lanes of dy[o][position][lane] x[tap's place][lane]`.
struct GroupedWeightGradient {
    dy: Slot,
    x: Slot,
    dw: Slot,
    w_stride: usize,
    geometry: Geometry,
    /// Rows of the weight with the taps' places.
    taps: Vec<(usize, usize)>,
    pieces: Pieces,
    lanes: usize,
}

impl Step for GroupedWeightGradient {
    fn name(&self) -> String {
        format!("grouped conv {} weight gradient", self.geometry.channels_out)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.dy, &self.pieces, self.geometry.positions() * self.lanes),
            Access::read(self.x),
            Access::write(self.dw),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start, range.end);
        let dy: *const f32 = cx.memory.at(self.dy);
        let data = Data {
            x: cx.memory.at(self.x),
            dw: cx.memory.at(self.dw),
            w_stride: self.w_stride,
            geometry: &self.geometry,
            taps: &self.taps,
            lanes: self.lanes,
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
        for taps in data.taps.chunks(TAP_BLOCK) {
            // SAFETY: the caller's.
            unsafe {
                match <&[(usize, usize); TAP_BLOCK]>::try_from(taps) {
                    Ok(taps) => tap_gradients::<S, TAP_BLOCK>(data, dy, channel, taps),
                    Err(_) => taps.iter().for_each(|&tap| tap_gradients::<S, 1>(data, dy, channel, &[tap])),
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
    taps: &[(usize, usize); T],
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
                        sums[tap] = S::mul_add(factor, S::load(input.add(taps[tap].1 + lane)), sums[tap]);
                    }
                }
            }
        }
        for tap in 0..T {
            *data.dw.add(taps[tap].0 * data.w_stride + channel) = S::sum(sums[tap]);
        }
    }
}

/// Lowers a `ConvGradWeight(dy, x)` of more than one group.
pub(super) fn lower(
    cx: &mut Lowering<'_>,
    dy: ValueId,
    x: ValueId,
    dw: ValueId,
    geometry: Geometry,
    w_stride: usize,
) -> bool {
    let x = padded_input(cx, x, &geometry);
    let lanes = cx.lanes;
    let pieces = Pieces::of(geometry.channels_out, geometry.work(lanes));
    let (dy, dw) = (zero_beyond(cx, dy), cx.slot(dw));
    let taps = geometry.taps_in_order(lanes);
    cx.push(GroupedWeightGradient { dy, x, dw, w_stride, geometry, taps, pieces, lanes });
    true
}
