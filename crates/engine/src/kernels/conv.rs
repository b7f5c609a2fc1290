//! Convolutions with the batch in the lanes: every tap is one broadcast weight times vectors of examples, so
//! stride, dilation, groups and map size cost no shuffles.

use std::ops::Range;

use graph::{Node, NodeId, ValueId};

use super::direct::{Meetings, Sum};
use super::geometry::Geometry;
use super::memory::Slot;
use super::winograd::{Tiles, transformed_weight};
use super::winograd_conv::Parts;
use crate::costs::Pass;
use crate::lower::{Layout, Lowering, Plain};
use crate::step::{Access, Context, Pieces, Step};

/// Copies maps into the middle of larger maps whose border is zero.
struct Pad {
    x: Slot,
    padded: Slot,
    geometry: Geometry,
    pieces: Pieces,
    lanes: usize,
}

impl Step for Pad {
    fn name(&self) -> String {
        "pad".to_owned()
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let [height, width] = self.geometry.padded();
        let plane = self.geometry.input[0] * self.geometry.input[1] * self.lanes;
        vec![
            Access::read_own(self.x, &self.pieces, plane),
            Access::write_own(self.padded, &self.pieces, height * width * self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let [height, width] = self.geometry.input;
        let [padded_height, padded_width] = self.geometry.padded();
        let [top, left] = self.geometry.before;
        for channel in self.pieces.range(piece) {
            for row in 0..height {
                let from = (channel * height + row) * width * self.lanes;
                let to = ((channel * padded_height + top + row) * padded_width + left) * self.lanes;
                // SAFETY: both rows lie inside of their maps; the channel belongs to this piece.
                unsafe {
                    let (x, padded) = (cx.memory.at(self.x).add(from), cx.memory.at(self.padded).add(to));
                    std::ptr::copy_nonoverlapping(x, padded, width * self.lanes);
                }
            }
        }
    }
}

/// The input of a convolution as the kernels read it: itself, or a copy with zeros around.
pub(crate) fn padded_input(cx: &mut Lowering<'_>, x: ValueId, geometry: &Geometry) -> Slot {
    let x_slot = cx.slot(x);
    if !geometry.is_padded() {
        return x_slot;
    }
    let lanes = cx.lanes;
    let [height, width] = geometry.padded();
    let (padded, fresh) = cx.padded(x, &geometry.pads(), geometry.channels_in * height * width * lanes);
    if fresh {
        let pieces = Pieces::of(geometry.channels_in, geometry.channels_in * height * width * lanes);
        cx.push(Pad { x: x_slot, padded, geometry: geometry.clone(), pieces, lanes });
    }
    padded
}

/// `y[o][position][lane] = activation(b[o] + sum over taps of w[tap][o] x[tap's place][lane])`.
struct Forward {
    x: Slot,
    w: Slot,
    w_stride: usize,
    bias: Option<Slot>,
    y: Slot,
    relu: bool,
    geometry: Geometry,
    meetings: Meetings,
    pieces: Pieces,
    lanes: usize,
}

impl Step for Forward {
    fn name(&self) -> String {
        let [height, width] = self.geometry.kernel;
        let relu = if self.relu { " + relu" } else { "" };
        format!("conv {} {height}x{width}{relu}", self.geometry.channels_out)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.geometry.work(self.lanes) as u64
    }

    fn access(&self) -> Vec<Access> {
        let mut access = vec![
            Access::read(self.x),
            Access::read(self.w),
            Access::write_own(self.y, &self.pieces, self.geometry.positions() * self.lanes),
        ];
        access.extend(self.bias.map(Access::read));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    fn stays_together(&self) -> bool {
        true
    }

    /// Pieces are output channels. Those of one thread are computed together: they read the same input.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let geometry = &self.geometry;
        let (per_group, channels) = (geometry.channels_out / geometry.groups, geometry.channels_per_group());
        let (x, w, y) = (cx.memory.at(self.x), cx.memory.at(self.w), cx.memory.at(self.y));
        let bias: *const f32 = self.bias.map_or(std::ptr::null(), |bias| cx.memory.at(bias));
        let x_channel = geometry.input[0] * geometry.input[1] * self.lanes;
        for (group, rows) in by_group(self.pieces.span(pieces), per_group) {
            // SAFETY: the geometry was inferred from these buffers' shapes; the output channels are the pieces'.
            unsafe {
                let first = group * per_group;
                let sum = Sum {
                    x: x.add(group * channels * x_channel),
                    x_channel,
                    w: w.add(first),
                    w_row: 1,
                    w_channel: geometry.window() * self.w_stride,
                    w_tap: self.w_stride,
                    bias: if bias.is_null() { bias } else { bias.add(first) },
                    relu: self.relu,
                    y: y.add(first * geometry.positions() * self.lanes),
                    channels,
                    meetings: &self.meetings,
                    lanes: self.lanes,
                };
                sum.run(rows.start, rows.end, cx.level);
            }
        }
    }
}

/// A range of channels cut into groups of `per_group`: each group's number, and its part counted from its first channel.
pub(super) fn by_group(range: Range<usize>, per_group: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let groups = range.start / per_group..range.end.div_ceil(per_group);
    groups.map(move |group| {
        let first = group * per_group;
        (group, range.start.max(first) - first..range.end.min(first + per_group) - first)
    })
}

/// Lengths of a convolution from its node and values; `None` where no kernel fits.
pub(super) fn geometry_of(
    cx: &Lowering<'_>,
    node: &Node,
    x: ValueId,
    y: ValueId,
    w: ValueId,
) -> Option<(Geometry, Plain)> {
    let Layout::Plain(plain) = cx.layout(w) else { return None };
    if !plain.transposed {
        return None;
    }
    let kernel = plain.shape.get(2..)?.to_vec();
    let geometry = Geometry::of(node, &cx.feature_dims(x)?, &cx.feature_dims(y)?, &kernel)?;
    Some((geometry, plain))
}

/// A forward convolution as the kernels see it.
pub(crate) struct Convolution {
    pub(crate) x: ValueId,
    pub(crate) w: Slot,
    pub(crate) w_stride: usize,
    pub(crate) bias: Option<Slot>,
    pub(crate) geometry: Geometry,
}

impl Convolution {
    /// Reads a `Conv` node, if the kernels can take it.
    pub(crate) fn of(cx: &mut Lowering<'_>, node: &Node) -> Option<Self> {
        let (x, w) = (node.inputs[0]?, node.inputs[1]?);
        let (geometry, plain) = geometry_of(cx, node, x, node.outputs[0], w)?;
        let bias = node.inputs.get(2).copied().flatten().map(|bias| cx.slot(bias));
        Some(Convolution { x, w: cx.slot(w), w_stride: plain.stride, bias, geometry })
    }
}

/// Lowers `Conv` with a ReLU behind it.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let Some(conv) = Convolution::of(cx, node) else { return false };
    let relu = cx.only_user(node.outputs[0]).filter(|&user| cx.graph.node(user).op_name() == "Relu");
    let output_value = relu.map_or(node.outputs[0], |user| cx.graph.node(user).outputs[0]);
    relu.into_iter().for_each(|user| cx.done(user));
    let x = cx.slot(conv.x);
    if let Some(side) = cx.algorithm(&conv.geometry, Pass::Maps).side() {
        let (u, shape) =
            transformed_weight(cx, conv.w, conv.geometry.channels_in, conv.w_stride, side, false);
        let Geometry { channels_in, channels_out, input, output, before, .. } = conv.geometry;
        let parts = Parts {
            name: format!(
                "conv {channels_out} 3x3{}, {}",
                if relu.is_some() { " + relu" } else { "" },
                shape.name()
            ),
            x,
            u,
            shape,
            backward: false,
            bias: conv.bias,
            relu: relu.is_some(),
            y: cx.slot(output_value),
            channels: [channels_in, channels_out],
            tiles: Tiles { side, input, output, before },
        };
        parts.push(cx);
        return true;
    }
    let lanes = cx.lanes;
    let pieces = Pieces::of(conv.geometry.channels_out, conv.geometry.work(lanes));
    cx.set_cut(output_value, pieces.scaled(conv.geometry.positions()));
    let y = cx.slot(output_value);
    cx.push(Forward {
        x,
        w: conv.w,
        w_stride: conv.w_stride,
        bias: conv.bias,
        y,
        relu: relu.is_some(),
        meetings: Meetings::forward(&conv.geometry),
        geometry: conv.geometry,
        pieces,
        lanes,
    });
    true
}
