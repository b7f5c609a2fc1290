//! Sums over the positions of maps: over those of all examples, the gradients of biases, and of each example for itself.

use graph::{Node, NodeId};
use tensor::Tensor;

use super::live_lanes::zero_beyond;
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::{Layout, Lowering};
use crate::step::{Access, Context, Pieces, Step};

/// `y[c] = sum over positions and lanes of x[c][position][lane]`.
struct ChannelSum {
    x: Slot,
    y: Slot,
    pieces: Pieces,
    /// Elements per channel: positions times lanes.
    len: usize,
}

impl Step for ChannelSum {
    fn name(&self) -> String {
        format!("channel sum {}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read_own(self.x, &self.pieces, self.len), Access::write_own(self.y, &self.pieces, 1)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to, len) = (range.start, range.end, self.len);
        let x: *const f32 = cx.memory.at(self.x);
        let y = cx.memory.at(self.y);
        // SAFETY: channels `from..to` of both buffers belong to this piece; `len` is whole vectors.
        unsafe {
            dispatch!(cx.level => channel_sum::<S>(x: *const f32, y: *mut f32, from: usize, to: usize, len: usize));
        }
    }
}

#[inline(always)]
unsafe fn channel_sum<S: Simd>(x: *const f32, y: *mut f32, from: usize, to: usize, len: usize) {
    for channel in from..to {
        // SAFETY: the caller's.
        unsafe {
            let x = x.add(channel * len);
            let mut sum = S::splat(0.0);
            for at in (0..len).step_by(S::WIDTH) {
                sum = S::add(sum, S::load(x.add(at)));
            }
            *y.add(channel) = S::sum(sum);
        }
    }
}

/// `y[c][lane] = sum over positions of x[c][position][lane]`.
struct PositionSum {
    x: Slot,
    y: Slot,
    /// Channels.
    pieces: Pieces,
    positions: usize,
    lanes: usize,
}

impl Step for PositionSum {
    fn name(&self) -> String {
        format!("position sum {}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.x, &self.pieces, self.positions * self.lanes),
            Access::write_own(self.y, &self.pieces, self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let (positions, lanes) = (self.positions, self.lanes);
        for channel in self.pieces.range(piece) {
            // SAFETY: the channel of both buffers belongs to this piece; lanes are whole vectors.
            unsafe {
                let x = cx.memory.at(self.x).add(channel * positions * lanes).cast_const();
                let y = cx.memory.at(self.y).add(channel * lanes);
                dispatch!(cx.level => position_sum::<S>(x: *const f32, y: *mut f32, positions: usize, lanes: usize));
            }
        }
    }
}

#[inline(always)]
unsafe fn position_sum<S: Simd>(x: *const f32, y: *mut f32, positions: usize, lanes: usize) {
    for lane in (0..lanes).step_by(S::WIDTH) {
        // SAFETY: the caller's.
        unsafe {
            let mut sum = S::splat(0.0);
            for position in 0..positions {
                sum = S::add(sum, S::load(x.add(position * lanes + lane)));
            }
            S::store(y.add(lane), sum);
        }
    }
}

/// The axes that a `ReduceSum` of one value per example runs over, counted from the batch, in order.
fn axes_of(cx: &Lowering<'_>, node: &Node, rank: usize) -> Option<Vec<usize>> {
    let axes = node.inputs.get(1).copied().flatten().and_then(|axes| cx.constant(axes))?;
    let place = |&axis: &i64| axis.rem_euclid(rank as i64) as usize;
    let mut axes: Vec<usize> = axes.get::<i64>().unwrap_or(&[]).iter().map(place).collect();
    axes.sort_unstable();
    Some(axes)
}

/// Whether a `ReduceSum` of one value per example runs over the batch and all axes behind the first feature axis, and leaves its
/// sums side by side.
pub(super) fn sums_channels(cx: &Lowering<'_>, node: &Node) -> bool {
    let (Some(x), y) = (node.inputs[0], node.outputs[0]) else { return false };
    let Some(dims) = cx.feature_dims(x) else { return false };
    let rank = dims.len() + 1;
    let Some(axes) = axes_of(cx, node, rank) else { return false };
    let wanted: Vec<usize> = (0..rank).filter(|&axis| axis != 1).collect();
    let Layout::Plain(plain) = cx.layout(y) else { return false };
    // A shape such as [channels, 1, 1] would pad each of the sums to a row.
    axes == wanted && !dims.is_empty() && plain.rows * plain.cols == dims[0] && plain.rows == 1
}

/// Lowers a sum over the batch and all axes behind the first feature axis, or over the last axes of each example.
pub(crate) fn lower_sum(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (x, y) = (node.inputs[0].expect("required"), node.outputs[0]);
    if !sums_channels(cx, node) {
        return lower_position_sum(cx, id);
    }
    let dims = cx.feature_dims(x).expect("one per example, as just seen");
    let len = dims[1..].iter().product::<usize>() * cx.lanes;
    let pieces = cx.cut(x, dims[0], dims[0] * len);
    let (x, y) = (zero_beyond(cx, x), cx.slot(y));
    cx.push(ChannelSum { x, y, pieces, len });
    true
}

fn lower_position_sum(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (x, y) = (node.inputs[0].expect("required"), node.outputs[0]);
    let Some(dims) = cx.feature_dims(x).filter(|_| cx.is_lanes(y)) else { return false };
    let rank = dims.len() + 1;
    let Some(axes) = axes_of(cx, node, rank).filter(|axes| !axes.is_empty()) else { return false };
    let kept = rank - axes.len();
    if kept == 0 || !axes.into_iter().eq(kept..rank) {
        return false;
    }
    let (channels, positions) =
        (dims[..kept - 1].iter().product::<usize>(), dims[kept - 1..].iter().product::<usize>());
    let lanes = cx.lanes;
    let pieces = Pieces::of(channels, channels * positions * lanes);
    let (x, y) = (cx.slot(x), cx.slot(y));
    cx.push(PositionSum { x, y, pieces, positions, lanes });
    true
}

/// The single number in `tensor`, if it holds exactly one.
pub(crate) fn single(tensor: &Tensor) -> Option<f32> {
    (tensor.len() == 1).then(|| tensor.to_f64()[0] as f32)
}
