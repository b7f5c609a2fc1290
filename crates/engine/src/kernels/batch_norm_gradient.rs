//! The gradient of batch normalisation in training, with the gradients that come just before it on the way back: the sum
//! where two paths meet, and that of a ReLU.

use graph::{Node, NodeId, ValueId};

use super::batch_norm::{Line, float, inverse_deviation, mean_and_variance};
use super::channel_map::{Factors, Map, sums};
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// With `dz` what arrives and `z = (x - mean) * inverse`: `dbias = sum dz`, `dscale = sum dz * z` and
/// `dx = scale * inverse * (dz - dbias / count - z * dscale / count)`; `dx` is zero in lanes without an example.
struct BatchNormGradient {
    arriving: Arriving,
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

/// The gradient of the normalised numbers: `dz = relu gradient(dy + other)`.
struct Arriving {
    dy: Slot,
    other: Option<Slot>,
    relu: Option<Sign>,
    /// Where others read `dz`, if any do.
    dz: Option<Slot>,
}

/// The value that tells where a ReLU passed its input on.
#[derive(Clone, Copy)]
pub(super) enum Passed {
    /// Its output.
    Output(ValueId),
    /// What was normalised, for a ReLU right behind the normalisation, whose bias this is.
    Input { bias: ValueId },
}

/// As [`Passed`], in memory.
#[derive(Clone, Copy)]
enum Sign {
    /// Its output.
    Output(Slot),
    /// What was normalised, for a ReLU right behind the normalisation, whose bias this is.
    Input { bias: Slot },
}

impl Step for BatchNormGradient {
    fn name(&self) -> String {
        let add = if self.arriving.other.is_some() { "add + " } else { "" };
        let relu = if self.arriving.relu.is_some() { "relu gradient + " } else { "" };
        format!("{add}{relu}batch norm gradient {}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let map = self.positions * self.lanes;
        let Arriving { dy, other, relu, dz } = self.arriving;
        let read = |slot: Slot| Access::read_own(slot, &self.pieces, map);
        let write = |slot: Slot| Access::write_own(slot, &self.pieces, map);
        let mut access = vec![
            read(dy),
            read(self.x),
            Access::read_own(self.scale, &self.pieces, 1),
            Access::write_own(self.dscale, &self.pieces, 1),
            Access::write_own(self.dbias, &self.pieces, 1),
        ];
        access.extend(other.map(read));
        access.extend(relu.map(|sign| match sign {
            Sign::Output(y) => read(y),
            Sign::Input { bias } => Access::read_own(bias, &self.pieces, 1),
        }));
        access.extend([dz, self.dx].into_iter().flatten().map(write));
        access.extend(self.moments.map(|moments| Access::read_own(moments, &self.pieces, 2)));
        access
    }

    fn in_place(&self) -> Vec<(Slot, Slot)> {
        let Arriving { dy, other, dz, .. } = self.arriving;
        let arriving = || [Some(dy), other].into_iter().flatten();
        let kept = dz.into_iter().flat_map(|dz| arriving().map(move |read| (dz, read)));
        let made = self.dx.into_iter().flat_map(|dx| arriving().chain([self.x]).map(move |read| (dx, read)));
        kept.chain(made).collect()
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let map = Map { positions: self.positions, lanes: self.lanes, live: cx.live() };
        for channel in self.pieces.range(piece) {
            // SAFETY: the channel of every buffer belongs to this piece; the maps have these lengths.
            unsafe {
                let maps = self.maps(channel, cx);
                let (mean, inverse) = self.moments_of(channel, maps.x, map, cx);
                let number = |slot: Slot| *cx.memory.at(slot).add(channel);
                let slope = number(self.scale) * inverse;
                let bias =
                    if let Some(Sign::Input { bias }) = self.arriving.relu { number(bias) } else { 0.0 };
                let line = Line { mean, slope, bias };
                let [total, moment] = dispatch!(cx.level =>
                    arriving_sums::<S>(maps: Maps, line: Line, map: Map) -> [f64; 2]);
                let moment = moment * f64::from(inverse);
                *cx.memory.at(self.dbias).add(channel) = total as f32;
                *cx.memory.at(self.dscale).add(channel) = moment as f32;
                let shares = Shares {
                    total: (total / map.count()) as f32,
                    moment: (f64::from(inverse) * moment / map.count()) as f32,
                };
                if !maps.dx.is_null() {
                    dispatch!(cx.level =>
                        input_gradient::<S>(maps: Maps, line: Line, map: Map, shares: Shares));
                }
            }
        }
    }
}

impl BatchNormGradient {
    /// One channel's maps.
    fn maps(&self, channel: usize, cx: &Context<'_>) -> Maps {
        // SAFETY: every one of these buffers holds a map per channel.
        let at = |slot: Slot| unsafe { cx.memory.at(slot).add(channel * self.positions * self.lanes) };
        let some = |slot: Option<Slot>| slot.map_or(std::ptr::null_mut(), at);
        let Arriving { dy, other, relu, dz } = self.arriving;
        let sign = match relu {
            Some(Sign::Output(y)) => at(y),
            Some(Sign::Input { .. }) | None => std::ptr::null_mut(),
        };
        let rectified = matches!(relu, Some(Sign::Input { .. }));
        Maps {
            dy: at(dy),
            other: some(other),
            sign,
            rectified,
            x: at(self.x),
            dz: some(dz),
            dx: some(self.dx),
        }
    }

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

/// One channel's maps; those that are not needed are null.
#[derive(Clone, Copy)]
struct Maps {
    dy: *const f32,
    other: *const f32,
    /// The output of a ReLU.
    sign: *const f32,
    /// Whether the sign of the normalised number tells what a ReLU passed on.
    rectified: bool,
    x: *const f32,
    dz: *mut f32,
    dx: *mut f32,
}

/// For the sums of `dz` and of `dz * (x - mean)`; keeps `dz` where others read it.
#[derive(Clone, Copy)]
struct Sums {
    maps: Maps,
    line: Line,
}

impl Factors for Sums {
    #[inline(always)]
    unsafe fn at<S: Simd>(self, at: usize) -> [S::V; 2] {
        let Sums { maps, line } = self;
        // SAFETY: the caller's.
        unsafe {
            let dz = maps.arriving::<S>(line, at);
            if !maps.dz.is_null() {
                S::store(maps.dz.add(at), dz);
            }
            [dz, S::sub(S::load(maps.x.add(at)), S::splat(line.mean))]
        }
    }
}

impl Maps {
    /// `dz` at a place; zero in lanes without an example, where all gradients are.
    #[inline(always)]
    unsafe fn arriving<S: Simd>(self, line: Line, at: usize) -> S::V {
        let zero = 0.0;
        // SAFETY: the caller's.
        unsafe {
            let mut dz = S::load(self.dy.add(at));
            if !self.other.is_null() {
                dz = S::add(dz, S::load(self.other.add(at)));
            }
            if !self.sign.is_null() {
                dz = S::keep(S::greater(S::load(self.sign.add(at)), S::splat(zero)), dz);
            }
            if self.rectified {
                dz = S::keep(S::greater(line.of::<S>(self.x.add(at)), S::splat(zero)), dz);
            }
            dz
        }
    }
}

#[inline(always)]
unsafe fn arriving_sums<S: Simd>(maps: Maps, line: Line, map: Map) -> [f64; 2] {
    // SAFETY: the caller's.
    unsafe { sums::<S, Sums>(Sums { maps, line }, map) }
}

/// One channel's numbers: `dx = slope * (dz - total - (x - mean) * moment)`.
#[derive(Clone, Copy)]
struct Shares {
    total: f32,
    moment: f32,
}

#[inline(always)]
unsafe fn input_gradient<S: Simd>(maps: Maps, line: Line, map: Map, shares: Shares) {
    let kept = !maps.dz.is_null();
    for position in 0..map.positions {
        for lane in (0..map.lanes).step_by(S::WIDTH) {
            let at = position * map.lanes + lane;
            // SAFETY: the caller's.
            unsafe {
                let dz = if kept { S::load(maps.dz.add(at)) } else { maps.arriving::<S>(line, at) };
                let centred = S::sub(S::load(maps.x.add(at)), S::splat(line.mean));
                let rest = S::sub(dz, S::splat(shares.total));
                let dx =
                    S::mul(S::splat(line.slope), S::mul_sub_from(centred, S::splat(shares.moment), rest));
                S::store(maps.dx.add(at), map.keep_live::<S>(lane, dx));
            }
        }
    }
}

/// The nodes around a gradient that are computed with it.
#[derive(Clone, Copy)]
pub(super) struct Before {
    pub(super) add: Option<NodeId>,
    pub(super) relu: Option<NodeId>,
}

/// Lowers a gradient node with those before it, given what tells where their ReLU passed its input on, and the moments that the way
/// there has kept.
pub(super) type LowerGradient = fn(&mut Lowering<'_>, NodeId, Before, Option<Passed>, Option<Slot>) -> bool;

impl Before {
    /// Nothing but the gradient itself.
    const NOTHING: Before = Before { add: None, relu: None };

    /// Finds `Add → ReluGrad` in front of the gradient node `grad`.
    fn of(cx: &Lowering<'_>, grad: NodeId) -> Self {
        let named = |value: Option<ValueId>, op: &str| {
            let maker = cx.maker(value?)?;
            (cx.graph.node(maker).op_name() == op).then_some(maker)
        };
        let Some(relu) = named(cx.graph.node(grad).inputs[0], "ReluGrad") else { return Before::NOTHING };
        let dy = cx.graph.node(relu).inputs[0];
        // The way back through a pooling takes the ReLU in front of it.
        let only = |node: &NodeId| cx.only_user(cx.graph.node(*node).outputs[0]) == Some(relu);
        if named(dy, "MaxPoolGrad").filter(only).is_some() {
            return Before::NOTHING;
        }
        let alike = |add: &NodeId| {
            let inputs = &cx.graph.node(*add).inputs;
            let dims = dy.and_then(|dy| cx.feature_dims(dy));
            inputs.iter().flatten().all(|&value| cx.is_gradient(value) && cx.feature_dims(value) == dims)
        };
        Before { add: named(dy, "Add").filter(only).filter(alike), relu: Some(relu) }
    }

    /// The first of the nodes up to `grad`.
    pub(super) fn first(self, grad: NodeId) -> NodeId {
        self.add.or(self.relu).unwrap_or(grad)
    }
}

/// Lets the gradient nodes of a normalisation in training use its `moments`, and be computed with what comes before them.
/// `rectified` is the output of the ReLU right behind the normalisation, if there is one; `lower` lowers them.
pub(super) fn remember(
    cx: &mut Lowering<'_>,
    forward: &Node,
    moments: Slot,
    rectified: Option<ValueId>,
    lower: LowerGradient,
) {
    let x = forward.inputs[0].expect("required");
    let bias = forward.inputs[2];
    for user in cx.users(x).to_vec() {
        let node = cx.graph.node(user);
        let same = node.op_name() == "BatchNormalizationGrad"
            && node.inputs[1] == Some(x)
            && node.inputs[2] == forward.inputs[1]
            && node.attribute("epsilon") == forward.attribute("epsilon");
        if !same {
            continue;
        }
        let mut before = Before::of(cx, user);
        if cx.is_settled(before.first(user)) {
            // Another normalisation has the same gradient arriving, and computes it.
            before = Before::NOTHING;
        }
        let bias = before.relu.filter(|&relu| cx.graph.node(relu).inputs[1] == rectified).and(bias);
        cx.remember(before.first(user), move |cx, _| {
            let relu = before.relu.map(|relu| match bias {
                Some(bias) => Passed::Input { bias },
                None => Passed::Output(cx.graph.node(relu).inputs[1].expect("required")),
            });
            lower(cx, user, before, relu, Some(moments))
        });
    }
}

/// Lowers `BatchNormalizationGrad(dy, x, scale)`.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    lower_with(cx, id, Before::NOTHING, None, None)
}

/// As [`lower`], with the nodes before it; see [`LowerGradient`].
pub(super) fn lower_with(
    cx: &mut Lowering<'_>,
    id: NodeId,
    before: Before,
    relu: Option<Passed>,
    moments: Option<Slot>,
) -> bool {
    let (node, _) = cx.node(id);
    let [dz, x, scale] = [0, 1, 2].map(|index| node.inputs[index].expect("required"));
    let Some(dims) = cx.feature_dims(x) else { return false };
    if !cx.is_lanes(dz) || cx.is_lanes(scale) {
        return false;
    }
    let (channels, positions): (usize, usize) = (dims[0], dims[1..].iter().product());
    let lanes = cx.lanes;
    let pieces = Pieces::of(channels, channels * positions * lanes * 10);
    let relu = relu.map(|relu| match relu {
        Passed::Output(y) => Sign::Output(cx.slot(y)),
        Passed::Input { bias } => Sign::Input { bias: cx.slot(bias) },
    });
    let arriving = arriving(cx, id, before, relu);
    let dx = node.outputs[0];
    let dx = (!cx.users(dx).is_empty() || cx.is_kept(dx)).then_some(dx);
    for made in arriving.dz.map(|_| dz).into_iter().chain(dx) {
        cx.set_cut(made, pieces.scaled(positions));
    }
    let dx = dx.map(|dx| cx.slot(dx));
    let parameter = |cx: &mut Lowering<'_>, index: usize| match node.outputs.get(index) {
        Some(&value) => cx.slot(value),
        None => cx.temporary(channels),
    };
    let (dscale, dbias) = (parameter(cx, 1), parameter(cx, 2));
    let [x, scale] = [x, scale].map(|value| cx.slot(value));
    let epsilon = float(node, "epsilon");
    cx.push(BatchNormGradient {
        arriving,
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
    [before.add, before.relu, Some(id)].into_iter().flatten().for_each(|node| cx.done(node));
    true
}

/// What arrives at the gradient node `id` by way of the nodes before it.
fn arriving(cx: &mut Lowering<'_>, id: NodeId, before: Before, relu: Option<Sign>) -> Arriving {
    let graph = cx.graph;
    let dz = graph.node(id).inputs[0].expect("required");
    let first = graph.node(before.first(id));
    let dy = cx.slot(first.inputs[0].expect("required"));
    let other = before.add.map(|_| cx.slot(first.inputs[1].expect("required")));
    let shared = before.relu.is_some() && (cx.users(dz).len() > 1 || cx.is_kept(dz));
    let dz = shared.then(|| cx.slot(dz));
    Arriving { dy, other, relu, dz }
}
