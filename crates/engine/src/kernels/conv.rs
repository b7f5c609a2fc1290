//! Convolutions with the batch in the lanes: every tap is one broadcast weight times vectors of examples, so
//! stride, dilation, groups and map size cost no shuffles. Padding is zeros around a copy of the input.

use graph::{Node, NodeId, ValueId};

use super::geometry::Geometry;
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use super::tile::{lane_blocks, products_at, row_blocks, zero};
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

/// What the convolution kernels read and write.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) x: *const f32,
    pub(super) w: *const f32,
    /// Elements from one output channel's weights to the next's.
    pub(super) w_stride: usize,
    /// Null without bias.
    pub(super) bias: *const f32,
    pub(super) y: *mut f32,
    pub(super) geometry: &'a Geometry,
    pub(super) offsets: &'a [usize],
    pub(super) lanes: usize,
    pub(super) relu: bool,
}

/// `y[o][position][lane] = activation(b[o] + sum over taps of w[o][tap] x[tap's place][lane])`.
struct Forward {
    x: Slot,
    w: Slot,
    w_stride: usize,
    bias: Option<Slot>,
    y: Slot,
    relu: bool,
    geometry: Geometry,
    offsets: Vec<usize>,
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
            Access::read_own(self.w, &self.pieces, self.w_stride),
            Access::write_own(self.y, &self.pieces, self.geometry.positions() * self.lanes),
        ];
        access.extend(self.bias.map(Access::read));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start, range.end);
        let data = Data {
            x: cx.memory.at(self.x),
            w: cx.memory.at(self.w),
            w_stride: self.w_stride,
            bias: self.bias.map_or(std::ptr::null(), |bias| cx.memory.at(bias)),
            y: cx.memory.at(self.y),
            geometry: &self.geometry,
            offsets: &self.offsets,
            lanes: self.lanes,
            relu: self.relu,
        };
        // SAFETY: the geometry was inferred from these buffers' shapes; output channels `from..to` are the piece's.
        unsafe { dispatch!(cx.level => forward::<S>(data: Data<'_>, from: usize, to: usize)) };
    }
}

#[inline(always)]
unsafe fn forward<S: Simd>(data: Data<'_>, from: usize, to: usize) {
    let geometry = data.geometry;
    let [height, width] = geometry.padded();
    let per_group = geometry.channels_out / geometry.groups;
    let mut first = from;
    while first < to {
        // Output channels of one group read the same input channels.
        let group = first / per_group;
        let last = to.min((group + 1) * per_group);
        for y in 0..geometry.output[0] {
            for x in 0..geometry.output[1] {
                let corner = (group * geometry.channels_per_group() * height + y * geometry.stride[0])
                    * width
                    + x * geometry.stride[1];
                let position = y * geometry.output[1] + x;
                // SAFETY: the window lies inside of the padded maps.
                unsafe {
                    let input = data.x.add(corner * data.lanes);
                    lane_blocks!(S, data.lanes, lane, J => row_blocks!(S, first, last, channel, R => {
                        forward_tile::<S, R, J>(data, input.add(lane), channel, position, lane)
                    }));
                }
            }
        }
        first = last;
    }
}

#[inline(always)]
unsafe fn forward_tile<S: Simd, const R: usize, const J: usize>(
    data: Data<'_>,
    input: *const f32,
    channel: usize,
    position: usize,
    lane: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut tile = zero::<S, R, J>();
        products_at::<S, R, J>(
            &mut tile,
            data.w.add(channel * data.w_stride),
            data.w_stride,
            input,
            data.offsets,
        );
        for r in 0..R {
            let bias = if data.bias.is_null() { 0.0 } else { *data.bias.add(channel + r) };
            let at = ((channel + r) * data.geometry.positions() + position) * data.lanes + lane;
            for j in 0..J {
                let mut value = S::add(tile[r][j], S::splat(bias));
                if data.relu {
                    value = S::max(S::splat(0.0), value);
                }
                S::store(data.y.add(at + j * S::WIDTH), value);
            }
        }
    }
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
    let output = relu.map_or(node.outputs[0], |user| cx.graph.node(user).outputs[0]);
    let x = padded_input(cx, conv.x, &conv.geometry);
    let lanes = cx.lanes;
    let pieces = Pieces::of(conv.geometry.channels_out, conv.geometry.work(lanes));
    cx.set_cut(output, pieces.scaled(conv.geometry.positions()));
    let y = cx.slot(output);
    cx.push(Forward {
        x,
        w: conv.w,
        w_stride: conv.w_stride,
        bias: conv.bias,
        y,
        relu: relu.is_some(),
        offsets: conv.geometry.tap_offsets(lanes),
        geometry: conv.geometry,
        pieces,
        lanes,
    });
    relu.into_iter().for_each(|user| cx.done(user));
    true
}
