//! Batch normalisation, in inference and in training. Means run over the examples that are there: the lanes behind the
//! last one count for nothing.

use graph::{Attribute, Node, NodeId};

use super::batch_norm_gradient;
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
}

/// A running statistic: before and after the step, which may be one buffer.
#[derive(Clone, Copy)]
struct Running {
    before: Slot,
    after: Slot,
}

/// `y = scale * (x - mean) / sqrt(variance + epsilon) + bias` for each channel.
struct BatchNorm {
    x: Slot,
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
        let training = if matches!(self.statistics, Statistics::Batch { .. }) { ", training" } else { "" };
        format!("batch norm {}{training}", self.pieces.total())
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
        match &self.statistics {
            Statistics::Given { mean, variance } => access.extend([own(*mean), own(*variance)]),
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

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let map = Map { positions: self.positions, lanes: self.lanes, live: cx.live() };
        for channel in self.pieces.range(piece) {
            // SAFETY: the channel of every buffer belongs to this piece.
            let (x, y) = unsafe {
                let at = channel * self.positions * self.lanes;
                (cx.memory.at(self.x).add(at).cast_const(), cx.memory.at(self.y).add(at))
            };
            let (mean, inverse) = self.statistics(channel, x, map, cx);
            // SAFETY: as above; the parameters have an element per channel.
            unsafe {
                let number = |slot: Slot| *cx.memory.at(slot).add(channel);
                let (slope, bias) = (number(self.scale) * inverse, number(self.bias));
                dispatch!(cx.level => normalise::<S>(x: *const f32, y: *mut f32, map: Map, mean: f32, slope: f32,
                    bias: f32));
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

/// The lengths of one channel's map.
#[derive(Clone, Copy)]
pub(super) struct Map {
    pub(super) positions: usize,
    pub(super) lanes: usize,
    /// Examples in the lanes.
    pub(super) live: usize,
}

impl Map {
    /// Numbers that statistics run over.
    pub(super) fn count(self) -> f64 {
        (self.positions * self.live) as f64
    }

    /// `value` in lanes of examples, zero in the others, for the vector that starts at `lane`.
    #[inline(always)]
    pub(super) unsafe fn keep_live<S: Simd>(self, lane: usize, value: S::V) -> S::V {
        if lane + S::WIDTH <= self.live {
            return value;
        }
        let bits = (1u32 << self.live.saturating_sub(lane)) - 1;
        // SAFETY: the caller is compiled for the instruction set.
        unsafe { S::keep(S::mask(bits as u16), value) }
    }
}

/// Mean and population variance over positions and examples.
///
/// # Safety
///
/// `x` is a map of `map`'s lengths that nobody writes meanwhile.
pub(super) unsafe fn mean_and_variance(x: *const f32, map: Map, cx: &Context<'_>) -> (f64, f64) {
    let zero = 0.0f32;
    // SAFETY: the caller's.
    let total =
        unsafe { dispatch!(cx.level => sum_of_powers::<S>(x: *const f32, map: Map, zero: f32) -> [f64; 2]) };
    let mean = total[0] / map.count();
    let centre = mean as f32;
    // SAFETY: the caller's.
    let spread = unsafe {
        dispatch!(cx.level => sum_of_powers::<S>(x: *const f32, map: Map, centre: f32) -> [f64; 2])
    };
    // What rounding the mean has left is taken out again.
    let rest = spread[0] / map.count();
    (mean, spread[1] / map.count() - rest * rest)
}

/// Vectors that are added in `f32` before the sum goes on in `f64`.
pub(super) const RUN: usize = 64;

/// The sums of `x - centre` and of its squares.
#[inline(always)]
unsafe fn sum_of_powers<S: Simd>(x: *const f32, map: Map, centre: f32) -> [f64; 2] {
    let mut totals = [0.0f64; 2];
    // SAFETY: the caller's.
    unsafe {
        let centre = S::splat(centre);
        let (mut sums, mut run) = ([S::splat(0.0); 2], 0);
        for position in 0..map.positions {
            for lane in (0..map.live).step_by(S::WIDTH) {
                let value = S::sub(S::load(x.add(position * map.lanes + lane)), centre);
                let value = map.keep_live::<S>(lane, value);
                sums = [S::add(sums[0], value), S::mul_add(value, value, sums[1])];
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
pub(super) unsafe fn add<S: Simd>(totals: [f64; 2], sums: [S::V; 2]) -> [f64; 2] {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe { [totals[0] + f64::from(S::sum(sums[0])), totals[1] + f64::from(S::sum(sums[1]))] }
}

/// `y = slope * (x - mean) + bias`.
#[inline(always)]
unsafe fn normalise<S: Simd>(x: *const f32, y: *mut f32, map: Map, mean: f32, slope: f32, bias: f32) {
    for at in (0..map.positions * map.lanes).step_by(S::WIDTH) {
        // SAFETY: the caller's; lanes are whole vectors.
        unsafe {
            let centred = S::sub(S::load(x.add(at)), S::splat(mean));
            S::store(y.add(at), S::mul_add(S::splat(slope), centred, S::splat(bias)));
        }
    }
}

pub(super) fn float(node: &Node, name: &str) -> f64 {
    match node.attribute(name) {
        Some(Attribute::Float(value)) => f64::from(value),
        other => panic!("{} attribute {name} is {other:?}", node.name),
    }
}

/// Lowers `BatchNormalization`; in training, with the node of its gradient.
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
    let statistics = if training {
        let moments = cx.temporary(2 * channels);
        batch_norm_gradient::share_moments(cx, node, moments);
        let befores = [mean, variance];
        let running = node.outputs[1..]
            .iter()
            .zip(befores)
            .map(|(&after, before)| Running { before: cx.slot(before), after: cx.slot(after) });
        Statistics::Batch { moments, running: running.collect(), momentum: float(node, "momentum") }
    } else {
        Statistics::Given { mean: cx.slot(mean), variance: cx.slot(variance) }
    };
    let passes = if training { 12 } else { 4 };
    let pieces = Pieces::of(channels, channels * positions * lanes * passes);
    cx.set_cut(node.outputs[0], pieces.scaled(positions));
    let [x, y, scale, bias] = [x, node.outputs[0], scale, bias].map(|value| cx.slot(value));
    let epsilon = float(node, "epsilon");
    cx.push(BatchNorm { x, y, scale, bias, statistics, epsilon, pieces, positions, lanes });
    true
}
