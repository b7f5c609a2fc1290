//! The gradient of a convolution with respect to its input: the direct sum with the roles of the channels exchanged.

use std::ops::Range;

use graph::NodeId;

use super::conv::{by_group, geometry_of};
use super::direct::{Meetings, Sum};
use super::geometry::Geometry;
use super::memory::Slot;
use super::winograd::{Tiles, transformed_weight};
use super::winograd_conv::Parts;
use crate::costs::Pass;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `dx[i][place][lane] = sum over output channels and taps that read the place of w[i, tap][o] dy[o][position][lane]`.
struct InputGradient {
    dy: Slot,
    w: Slot,
    w_stride: usize,
    dx: Slot,
    geometry: Geometry,
    meetings: Meetings,
    pieces: Pieces,
    lanes: usize,
}

impl Step for InputGradient {
    fn name(&self) -> String {
        let [height, width] = self.geometry.kernel;
        format!("conv {} {height}x{width} input gradient", self.geometry.channels_out)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.geometry.work(self.lanes) as u64
    }

    fn access(&self) -> Vec<Access> {
        let plane = self.geometry.input[0] * self.geometry.input[1] * self.lanes;
        vec![Access::read(self.dy), Access::read(self.w), Access::write_own(self.dx, &self.pieces, plane)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    fn stays_together(&self) -> bool {
        true
    }

    /// Pieces are input channels. Those of one thread are computed together: they read the same gradient.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let geometry = &self.geometry;
        let (per_group, channels) = (geometry.channels_per_group(), geometry.channels_out / geometry.groups);
        let (dy, w, dx) = (cx.memory.at(self.dy), cx.memory.at(self.w), cx.memory.at(self.dx));
        let x_channel = geometry.positions() * self.lanes;
        let plane = geometry.input[0] * geometry.input[1] * self.lanes;
        for (group, rows) in by_group(self.pieces.span(pieces), per_group) {
            // SAFETY: the geometry was inferred from these buffers' shapes; the input channels are the pieces'.
            unsafe {
                let sum = Sum {
                    x: dy.add(group * channels * x_channel),
                    x_channel,
                    w: w.add(group * channels),
                    w_row: geometry.window() * self.w_stride,
                    w_channel: 1,
                    w_tap: self.w_stride,
                    bias: std::ptr::null(),
                    relu: false,
                    y: dx.add(group * per_group * plane),
                    channels,
                    meetings: &self.meetings,
                    lanes: self.lanes,
                };
                sum.run(rows.start, rows.end, cx.level);
            }
        }
    }
}

/// Lowers `ConvGradInput(dy, w)`.
pub(crate) fn lower_input_gradient(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(dy), Some(w)) = (node.inputs[0], node.inputs[1]) else { return false };
    let Some((geometry, plain)) = geometry_of(cx, node, node.outputs[0], dy, w) else { return false };
    if let Some(side) = cx.algorithm(&geometry, Pass::Maps).side() {
        let (dy, w, dx) = (cx.slot(dy), cx.slot(w), cx.slot(node.outputs[0]));
        let (u, shape) = transformed_weight(cx, w, geometry.channels_in, plain.stride, side, true);
        let Geometry { channels_in, channels_out, input, output, before, .. } = geometry;
        let tiles = Tiles { side, input: output, output: input, before: before.map(|pad| 2 - pad) };
        let parts = Parts {
            name: format!("conv {channels_out} 3x3 input gradient, {}", shape.name()),
            x: dy,
            u,
            shape,
            backward: true,
            bias: None,
            relu: false,
            y: dx,
            channels: [channels_out, channels_in],
            tiles,
        };
        parts.push(cx);
        return true;
    }
    let lanes = cx.lanes;
    let pieces = Pieces::of(geometry.channels_in, geometry.work(lanes));
    cx.set_cut(node.outputs[0], pieces.scaled(geometry.input[0] * geometry.input[1]));
    let (dy, w, dx) = (cx.slot(dy), cx.slot(w), cx.slot(node.outputs[0]));
    let meetings = Meetings::backward(&geometry);
    cx.push(InputGradient { dy, w, w_stride: plain.stride, dx, geometry, meetings, pieces, lanes });
    true
}
