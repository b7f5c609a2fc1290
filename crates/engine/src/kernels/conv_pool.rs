//! Convolution, bias, ReLU and 2×2 max pooling in one step, and the way back.
//!
//! Forward, a pooled value is kept as soon as its four candidates are in registers; which of them won is kept
//! as two bits per example. Backward, the pooled gradient is spread by those bits in registers and multiplied
//! straight into the weight gradient, so the large gradient map is never in memory.

use graph::{Attribute, Node, NodeId};

use super::conv::{Convolution, padded_input};
use super::geometry::Geometry;
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Taps whose gradients are kept in registers at once.
const TAP_BLOCK: usize = 9;

/// Elements that hold the winners of one pooled position: two bits per lane, as `u16` words of one vector each.
/// The room fits the narrowest vectors, of eight lanes.
const fn winner_len(lanes: usize) -> usize {
    lanes / 8
}

/// What both directions share.
#[derive(Clone, Copy)]
struct Maps<'a> {
    /// The convolution's padded input.
    x: *const f32,
    /// Pooled maps: `[channel][position][lane]`.
    y: *mut f32,
    winners: *mut f32,
    geometry: &'a Geometry,
    offsets: &'a [usize],
    pooled: [usize; 2],
    lanes: usize,
}

impl Maps<'_> {
    /// First input element of the window of convolution output (0, 0) of a pooled position, in elements.
    #[inline(always)]
    fn corner(&self, y: usize, x: usize) -> usize {
        let width = self.geometry.padded()[1];
        (2 * y * self.geometry.stride[0] * width + 2 * x * self.geometry.stride[1]) * self.lanes
    }

    /// Distances of the four candidates' windows from the corner, in elements.
    #[inline(always)]
    fn candidates(&self) -> [usize; 4] {
        let width = self.geometry.padded()[1];
        let (down, right) = (self.geometry.stride[0] * width * self.lanes, self.geometry.stride[1] * self.lanes);
        [0, right, down, down + right]
    }

    #[inline(always)]
    fn positions(&self) -> usize {
        self.pooled[0] * self.pooled[1]
    }
}

struct Forward {
    x: Slot,
    w: Slot,
    w_stride: usize,
    bias: Option<Slot>,
    y: Slot,
    winners: Slot,
    geometry: Geometry,
    offsets: Vec<usize>,
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
            Access::read_own(self.w, &self.pieces, self.w_stride),
            Access::write_own(self.y, &self.pieces, positions * self.lanes),
            Access::write_own(self.winners, &self.pieces, positions * winner_len(self.lanes)),
        ];
        access.extend(self.bias.map(Access::read));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start, range.end);
        let maps = Maps {
            x: cx.memory.at(self.x),
            y: cx.memory.at(self.y),
            winners: cx.memory.at(self.winners),
            geometry: &self.geometry,
            offsets: &self.offsets,
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
                let w = w.add(channel * w_stride);
                if channel + 2 <= to {
                    forward_row::<S, 2>(maps, w, w_stride, bias, channel, y);
                } else {
                    forward_row::<S, 1>(maps, w, w_stride, bias, channel, y);
                }
            }
            channel += 2;
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
    for x in 0..maps.pooled[1] {
        for lane in (0..maps.lanes).step_by(S::WIDTH) {
            // SAFETY: the caller's; the window lies inside of the padded maps.
            unsafe {
                let input = maps.x.add(maps.corner(y, x) + lane);
                let mut sums = [[S::splat(0.0); 4]; C];
                for (tap, &offset) in maps.offsets.iter().enumerate() {
                    let input = input.add(offset);
                    let mut factor = [S::splat(0.0); C];
                    for (c, factor) in factor.iter_mut().enumerate() {
                        *factor = S::splat(*w.add(c * w_stride + tap));
                    }
                    for candidate in 0..4 {
                        let value = S::load(input.add(candidates[candidate]));
                        for c in 0..C {
                            sums[c][candidate] = S::mul_add(value, factor[c], sums[c][candidate]);
                        }
                    }
                }
                for c in 0..C {
                    let bias = if bias.is_null() { 0.0 } else { *bias.add(channel + c) };
                    let at = (channel + c) * maps.positions() + y * maps.pooled[1] + x;
                    keep_winner::<S>(maps, sums[c], bias, at, lane);
                }
            }
        }
    }
}

/// The greatest of four candidates (the first of equal ones), with bias and ReLU, and which one it was.
#[inline(always)]
unsafe fn keep_winner<S: Simd>(maps: Maps<'_>, sums: [S::V; 4], bias: f32, at: usize, lane: usize) {
    // SAFETY: the caller's.
    unsafe {
        let top_right = S::greater(sums[1], sums[0]);
        let bottom_right = S::greater(sums[3], sums[2]);
        let (top, bottom) = (S::max(sums[0], sums[1]), S::max(sums[2], sums[3]));
        let lower = S::greater(bottom, top);
        let best = S::add(S::max(top, bottom), S::splat(bias));
        S::store(maps.y.add(at * maps.lanes + lane), S::max(best, S::splat(0.0)));
        let (lower, top_right, bottom_right) = (S::bits(lower), S::bits(top_right), S::bits(bottom_right));
        let right = (lower & bottom_right) | (!lower & top_right);
        let words = maps.winners.add(at * winner_len(maps.lanes)).cast::<[u16; 2]>();
        words.add(lane / S::WIDTH).write([right, lower]);
    }
}

/// `dw` and `db` of the convolution from the gradient of the pooled maps.
struct WeightGradient {
    x: Slot,
    y: Slot,
    winners: Slot,
    dy: Slot,
    dw: Slot,
    w_stride: usize,
    db: Option<Slot>,
    /// Running sums, one vector per tap and one for the bias, for each channel.
    sums: Slot,
    geometry: Geometry,
    offsets: Vec<usize>,
    pooled: [usize; 2],
    pieces: Pieces,
    lanes: usize,
}

/// Vectors of running sums per channel: one per tap of a block, one for the bias.
const SUMS: usize = TAP_BLOCK + 1;

impl Step for WeightGradient {
    fn name(&self) -> String {
        "max pool + relu + conv weight gradient".to_owned()
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let positions = self.pooled[0] * self.pooled[1];
        let mut access = vec![
            Access::read(self.x),
            Access::read_own(self.y, &self.pieces, positions * self.lanes),
            Access::read_own(self.dy, &self.pieces, positions * self.lanes),
            Access::read_own(self.winners, &self.pieces, positions * winner_len(self.lanes)),
            Access::write_own(self.dw, &self.pieces, self.w_stride),
            Access::write_own(self.sums, &self.pieces, SUMS * 16),
        ];
        access.extend(self.db.map(|db| Access::write_own(db, &self.pieces, 1)));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start, range.end);
        let maps = Maps {
            x: cx.memory.at(self.x),
            y: cx.memory.at(self.y),
            winners: cx.memory.at(self.winners),
            geometry: &self.geometry,
            offsets: &self.offsets,
            pooled: self.pooled,
            lanes: self.lanes,
        };
        let result = Result {
            dy: cx.memory.at(self.dy),
            dw: cx.memory.at(self.dw),
            w_stride: self.w_stride,
            db: self.db.map_or(std::ptr::null_mut(), |db| cx.memory.at(db)),
            sums: cx.memory.at(self.sums),
        };
        // SAFETY: the geometry was inferred from these buffers' shapes; channels `from..to` are the piece's.
        unsafe {
            dispatch!(cx.level => weight_gradient::<S>(maps: Maps<'_>, result: Result, from: usize, to: usize));
        }
    }
}

#[derive(Clone, Copy)]
struct Result {
    dy: *const f32,
    dw: *mut f32,
    w_stride: usize,
    /// Null without bias.
    db: *mut f32,
    sums: *mut f32,
}

#[inline(always)]
unsafe fn weight_gradient<S: Simd>(maps: Maps<'_>, result: Result, from: usize, to: usize) {
    for (block, offsets) in maps.offsets.chunks(TAP_BLOCK).enumerate() {
        let first = block * TAP_BLOCK;
        // SAFETY: the caller's.
        unsafe {
            match <&[usize; TAP_BLOCK]>::try_from(offsets) {
                Ok(offsets) => tap_block::<S, TAP_BLOCK>(maps, result, offsets, first, from, to),
                Err(_) => {
                    for (tap, &offset) in offsets.iter().enumerate() {
                        tap_block::<S, 1>(maps, result, &[offset], first + tap, from, to);
                    }
                }
            }
        }
    }
}

/// The gradients of `T` taps from `first` on of the channels `from..to`: rows of positions outside, channels
/// inside, so that the few input rows a row of positions reads stay in the first-level cache.
#[inline(always)]
unsafe fn tap_block<S: Simd, const T: usize>(
    maps: Maps<'_>,
    result: Result,
    offsets: &[usize; T],
    first: usize,
    from: usize,
    to: usize,
) {
    // SAFETY: the caller's; the running sums of the channels are the piece's own.
    unsafe {
        let sums = |channel: usize, index: usize| result.sums.add((channel * SUMS + index) * 16);
        for channel in from..to {
            for index in 0..=T {
                S::store(sums(channel, index), S::splat(0.0));
            }
        }
        for y in 0..maps.pooled[0] {
            for channel in from..to {
                let mut taps = [S::splat(0.0); T];
                for (index, tap) in taps.iter_mut().enumerate() {
                    *tap = S::load(sums(channel, index));
                }
                let mut bias = S::load(sums(channel, T));
                gradient_row::<S, T>(maps, result.dy, offsets, channel, y, &mut taps, &mut bias);
                for (index, tap) in taps.iter().enumerate() {
                    S::store(sums(channel, index), *tap);
                }
                S::store(sums(channel, T), bias);
            }
        }
        for channel in from..to {
            for index in 0..T {
                *result.dw.add(channel * result.w_stride + first + index) = S::sum(S::load(sums(channel, index)));
            }
            if first == 0 && !result.db.is_null() {
                *result.db.add(channel) = S::sum(S::load(sums(channel, T)));
            }
        }
    }
}

#[inline(always)]
unsafe fn gradient_row<S: Simd, const T: usize>(
    maps: Maps<'_>,
    dy: *const f32,
    offsets: &[usize; T],
    channel: usize,
    y: usize,
    taps: &mut [S::V; T],
    bias: &mut S::V,
) {
    let candidates = maps.candidates();
    for x in 0..maps.pooled[1] {
        let at = channel * maps.positions() + y * maps.pooled[1] + x;
        for lane in (0..maps.lanes).step_by(S::WIDTH) {
            // SAFETY: the caller's.
            unsafe {
                let output = S::load(maps.y.add(at * maps.lanes + lane));
                let alive = S::greater(output, S::splat(0.0));
                if S::bits(alive) == 0 {
                    continue;
                }
                let gradient = S::keep(alive, S::load(dy.add(at * maps.lanes + lane)));
                *bias = S::add(*bias, gradient);
                let spread = spread::<S>(maps, gradient, at, lane);
                let input = maps.x.add(maps.corner(y, x) + lane);
                for candidate in 0..4 {
                    let input = input.add(candidates[candidate]);
                    for tap in 0..T {
                        taps[tap] = S::mul_add(spread[candidate], S::load(input.add(offsets[tap])), taps[tap]);
                    }
                }
            }
        }
    }
}

/// The gradient given to whichever of the four candidates won, zero to the others.
#[inline(always)]
unsafe fn spread<S: Simd>(maps: Maps<'_>, gradient: S::V, at: usize, lane: usize) -> [S::V; 4] {
    // SAFETY: the caller's.
    unsafe {
        let words = maps.winners.add(at * winner_len(maps.lanes)).cast::<[u16; 2]>();
        let [right, lower] = words.add(lane / S::WIDTH).read();
        let (right, lower) = (S::mask(right), S::mask(lower));
        let zero = S::splat(0.0);
        let (bottom, top) = (S::keep(lower, gradient), S::select(lower, zero, gradient));
        [S::select(right, zero, top), S::keep(right, top), S::select(right, zero, bottom), S::keep(right, bottom)]
    }
}

/// The gradient of the convolution's output, for convolutions whose input needs a gradient too.
struct Unpool {
    y: Slot,
    winners: Slot,
    dy: Slot,
    dx: Slot,
    geometry: Geometry,
    pooled: [usize; 2],
    pieces: Pieces,
    lanes: usize,
}

impl Step for Unpool {
    fn name(&self) -> String {
        "max pool + relu gradient".to_owned()
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let positions = self.pooled[0] * self.pooled[1];
        vec![
            Access::read_own(self.y, &self.pieces, positions * self.lanes),
            Access::read_own(self.dy, &self.pieces, positions * self.lanes),
            Access::read_own(self.winners, &self.pieces, positions * winner_len(self.lanes)),
            Access::write_own(self.dx, &self.pieces, self.geometry.positions() * self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start, range.end);
        let maps = Maps {
            x: std::ptr::null(),
            y: cx.memory.at(self.y),
            winners: cx.memory.at(self.winners),
            geometry: &self.geometry,
            offsets: &[],
            pooled: self.pooled,
            lanes: self.lanes,
        };
        let dy: *const f32 = cx.memory.at(self.dy);
        let dx = cx.memory.at(self.dx);
        // SAFETY: the geometry was inferred from these buffers' shapes; channels `from..to` are the piece's.
        unsafe {
            dispatch!(cx.level => unpool::<S>(maps: Maps<'_>, dy: *const f32, dx: *mut f32, from: usize, to: usize));
        }
    }
}

#[inline(always)]
unsafe fn unpool<S: Simd>(maps: Maps<'_>, dy: *const f32, dx: *mut f32, from: usize, to: usize) {
    let [_, width] = maps.geometry.output;
    let plane = maps.geometry.positions() * maps.lanes;
    for channel in from..to {
        // SAFETY: the caller's; a 2x2 window lies inside of the convolution's output map.
        unsafe {
            let dx = dx.add(channel * plane);
            std::slice::from_raw_parts_mut(dx, plane).fill(0.0);
            for y in 0..maps.pooled[0] {
                for x in 0..maps.pooled[1] {
                    let at = channel * maps.positions() + y * maps.pooled[1] + x;
                    for lane in (0..maps.lanes).step_by(S::WIDTH) {
                        let alive = S::greater(S::load(maps.y.add(at * maps.lanes + lane)), S::splat(0.0));
                        let gradient = S::keep(alive, S::load(dy.add(at * maps.lanes + lane)));
                        let parts = spread::<S>(maps, gradient, at, lane);
                        for (candidate, part) in parts.into_iter().enumerate() {
                            let place = (2 * y + candidate / 2) * width + 2 * x + candidate % 2;
                            S::store(dx.add(place * maps.lanes + lane), part);
                        }
                    }
                }
            }
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
    let named = |name: &str| cx.users(relu_output).iter().copied().find(|&user| cx.graph.node(user).op_name() == name);
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
        && is("auto_pad", &[None, Some(Attribute::Text("NOTSET".to_owned())), Some(Attribute::Text("VALID".to_owned()))])
}

/// Lowers `Conv → Relu → MaxPool 2×2`, and `MaxPoolGrad → ReluGrad → ConvGradWeight` with it.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let Some(chain) = chain(cx, node) else { return false };
    let Some(conv) = Convolution::of(cx, node) else { return false };
    if conv.geometry.groups != 1 {
        return false;
    }
    let pool_output = cx.graph.node(chain.pool).outputs[0];
    let Some(&[_, pooled_height, pooled_width]) = cx.feature_dims(pool_output).as_deref() else { return false };
    let pooled = [pooled_height, pooled_width];
    let lanes = cx.lanes;
    let positions = pooled_height * pooled_width;
    let channels = conv.geometry.channels_out;
    let x = padded_input(cx, conv.x, &conv.geometry);
    let y = cx.slot(pool_output);
    let winners = cx.temporary(channels * positions * winner_len(lanes));
    let pieces = Pieces::of(channels, conv.geometry.work(lanes));
    let offsets = conv.geometry.tap_offsets(lanes);
    cx.set_cut(pool_output, pieces.scaled(positions));
    [id, chain.relu, chain.pool].into_iter().for_each(|node| cx.done(node));
    let Convolution { w, w_stride, bias, geometry, .. } = conv;
    if let Some((pool_grad, relu_grad)) = chain.back {
        let back = Back { x, y, winners, w_stride, geometry: geometry.clone(), offsets: offsets.clone(), pooled, pieces: pieces.clone() };
        cx.remember(pool_grad, move |cx, pool_grad| lower_back(cx, pool_grad, relu_grad, &back));
    }
    cx.push(Forward { x, w, w_stride, bias, y, winners, geometry, offsets, pooled, pieces, lanes });
    true
}

/// What the way back needs to know of the forward step.
struct Back {
    x: Slot,
    y: Slot,
    winners: Slot,
    w_stride: usize,
    geometry: Geometry,
    offsets: Vec<usize>,
    pooled: [usize; 2],
    pieces: Pieces,
}

fn lower_back(cx: &mut Lowering<'_>, pool_grad: NodeId, relu_grad: NodeId, back: &Back) -> bool {
    let (node, _) = cx.node(pool_grad);
    let dy = cx.slot(node.inputs[0].expect("required"));
    let spread = cx.graph.node(relu_grad).outputs[0];
    let lanes = cx.lanes;
    let Back { x, y, winners, w_stride, geometry, offsets, pooled, pieces } = back;
    let users = cx.users(spread).to_vec();
    let named = |cx: &Lowering<'_>, name: &str| users.iter().copied().find(|&user| cx.graph.node(user).op_name() == name);
    let weight = named(cx, "ConvGradWeight");
    let bias = named(cx, "ReduceSum");
    let all = [weight, bias].into_iter().flatten().count();
    cx.done(pool_grad);
    cx.done(relu_grad);
    if let Some(weight) = weight.filter(|_| all == users.len() && !cx.is_kept(spread)) {
        let dw = cx.slot(cx.graph.node(weight).outputs[0]);
        let db = bias.map(|bias| cx.slot(cx.graph.node(bias).outputs[0]));
        let sums = cx.temporary(geometry.channels_out * SUMS * 16);
        cx.push(WeightGradient {
            x: *x,
            y: *y,
            winners: *winners,
            dy,
            dw,
            w_stride: *w_stride,
            db,
            sums,
            geometry: geometry.clone(),
            offsets: offsets.clone(),
            pooled: *pooled,
            pieces: pieces.clone(),
            lanes,
        });
        [Some(weight), bias].into_iter().flatten().for_each(|node| cx.done(node));
        return true;
    }
    cx.set_cut(spread, pieces.scaled(geometry.positions()));
    let dx = cx.slot(spread);
    let (geometry, pieces) = (geometry.clone(), pieces.clone());
    cx.push(Unpool { y: *y, winners: *winners, dy, dx, geometry, pooled: *pooled, pieces, lanes });
    true
}
