//! The gradient of batch normalisation in training.

use graph::{Node, NodeId};

use super::batch_norm::{Map, RUN, add, float, inverse_deviation, mean_and_variance};
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// With `z = (x - mean) * inverse`: `dbias = sum dy`, `dscale = sum dy * z` and
/// `dx = scale * inverse * (dy - dbias / count - z * dscale / count)`; `dx` is zero in lanes without an example.
struct BatchNormGradient {
    dy: Slot,
    x: Slot,
    scale: Slot,
    /// `None` where nobody needs it.
    dx: Option<Slot>,
    dscale: Slot,
    dbias: Slot,
    /// Mean and `inverse` of each channel, if the way there has kept them.
    moments: Option<Slot>,
    epsilon: f64,
    pieces: Pieces,
    positions: usize,
    lanes: usize,
}

impl Step for BatchNormGradient {
    fn name(&self) -> String {
        format!("batch norm gradient {}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let map = self.positions * self.lanes;
        let mut access = vec![
            Access::read_own(self.dy, &self.pieces, map),
            Access::read_own(self.x, &self.pieces, map),
            Access::read_own(self.scale, &self.pieces, 1),
            Access::write_own(self.dscale, &self.pieces, 1),
            Access::write_own(self.dbias, &self.pieces, 1),
        ];
        access.extend(self.dx.map(|dx| Access::write_own(dx, &self.pieces, map)));
        access.extend(self.moments.map(|moments| Access::read_own(moments, &self.pieces, 2)));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let map = Map { positions: self.positions, lanes: self.lanes, live: cx.live() };
        for channel in self.pieces.range(piece) {
            let at = channel * self.positions * self.lanes;
            // SAFETY: the channel of every buffer belongs to this piece; the maps have these lengths.
            unsafe {
                let maps = Maps {
                    dy: cx.memory.at(self.dy).add(at),
                    x: cx.memory.at(self.x).add(at),
                    dx: self.dx.map_or(std::ptr::null_mut(), |dx| cx.memory.at(dx).add(at)),
                };
                let (mean, inverse) = self.moments_of(channel, maps.x, map, cx);
                let [total, moment] =
                    dispatch!(cx.level => sums::<S>(maps: Maps, map: Map, mean: f32) -> [f64; 2]);
                let moment = moment * f64::from(inverse);
                *cx.memory.at(self.dbias).add(channel) = total as f32;
                *cx.memory.at(self.dscale).add(channel) = moment as f32;
                let factors = Factors {
                    mean,
                    slope: *cx.memory.at(self.scale).add(channel) * inverse,
                    total: (total / map.count()) as f32,
                    moment: (f64::from(inverse) * moment / map.count()) as f32,
                };
                if !maps.dx.is_null() {
                    dispatch!(cx.level => input_gradient::<S>(maps: Maps, map: Map, factors: Factors));
                }
            }
        }
    }
}

impl BatchNormGradient {
    /// Mean and inverse deviation of a channel.
    ///
    /// # Safety
    ///
    /// `x` is the channel's map, and the channel belongs to the piece that calls.
    unsafe fn moments_of(&self, channel: usize, x: *const f32, map: Map, cx: &Context<'_>) -> (f32, f32) {
        // SAFETY: the caller's; `moments` holds two numbers per channel.
        unsafe {
            if let Some(moments) = self.moments {
                let [mean, inverse] = cx.memory.at(moments).add(2 * channel).cast::<[f32; 2]>().read();
                return (mean, inverse);
            }
            let (mean, variance) = mean_and_variance(x, map, cx);
            (mean as f32, inverse_deviation(variance, self.epsilon))
        }
    }
}

/// One channel's maps.
#[derive(Clone, Copy)]
struct Maps {
    dy: *const f32,
    x: *const f32,
    /// Null where it is not needed.
    dx: *mut f32,
}

/// One channel's numbers: `dx = slope * (dy - total - (x - mean) * moment)`.
#[derive(Clone, Copy)]
struct Factors {
    mean: f32,
    slope: f32,
    total: f32,
    moment: f32,
}

/// The sums of `dy` and of `dy * (x - mean)`.
#[inline(always)]
unsafe fn sums<S: Simd>(maps: Maps, map: Map, mean: f32) -> [f64; 2] {
    let mut totals = [0.0f64; 2];
    // SAFETY: the caller's.
    unsafe {
        let (mut sums, mut run) = ([S::splat(0.0); 2], 0);
        for position in 0..map.positions {
            for lane in (0..map.live).step_by(S::WIDTH) {
                let at = position * map.lanes + lane;
                let dy = map.keep_live::<S>(lane, S::load(maps.dy.add(at)));
                let centred = map.keep_live::<S>(lane, S::sub(S::load(maps.x.add(at)), S::splat(mean)));
                sums = [S::add(sums[0], dy), S::mul_add(dy, centred, sums[1])];
                run += 1;
                if run == RUN {
                    totals = add::<S>(totals, sums);
                    (sums, run) = ([S::splat(0.0); 2], 0);
                }
            }
        }
        add::<S>(totals, sums)
    }
}

#[inline(always)]
unsafe fn input_gradient<S: Simd>(maps: Maps, map: Map, factors: Factors) {
    for position in 0..map.positions {
        for lane in (0..map.lanes).step_by(S::WIDTH) {
            let at = position * map.lanes + lane;
            // SAFETY: the caller's.
            unsafe {
                let centred = S::sub(S::load(maps.x.add(at)), S::splat(factors.mean));
                let dy = S::sub(S::load(maps.dy.add(at)), S::splat(factors.total));
                let dx =
                    S::mul(S::splat(factors.slope), S::mul_sub_from(centred, S::splat(factors.moment), dy));
                S::store(maps.dx.add(at), map.keep_live::<S>(lane, dx));
            }
        }
    }
}

/// Lets the gradient nodes of a batch normalisation in training use its `moments`.
pub(super) fn share_moments(cx: &mut Lowering<'_>, forward: &Node, moments: Slot) {
    let x = forward.inputs[0].expect("required");
    for user in cx.users(x).to_vec() {
        let node = cx.graph.node(user);
        let same = node.op_name() == "BatchNormalizationGrad"
            && node.inputs[1] == Some(x)
            && node.attribute("epsilon") == forward.attribute("epsilon");
        if same {
            cx.remember(user, move |cx, id| lower_with(cx, id, Some(moments)));
        }
    }
}

/// Lowers `BatchNormalizationGrad(dy, x, scale)`.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    lower_with(cx, id, None)
}

fn lower_with(cx: &mut Lowering<'_>, id: NodeId, moments: Option<Slot>) -> bool {
    let (node, _) = cx.node(id);
    let [dy, x, scale] = [0, 1, 2].map(|index| node.inputs[index].expect("required"));
    let Some(dims) = cx.feature_dims(x) else { return false };
    if !cx.is_lanes(dy) || cx.is_lanes(scale) {
        return false;
    }
    let (channels, positions): (usize, usize) = (dims[0], dims[1..].iter().product());
    let lanes = cx.lanes;
    let dx = node.outputs[0];
    let needed = !cx.users(dx).is_empty() || cx.is_kept(dx);
    let pieces = Pieces::of(channels, channels * positions * lanes * 10);
    let dx = needed.then(|| {
        cx.set_cut(dx, pieces.scaled(positions));
        cx.slot(dx)
    });
    let parameter = |cx: &mut Lowering<'_>, index: usize| match node.outputs.get(index) {
        Some(&value) => cx.slot(value),
        None => cx.temporary(channels),
    };
    let (dscale, dbias) = (parameter(cx, 1), parameter(cx, 2));
    let [dy, x, scale] = [dy, x, scale].map(|value| cx.slot(value));
    let epsilon = float(node, "epsilon");
    cx.push(BatchNormGradient {
        dy,
        x,
        scale,
        dx,
        dscale,
        dbias,
        moments,
        epsilon,
        pieces,
        positions,
        lanes,
    });
    true
}
