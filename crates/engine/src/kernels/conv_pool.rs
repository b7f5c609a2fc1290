//! Convolution, bias, ReLU and 2×2 max pooling in one step: a pooled value is kept as soon as its four candidates
//! are in registers. Which of them won is kept as three bits per example, for the way back in
//! [`super::conv_pool_gradient`].

use std::ops::Range;

use graph::{Attribute, Node, NodeId};

use super::conv::{Convolution, padded_input};
use super::conv_pool_gradient::Back;
use super::geometry::Geometry;
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Who won in each lane of a vector: whether the right candidate is the greater one of the upper row, that of the lower row, and
/// whether the lower row has the greatest; the last word says nothing.
pub(crate) type Winners = [u16; 4];

/// Elements that hold the winners of one pooled position. The room fits the narrowest vectors, of eight lanes.
pub(crate) const fn winner_len(lanes: usize) -> usize {
    lanes / 8 * (size_of::<Winners>() / size_of::<f32>())
}

/// Up to so many input channels it pays to compute the four candidates side by side; with more, sums are long enough to be
/// kept in memory.
const FEW_CHANNELS: usize = 4;

/// Elements of all pooled maps up to which a thread's pieces are computed together.
const TOGETHER_MAX: usize = 1 << 18;

/// What both directions share.
#[derive(Clone, Copy)]
pub(crate) struct Maps<'a> {
    /// The convolution's padded input.
    pub(crate) x: *const f32,
    /// Pooled maps: `[channel][position][lane]`.
    pub(crate) y: *mut f32,
    /// Null where nobody asks for them.
    pub(crate) winners: *mut f32,
    pub(crate) geometry: &'a Geometry,
    /// Rows of the weight with the taps' places.
    pub(crate) taps: &'a [(usize, usize)],
    pub(crate) pooled: [usize; 2],
    pub(crate) lanes: usize,
}

impl Maps<'_> {
    /// First input element of the window of convolution output (0, 0) of a pooled position, in elements.
    #[inline(always)]
    pub(crate) fn corner(&self, y: usize, x: usize) -> usize {
        let width = self.geometry.padded()[1];
        (2 * y * self.geometry.stride[0] * width + 2 * x * self.geometry.stride[1]) * self.lanes
    }

    /// Distances of the four candidates' windows from the corner, in elements.
    #[inline(always)]
    pub(crate) fn candidates(&self) -> [usize; 4] {
        let width = self.geometry.padded()[1];
        let (down, right) =
            (self.geometry.stride[0] * width * self.lanes, self.geometry.stride[1] * self.lanes);
        [0, right, down, down + right]
    }

    #[inline(always)]
    pub(crate) fn positions(&self) -> usize {
        self.pooled[0] * self.pooled[1]
    }

    /// Where the winners of a vector of lanes of a pooled position are.
    #[inline(always)]
    pub(crate) fn winners_at<S: Simd>(&self, at: usize, lane: usize) -> *mut Winners {
        self.winners.wrapping_add(at * winner_len(self.lanes)).cast::<Winners>().wrapping_add(lane / S::WIDTH)
    }
}

struct Forward {
    x: Slot,
    w: Slot,
    w_stride: usize,
    bias: Option<Slot>,
    y: Slot,
    /// Only where there is a way back.
    winners: Option<Slot>,
    geometry: Geometry,
    taps: Vec<(usize, usize)>,
    pooled: [usize; 2],
    pieces: Pieces,
    lanes: usize,
}

impl Step for Forward {
    fn name(&self) -> String {
        let [height, width] = self.geometry.kernel;
        format!("conv {} {height}x{width} + bias + relu + max pool 2x2", self.geometry.channels_out)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let positions = self.pooled[0] * self.pooled[1];
        let mut access = vec![
            Access::read(self.x),
            Access::read(self.w),
            Access::write_own(self.y, &self.pieces, positions * self.lanes),
        ];
        let winner_len = positions * winner_len(self.lanes);
        access.extend(self.winners.map(|winners| Access::write_own(winners, &self.pieces, winner_len)));
        access.extend(self.bias.map(Access::read));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    /// Not if a thread's pooled maps would leave its cache before the next step reads them.
    fn stays_together(&self) -> bool {
        self.pieces.total() * self.pooled[0] * self.pooled[1] * self.lanes <= TOGETHER_MAX
    }

    /// Pieces are output channels. Those of one thread are computed together: they read the same input.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let range = self.pieces.span(pieces);
        let (from, to) = (range.start, range.end);
        let maps = Maps {
            x: cx.memory.at(self.x),
            y: cx.memory.at(self.y),
            winners: self.winners.map_or(std::ptr::null_mut(), |winners| cx.memory.at(winners)),
            geometry: &self.geometry,
            taps: &self.taps,
            pooled: self.pooled,
            lanes: self.lanes,
        };
        let w: *const f32 = cx.memory.at(self.w);
        let w_stride = self.w_stride;
        let bias: *const f32 = self.bias.map_or(std::ptr::null(), |bias| cx.memory.at(bias));
        // SAFETY: the geometry was inferred from these buffers' shapes; channels `from..to` are the piece's.
        unsafe {
            dispatch!(cx.level => forward::<S>(maps: Maps<'_>, w: *const f32, w_stride: usize, bias: *const f32,
                from: usize, to: usize));
        }
    }
}

#[inline(always)]
unsafe fn forward<S: Simd>(
    maps: Maps<'_>,
    w: *const f32,
    w_stride: usize,
    bias: *const f32,
    from: usize,
    to: usize,
) {
    for y in 0..maps.pooled[0] {
        let mut channel = from;
        while channel < to {
            // SAFETY: the caller's.
            unsafe {
                let w = w.add(channel);
                channel += if S::WIDTH == 16 && channel + 4 <= to {
                    forward_row::<S, 4>(maps, w, w_stride, bias, channel, y);
                    4
                } else if channel + 2 <= to {
                    forward_row::<S, 2>(maps, w, w_stride, bias, channel, y);
                    2
                } else {
                    forward_row::<S, 1>(maps, w, w_stride, bias, channel, y);
                    1
                };
            }
        }
    }
}

/// One row of pooled positions of `C` channels.
#[inline(always)]
unsafe fn forward_row<S: Simd, const C: usize>(
    maps: Maps<'_>,
    w: *const f32,
    w_stride: usize,
    bias: *const f32,
    channel: usize,
    y: usize,
) {
    let candidates = maps.candidates();
    // SAFETY: the caller's; there is a bias for every channel if there is one.
    let bias: [S::V; C] = std::array::from_fn(|c| unsafe {
        S::splat(if bias.is_null() { 0.0 } else { *bias.add(channel + c) })
    });
    for x in 0..maps.pooled[1] {
        for lane in (0..maps.lanes).step_by(S::WIDTH) {
            // SAFETY: the caller's; the window lies inside of the padded maps.
            unsafe {
                let input = maps.x.add(maps.corner(y, x) + lane);
                for c in 0..C {
                    // The next row's values, which are written then.
                    let at = (channel + c) * maps.positions() + (y + 1) * maps.pooled[1] + x;
                    S::prefetch_far(maps.y.wrapping_add(at * maps.lanes + lane));
                }
                let mut sums = [[S::splat(0.0); 4]; C];
                for &(row, place) in maps.taps {
                    let input = input.add(place);
                    let mut factor = [S::splat(0.0); C];
                    for (c, factor) in factor.iter_mut().enumerate() {
                        *factor = S::splat(*w.add(row * w_stride + c));
                    }
                    for candidate in 0..4 {
                        let value = S::load(input.add(candidates[candidate]));
                        for c in 0..C {
                            sums[c][candidate] = S::mul_add(value, factor[c], sums[c][candidate]);
                        }
                    }
                }
                for c in 0..C {
                    let at = (channel + c) * maps.positions() + y * maps.pooled[1] + x;
                    keep_winner::<S>(maps, sums[c], bias[c], at, lane);
                }
            }
        }
    }
}

/// The greatest of four candidates (the first of equal ones), with bias and ReLU, and, if it is asked for, which one it was.
#[inline(always)]
unsafe fn keep_winner<S: Simd>(maps: Maps<'_>, sums: [S::V; 4], bias: S::V, at: usize, lane: usize) {
    // SAFETY: the caller's.
    unsafe {
        let (top, bottom) = (S::max(sums[0], sums[1]), S::max(sums[2], sums[3]));
        let best = S::max(S::splat(0.0), S::add(S::max(top, bottom), bias));
        S::store(maps.y.add(at * maps.lanes + lane), best);
        if !maps.winners.is_null() {
            let winners = maps.winners_at::<S>(at, lane).cast::<u16>();
            winners.write(S::bits(S::greater(sums[1], sums[0])));
            winners.add(1).write(S::bits(S::greater(sums[3], sums[2])));
            winners.add(2).write(S::bits(S::greater(bottom, top)));
        }
    }
}

/// The nodes around a fused forward step.
struct Chain {
    relu: NodeId,
    pool: NodeId,
    /// `MaxPoolGrad` and the `ReluGrad` behind it, in a training graph.
    back: Option<(NodeId, NodeId)>,
}

/// Finds `Conv → Relu → MaxPool 2×2` whose inner values nobody else reads, except for the way back.
fn chain(cx: &Lowering<'_>, conv: &Node) -> Option<Chain> {
    let relu = cx.only_user(conv.outputs[0])?;
    let relu_node = cx.graph.node(relu);
    let relu_output = relu_node.outputs[0];
    if relu_node.op_name() != "Relu" || cx.is_kept(relu_output) {
        return None;
    }
    let named = |name: &str| {
        cx.users(relu_output).iter().copied().find(|&user| cx.graph.node(user).op_name() == name)
    };
    let pool = named("MaxPool")?;
    let pool_node = cx.graph.node(pool);
    if !is_two_by_two(pool_node) {
        return None;
    }
    match cx.users(relu_output).len() {
        1 => Some(Chain { relu, pool, back: None }),
        3 => {
            let (pool_grad, relu_grad) = (named("MaxPoolGrad")?, named("ReluGrad")?);
            let linked = cx.only_user(cx.graph.node(pool_grad).outputs[0]) == Some(relu_grad);
            let same = cx.graph.node(pool_grad).inputs[2] == Some(pool_node.outputs[0]);
            (linked && same).then_some(Chain { relu, pool, back: Some((pool_grad, relu_grad)) })
        }
        _ => None,
    }
}

fn is_two_by_two(pool: &Node) -> bool {
    let is = |name: &str, allowed: &[Option<Attribute>]| allowed.contains(&pool.attribute(name));
    let two = Some(Attribute::Ints(vec![2, 2]));
    is("kernel_shape", std::slice::from_ref(&two))
        && is("strides", std::slice::from_ref(&two))
        && is("pads", &[None, Some(Attribute::Ints(vec![0; 4]))])
        && is("dilations", &[None, Some(Attribute::Ints(vec![1; 2]))])
        && is("ceil_mode", &[None, Some(Attribute::Int(0))])
        && is(
            "auto_pad",
            &[None, Some(Attribute::Text("NOTSET".to_owned())), Some(Attribute::Text("VALID".to_owned()))],
        )
}

/// Lowers `Conv → Relu → MaxPool 2×2`, and `MaxPoolGrad → ReluGrad → ConvGradWeight` with it.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let Some(chain) = chain(cx, node) else { return false };
    let Some(conv) = Convolution::of(cx, node) else { return false };
    if conv.geometry.groups != 1 || conv.geometry.channels_in > FEW_CHANNELS {
        return false;
    }
    let pool_output = cx.graph.node(chain.pool).outputs[0];
    let Some(&[_, pooled_height, pooled_width]) = cx.feature_dims(pool_output).as_deref() else {
        return false;
    };
    let pooled = [pooled_height, pooled_width];
    let lanes = cx.lanes;
    let positions = pooled_height * pooled_width;
    let channels = conv.geometry.channels_out;
    let x = padded_input(cx, conv.x, &conv.geometry);
    let y = cx.slot(pool_output);
    let pieces = Pieces::of(channels, conv.geometry.work(lanes));
    let taps = conv.geometry.taps_in_order(lanes);
    cx.set_cut(pool_output, pieces.scaled(positions));
    [id, chain.relu, chain.pool].into_iter().for_each(|node| cx.done(node));
    let Convolution { w, w_stride, bias, geometry, .. } = conv;
    let mut winners = None;
    if let Some((pool_grad, relu_grad)) = chain.back.filter(|_| !cx.is_again()) {
        let kept = cx.temporary(channels * positions * winner_len(lanes));
        winners = Some(kept);
        let back = Back {
            x,
            y,
            winners: kept,
            w_stride,
            geometry: geometry.clone(),
            taps: taps.clone(),
            pooled,
            pieces: pieces.clone(),
        };
        cx.remember(pool_grad, move |cx, pool_grad| back.lower(cx, pool_grad, relu_grad));
    }
    cx.push(Forward { x, w, w_stride, bias, y, winners, geometry, taps, pooled, pieces, lanes });
    true
}
