//! The way back through convolution, ReLU and 2×2 max pooling: the pooled gradient is spread by the winners' bits in
//! registers and multiplied straight into the weight gradient, so the large gradient map is never in memory.

use graph::NodeId;

use super::conv_pool::{Maps, winner_len};
use super::geometry::Geometry;
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Taps whose gradients are kept in registers at once.
const TAP_BLOCK: usize = 9;

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
    taps: Vec<(usize, usize)>,
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
            Access::write(self.dw),
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
            taps: &self.taps,
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

impl Result {
    /// A running sum of a channel.
    #[inline(always)]
    fn sums_at(&self, channel: usize, index: usize) -> *mut f32 {
        self.sums.wrapping_add((channel * SUMS + index) * 16)
    }
}

#[inline(always)]
unsafe fn weight_gradient<S: Simd>(maps: Maps<'_>, result: Result, from: usize, to: usize) {
    for (block, taps) in maps.taps.chunks(TAP_BLOCK).enumerate() {
        let bias = block == 0;
        // SAFETY: the caller's.
        unsafe {
            match <&[(usize, usize); TAP_BLOCK]>::try_from(taps) {
                Ok(taps) => tap_block::<S, TAP_BLOCK>(maps, result, taps, bias, from, to),
                Err(_) => {
                    for (at, &tap) in taps.iter().enumerate() {
                        tap_block::<S, 1>(maps, result, &[tap], bias && at == 0, from, to);
                    }
                }
            }
        }
    }
}

/// The gradients of `T` taps, and of the bias if `with_bias`, of the channels `from..to`: rows of positions outside, channels
/// inside, so that the few input rows a row of positions reads stay in the first-level cache.
#[inline(always)]
unsafe fn tap_block<S: Simd, const T: usize>(
    maps: Maps<'_>,
    result: Result,
    block: &[(usize, usize); T],
    with_bias: bool,
    from: usize,
    to: usize,
) {
    // SAFETY: the caller's; the running sums of the channels are the piece's own.
    unsafe {
        for channel in from..to {
            for index in 0..=T {
                S::store(result.sums_at(channel, index), S::splat(0.0));
            }
        }
        for y in 0..maps.pooled[0] {
            let mut channel = from;
            while channel < to {
                // Two channels share what they read of the input, where there are registers for both.
                channel += if S::WIDTH == 16 && channel + 2 <= to {
                    gradient_row::<S, T, 2>(maps, result, block, channel, y);
                    2
                } else {
                    gradient_row::<S, T, 1>(maps, result, block, channel, y);
                    1
                };
            }
        }
        for channel in from..to {
            for index in 0..T {
                *result.dw.add(block[index].0 * result.w_stride + channel) =
                    S::sum(S::load(result.sums_at(channel, index)));
            }
            if with_bias && !result.db.is_null() {
                *result.db.add(channel) = S::sum(S::load(result.sums_at(channel, T)));
            }
        }
    }
}

/// Adds a row of pooled positions of `C` channels to their running sums.
#[inline(always)]
unsafe fn gradient_row<S: Simd, const T: usize, const C: usize>(
    maps: Maps<'_>,
    result: Result,
    block: &[(usize, usize); T],
    channel: usize,
    y: usize,
) {
    let distances = maps.candidates();
    // As many as the compiler does not know of: all four at once would not fit into the registers.
    let candidates = &distances[..std::hint::black_box(distances.len())];
    // SAFETY: the caller's.
    unsafe {
        let mut taps: [[S::V; T]; C] =
            std::array::from_fn(|c| std::array::from_fn(|index| S::load(result.sums_at(channel + c, index))));
        let mut bias: [S::V; C] = std::array::from_fn(|c| S::load(result.sums_at(channel + c, T)));
        for x in 0..maps.pooled[1] {
            for lane in (0..maps.lanes).step_by(S::WIDTH) {
                let mut spreads = [[S::splat(0.0); 4]; C];
                let mut alive = [false; C];
                for c in 0..C {
                    let at = (channel + c) * maps.positions() + y * maps.pooled[1] + x;
                    let lanes_alive = S::greater(S::load(maps.y.add(at * maps.lanes + lane)), S::splat(0.0));
                    alive[c] = S::bits(lanes_alive) != 0;
                    if alive[c] {
                        let gradient = S::keep(lanes_alive, S::load(result.dy.add(at * maps.lanes + lane)));
                        bias[c] = S::add(bias[c], gradient);
                        spreads[c] = spread::<S>(maps, gradient, at, lane);
                    }
                }
                let input = maps.x.add(maps.corner(y, x) + lane);
                if alive == [true; C] {
                    add_taps::<S, T, C>(&mut taps, &spreads, input, candidates, block);
                } else {
                    for c in (0..C).filter(|&c| alive[c]) {
                        let (taps, spread) = (&mut taps[c..=c], &spreads[c..=c]);
                        add_taps::<S, T, 1>(
                            taps.try_into().expect("one"),
                            spread.try_into().expect("one"),
                            input,
                            candidates,
                            block,
                        );
                    }
                }
            }
        }
        for c in 0..C {
            for index in 0..T {
                S::store(result.sums_at(channel + c, index), taps[c][index]);
            }
            S::store(result.sums_at(channel + c, T), bias[c]);
        }
    }
}

/// Adds the products of the candidates' windows of `input` with their shares of the gradient.
#[inline(always)]
unsafe fn add_taps<S: Simd, const T: usize, const C: usize>(
    taps: &mut [[S::V; T]; C],
    spreads: &[[S::V; 4]; C],
    input: *const f32,
    candidates: &[usize],
    block: &[(usize, usize); T],
) {
    for (candidate, &distance) in candidates.iter().enumerate() {
        for tap in 0..T {
            // SAFETY: the caller's; the windows lie inside of the padded maps.
            unsafe {
                let input = S::load(input.add(distance + block[tap].1));
                for c in 0..C {
                    taps[c][tap] = S::mul_add(spreads[c][candidate], input, taps[c][tap]);
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
        let winners = maps.winners_at::<S>(at, lane).cast::<u16>();
        let [top_right, bottom_right, lower] = [0, 1, 2].map(|index| S::mask(winners.add(index).read()));
        let zero = S::splat(0.0);
        let (bottom, top) = (S::keep(lower, gradient), S::select(lower, zero, gradient));
        [
            S::select(top_right, zero, top),
            S::keep(top_right, top),
            S::select(bottom_right, zero, bottom),
            S::keep(bottom_right, bottom),
        ]
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
            taps: &[],
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

/// What the way back needs to know of the forward step.
pub(crate) struct Back {
    pub(crate) x: Slot,
    pub(crate) y: Slot,
    pub(crate) winners: Slot,
    pub(crate) w_stride: usize,
    pub(crate) geometry: Geometry,
    pub(crate) taps: Vec<(usize, usize)>,
    pub(crate) pooled: [usize; 2],
    pub(crate) pieces: Pieces,
}

impl Back {
    /// Lowers `MaxPoolGrad → ReluGrad`, with `ConvGradWeight` and the bias's sum where nobody else reads the gradient.
    pub(crate) fn lower(&self, cx: &mut Lowering<'_>, pool_grad: NodeId, relu_grad: NodeId) -> bool {
        let (node, _) = cx.node(pool_grad);
        let dy = cx.slot(node.inputs[0].expect("required"));
        let spread = cx.graph.node(relu_grad).outputs[0];
        let lanes = cx.lanes;
        let Back { x, y, winners, w_stride, geometry, taps, pooled, pieces } = self;
        let users = cx.users(spread).to_vec();
        let named = |cx: &Lowering<'_>, name: &str| {
            users.iter().copied().find(|&user| cx.graph.node(user).op_name() == name)
        };
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
                taps: taps.clone(),
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
}
