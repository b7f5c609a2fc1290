//! Batch normalisation, in inference and in training, with the addition and the ReLU behind it: each channel's map is
//! read, normalised and written while it lies in the first-level cache. Means run over the examples that are there: the
//! lanes behind the last one count for nothing.

use graph::{Attribute, Node, NodeId, ValueId};

use super::batch_norm_gradient;
use super::channel_map::{Factors, Map, sums};
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Where the means and variances come from.
enum Statistics {
    /// They are given, one per channel.
    Given { mean: Slot, variance: Slot },
    /// They are the batch's; its mean and `1 / sqrt(variance + epsilon)` are kept for the way back.
    Batch { moments: Slot, running: Vec<Running>, momentum: f64 },
    /// They are the batch's, as kept when it was normalised before.
    Kept { moments: Slot },
}

/// A running statistic: before and after the step, which may be one buffer.
#[derive(Clone, Copy)]
pub(super) struct Running {
    pub(super) before: Slot,
    pub(super) after: Slot,
}

impl Running {
    /// The running mean and variance of a normalisation in training, those of them that are asked for.
    pub(super) fn of(cx: &mut Lowering<'_>, node: &Node) -> Vec<Self> {
        let befores = [node.inputs[3].expect("required"), node.inputs[4].expect("required")];
        let pairs = node.outputs[1..].iter().zip(befores);
        pairs.map(|(&after, before)| Running { before: cx.slot(before), after: cx.slot(after) }).collect()
    }
}

/// `y = activation(scale * (x - mean) / sqrt(variance + epsilon) + bias + other)` for each channel.
struct BatchNorm {
    x: Slot,
    /// What is added, if something is.
    other: Option<Slot>,
    relu: bool,
    y: Slot,
    scale: Slot,
    bias: Slot,
    statistics: Statistics,
    epsilon: f64,
    pieces: Pieces,
    positions: usize,
    lanes: usize,
}

impl Step for BatchNorm {
    fn name(&self) -> String {
        let training = match self.statistics {
            Statistics::Given { .. } => "",
            Statistics::Batch { .. } => ", training",
            Statistics::Kept { .. } => ", again",
        };
        let add = if self.other.is_some() { " + add" } else { "" };
        let relu = if self.relu { " + relu" } else { "" };
        format!("batch norm {}{training}{add}{relu}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let map = self.positions * self.lanes;
        let own = |slot: Slot| Access::read_own(slot, &self.pieces, 1);
        let mut access = vec![
            Access::read_own(self.x, &self.pieces, map),
            Access::write_own(self.y, &self.pieces, map),
            own(self.scale),
            own(self.bias),
        ];
        access.extend(self.other.map(|other| Access::read_own(other, &self.pieces, map)));
        match &self.statistics {
            Statistics::Given { mean, variance } => access.extend([own(*mean), own(*variance)]),
            Statistics::Kept { moments } => access.push(Access::read_own(*moments, &self.pieces, 2)),
            Statistics::Batch { moments, running, .. } => {
                access.push(Access::write_own(*moments, &self.pieces, 2));
                for running in running {
                    access.push(own(running.before));
                    access.push(Access::write_own(running.after, &self.pieces, 1));
                }
            }
        }
        access
    }

    fn in_place(&self) -> Vec<(Slot, Slot)> {
        [Some(self.x), self.other].into_iter().flatten().map(|read| (self.y, read)).collect()
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let map = Map { positions: self.positions, lanes: self.lanes, live: cx.live() };
        for channel in self.pieces.range(piece) {
            let at = channel * self.positions * self.lanes;
            // SAFETY: the channel of every buffer belongs to this piece.
            let maps = unsafe {
                Maps {
                    x: cx.memory.at(self.x).add(at),
                    other: self.other.map_or(std::ptr::null(), |other| cx.memory.at(other).add(at)),
                    y: cx.memory.at(self.y).add(at),
                }
            };
            let (mean, inverse) = self.statistics(channel, maps.x, map, cx);
            // SAFETY: as above; the parameters have an element per channel.
            unsafe {
                let number = |slot: Slot| *cx.memory.at(slot).add(channel);
                let line = Line { mean, slope: number(self.scale) * inverse, bias: number(self.bias) };
                let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
                let len = self.positions * self.lanes;
                dispatch!(cx.level => normalise::<S>(maps: Maps, len: usize, line: Line, floor: f32));
            }
        }
    }
}

impl BatchNorm {
    /// Mean and `1 / sqrt(variance + epsilon)` of a channel; in training, the running statistics move on.
    fn statistics(&self, channel: usize, x: *const f32, map: Map, cx: &Context<'_>) -> (f32, f32) {
        // SAFETY: the channel of every buffer belongs to the piece that calls.
        let at = |slot: Slot| unsafe { cx.memory.at(slot).add(channel) };
        match &self.statistics {
            Statistics::Given { mean, variance } => {
                // SAFETY: as above.
                let (mean, variance) = unsafe { (*at(*mean), *at(*variance)) };
                (mean, inverse_deviation(f64::from(variance), self.epsilon))
            }
            Statistics::Kept { moments } => {
                // SAFETY: `moments` holds two numbers per channel.
                let [mean, inverse] =
                    unsafe { cx.memory.at(*moments).add(2 * channel).cast::<[f32; 2]>().read() };
                (mean, inverse)
            }
            Statistics::Batch { moments, running, momentum } => {
                // SAFETY: `x` is the channel's map; `moments` holds two numbers per channel.
                let (mean, variance) = unsafe { mean_and_variance(x, map, cx) };
                let inverse = inverse_deviation(variance, self.epsilon);
                for (running, batch) in running.iter().zip([mean, variance]) {
                    // SAFETY: as above.
                    unsafe {
                        let before = f64::from(*at(running.before));
                        *at(running.after) = (momentum * before + (1.0 - momentum) * batch) as f32;
                    }
                }
                // SAFETY: as above.
                unsafe {
                    cx.memory.at(*moments).add(2 * channel).cast::<[f32; 2]>().write([mean as f32, inverse])
                };
                (mean as f32, inverse)
            }
        }
    }
}

pub(super) fn inverse_deviation(variance: f64, epsilon: f64) -> f32 {
    (1.0 / (variance + epsilon).sqrt()) as f32
}

/// Mean and population variance over positions and examples.
///
/// # Safety
///
/// `x` is a map of `map`'s lengths that nobody writes meanwhile.
pub(super) unsafe fn mean_and_variance(x: *const f32, map: Map, cx: &Context<'_>) -> (f64, f64) {
    let powers = |centre: f32| {
        let powers = Powers { x, centre };
        // SAFETY: the caller's.
        unsafe { dispatch!(cx.level => sums::<S, Powers>(powers: Powers, map: Map) -> [f64; 2]) }
    };
    let mean = powers(0.0)[0] / map.count();
    let spread = powers(mean as f32);
    // What rounding the mean has left is taken out again.
    let rest = spread[0] / map.count();
    (mean, spread[1] / map.count() - rest * rest)
}

/// For the sums of `x - centre` and of its squares.
#[derive(Clone, Copy)]
struct Powers {
    x: *const f32,
    centre: f32,
}

impl Factors for Powers {
    #[inline(always)]
    unsafe fn at<S: Simd>(self, at: usize) -> [S::V; 2] {
        // SAFETY: the caller's.
        unsafe { [S::sub(S::load(self.x.add(at)), S::splat(self.centre)); 2] }
    }
}

/// One channel's maps.
#[derive(Clone, Copy)]
struct Maps {
    x: *const f32,
    /// Null where nothing is added.
    other: *const f32,
    y: *mut f32,
}

/// `slope * (x - mean) + bias`.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) mean: f32,
    pub(super) slope: f32,
    pub(super) bias: f32,
}

impl Line {
    /// The vector at `x`, normalised.
    ///
    /// # Safety
    ///
    /// `x` is a vector of its map.
    #[inline(always)]
    pub(super) unsafe fn of<S: Simd>(self, x: *const f32) -> S::V {
        // SAFETY: the caller's.
        unsafe {
            let centred = S::sub(S::load(x), S::splat(self.mean));
            S::mul_add(S::splat(self.slope), centred, S::splat(self.bias))
        }
    }
}

/// `y = max(floor, line(x) + other)`.
#[inline(always)]
unsafe fn normalise<S: Simd>(maps: Maps, len: usize, line: Line, floor: f32) {
    for at in (0..len).step_by(S::WIDTH) {
        // SAFETY: the caller's; lanes are whole vectors.
        unsafe {
            let mut value = line.of::<S>(maps.x.add(at));
            if !maps.other.is_null() {
                value = S::add(value, S::load(maps.other.add(at)));
            }
            S::store(maps.y.add(at), S::max(S::splat(floor), value));
        }
    }
}

pub(super) fn float(node: &Node, name: &str) -> f64 {
    match node.attribute(name) {
        Some(Attribute::Float(value)) => f64::from(value),
        other => panic!("{} attribute {name} is {other:?}", node.name),
    }
}

/// What follows a normalisation and is computed with it.
pub(super) struct Behind {
    pub(super) add: Option<(NodeId, ValueId)>,
    pub(super) relu: Option<NodeId>,
    pub(super) output: ValueId,
}

impl Behind {
    /// Finds `Add` and `Relu` behind `y`, whose inner values nobody else reads.
    pub(super) fn of(cx: &Lowering<'_>, y: ValueId) -> Self {
        let next = |value: ValueId, op: &str| {
            cx.only_user(value).filter(|&user| cx.graph.node(user).op_name() == op)
        };
        let output = |node: NodeId| cx.graph.node(node).outputs[0];
        let add = next(y, "Add").and_then(|add| {
            let &[Some(a), Some(b)] = cx.graph.node(add).inputs.as_slice() else { return None };
            let other = if a == y { b } else { a };
            let fits = other != y && cx.feature_dims(other) == cx.feature_dims(y) && cx.is_computed(other);
            fits.then_some((add, other))
        });
        let sum = add.map_or(y, |(add, _)| output(add));
        let relu = next(sum, "Relu");
        Behind { add, relu, output: relu.map_or(sum, output) }
    }
}

/// Lowers `BatchNormalization` with `Add` and `Relu` behind it; in training, with the nodes of its way back.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map(|index| node.inputs[index].expect("required"));
    let Some(dims) = cx.feature_dims(x) else { return false };
    if [scale, bias, mean, variance].iter().any(|&value| cx.is_lanes(value)) {
        return false;
    }
    let (channels, positions): (usize, usize) = (dims[0], dims[1..].iter().product());
    let lanes = cx.lanes;
    let training = node.attribute("training_mode") != Some(Attribute::Int(0));
    let behind = Behind::of(cx, node.outputs[0]);
    let before = cx.left_by(id);
    let statistics = if let Some(moments) = before {
        Statistics::Kept { moments }
    } else if training {
        let moments = cx.temporary(2 * channels);
        cx.leave(id, moments);
        // Without an addition in between, the sign of the output follows from the input.
        let rectified = behind.relu.filter(|_| behind.add.is_none()).map(|_| behind.output);
        batch_norm_gradient::remember(cx, node, moments, rectified, batch_norm_gradient::lower_with);
        let running = Running::of(cx, node);
        Statistics::Batch { moments, running, momentum: float(node, "momentum") }
    } else {
        Statistics::Given { mean: cx.slot(mean), variance: cx.slot(variance) }
    };
    let passes = if training && before.is_none() { 12 } else { 4 };
    let pieces = Pieces::of(channels, channels * positions * lanes * passes);
    cx.set_cut(behind.output, pieces.scaled(positions));
    let [x, y, scale, bias] = [x, behind.output, scale, bias].map(|value| cx.slot(value));
    let other = behind.add.map(|(_, other)| cx.slot(other));
    let (epsilon, relu) = (float(node, "epsilon"), behind.relu.is_some());
    cx.push(BatchNorm { x, other, relu, y, scale, bias, statistics, epsilon, pieces, positions, lanes });
    behind.add.iter().for_each(|&(add, _)| cx.done(add));
    behind.relu.into_iter().for_each(|relu| cx.done(relu));
    true
}
