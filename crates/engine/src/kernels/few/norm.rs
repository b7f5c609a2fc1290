//! Batch normalisation of maps in training, with the addition and the ReLU behind it. Means run over the positions of the
//! examples that are there.

use graph::{Attribute, NodeId};

use super::column_sums::{Terms, sums};
use super::form::{self, Form, Lengths};
use super::norm_gradient;
use crate::kernels::batch_norm::{Behind, Running, float, inverse_deviation};
use crate::kernels::batch_norm_gradient::remember;
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y = activation(scale * (x - mean) / sqrt(variance + epsilon) + bias + other)` for each channel; mean and
/// `1 / sqrt(variance + epsilon)` are kept for the way back.
struct Norm {
    x: Slot,
    /// What is added, if something is.
    other: Option<Slot>,
    relu: bool,
    y: Slot,
    scale: Slot,
    bias: Slot,
    /// `[mean, inverse deviation, variance][channel]`.
    moments: Slot,
    running: Vec<Running>,
    momentum: f64,
    epsilon: f64,
    lengths: Lengths,
    /// Vectors of channels.
    pieces: Pieces,
}

impl Step for Norm {
    fn name(&self) -> String {
        let add = if self.other.is_some() { " + add" } else { "" };
        let relu = if self.relu { " + relu" } else { "" };
        format!("batch norm {}, training{add}{relu}", self.lengths.channels)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let reads = [self.x, self.scale, self.bias].into_iter().chain(self.other).map(Access::read);
        let mut access: Vec<Access> = reads.chain([self.y, self.moments].map(Access::write)).collect();
        for running in &self.running {
            access.extend([Access::read(running.before), Access::write(running.after)]);
        }
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start * ALIGNMENT, range.end * ALIGNMENT);
        let (rows, row) = (cx.live() * self.lengths.positions, self.lengths.padded());
        let number = |slot: Slot| cx.memory.at(slot).cast_const();
        let maps = Maps {
            x: number(self.x),
            other: self.other.map_or(std::ptr::null(), number),
            y: cx.memory.at(self.y),
            scale: number(self.scale),
            bias: number(self.bias),
            moments: cx.memory.at(self.moments),
            floor: if self.relu { 0.0 } else { f32::NEG_INFINITY },
            row,
        };
        let epsilon = self.epsilon;
        // SAFETY: the channels `from..to` of all buffers belong to this piece; parameters are padded to whole vectors.
        unsafe {
            dispatch!(cx.level => channels::<S>(maps: Maps, rows: usize, from: usize, to: usize, epsilon: f64));
        }
        self.move_on(from..to.min(self.lengths.channels), cx);
    }
}

impl Norm {
    /// Moves the running statistics of some channels on to the batch's.
    fn move_on(&self, channels: std::ops::Range<usize>, cx: &Context<'_>) {
        for (running, moment) in self.running.iter().zip([0, 2]) {
            for channel in channels.clone() {
                // SAFETY: the channels belong to the piece that calls; the statistics have a number per channel.
                unsafe {
                    let batch = *cx.memory.at(self.moments).add(moment * self.lengths.padded() + channel);
                    let (batch, before) =
                        (f64::from(batch), f64::from(*cx.memory.at(running.before).add(channel)));
                    let after = cx.memory.at(running.after).add(channel);
                    *after = (self.momentum * before + (1.0 - self.momentum) * batch) as f32;
                }
            }
        }
    }
}

/// What the kernel reads and writes.
#[derive(Clone, Copy)]
struct Maps {
    x: *const f32,
    /// Null where nothing is added.
    other: *const f32,
    y: *mut f32,
    scale: *const f32,
    bias: *const f32,
    moments: *mut f32,
    floor: f32,
    /// Elements from one position to the next.
    row: usize,
}

#[inline(always)]
unsafe fn channels<S: Simd>(maps: Maps, rows: usize, from: usize, to: usize, epsilon: f64) {
    for channel in (from..to).step_by(S::WIDTH) {
        // SAFETY: the caller's.
        unsafe {
            statistics::<S>(maps, rows, channel, epsilon);
            let mean = S::load(maps.moments.add(channel));
            let slope =
                S::mul(S::load(maps.scale.add(channel)), S::load(maps.moments.add(maps.row + channel)));
            let (bias, floor) = (S::load(maps.bias.add(channel)), S::splat(maps.floor));
            for row in 0..rows {
                let at = row * maps.row + channel;
                let mut value = S::mul_add(slope, S::sub(S::load(maps.x.add(at)), mean), bias);
                if !maps.other.is_null() {
                    value = S::add(value, S::load(maps.other.add(at)));
                }
                S::store(maps.y.add(at), S::max(floor, value));
            }
        }
    }
}

/// Mean, `1 / sqrt(variance + epsilon)` and variance of a vector of channels, kept in the moments.
#[inline(always)]
unsafe fn statistics<S: Simd>(maps: Maps, rows: usize, channel: usize, epsilon: f64) {
    // SAFETY: the caller's.
    unsafe {
        let powers = |centre: S::V| Powers::<S> { x: maps.x.add(channel), row: maps.row, centre };
        let [first, _] = sums::<S, Powers<S>>(powers(S::splat(0.0)), rows);
        let count = rows as f64;
        for lane in 0..S::WIDTH {
            *maps.moments.add(channel + lane) = (first[lane] / count) as f32;
        }
        let [rest, squares] = sums::<S, Powers<S>>(powers(S::load(maps.moments.add(channel))), rows);
        for lane in 0..S::WIDTH {
            // What rounding the mean has left is taken out again.
            let rest = rest[lane] / count;
            let variance = squares[lane] / count - rest * rest;
            *maps.moments.add(maps.row + channel + lane) = inverse_deviation(variance, epsilon);
            *maps.moments.add(2 * maps.row + channel + lane) = variance as f32;
        }
    }
}

/// For the sums of `x - centre` and of its squares.
#[derive(Clone, Copy)]
struct Powers<S: Simd> {
    x: *const f32,
    row: usize,
    centre: S::V,
}

impl<S: Simd> Terms<S> for Powers<S> {
    #[inline(always)]
    unsafe fn at(self, row: usize) -> [S::V; 2] {
        // SAFETY: the caller's.
        unsafe { [S::sub(S::load(self.x.add(row * self.row)), self.centre); 2] }
    }
}

/// Vectors of padded channels, cut for some passes over maps.
pub(super) fn cut(cx: &Lowering<'_>, lengths: Lengths, passes: usize) -> Pieces {
    let elements = lengths.padded() * lengths.positions * form::batch(cx);
    Pieces::of(lengths.vectors(), elements * passes)
}

/// Lowers `BatchNormalization` of maps in training, with `Add` and `Relu` behind it and the nodes of its way back.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map(|index| node.inputs[index].expect("required"));
    let training = node.attribute("training_mode") != Some(Attribute::Int(0));
    let given = [scale, bias, mean, variance].iter().any(|&value| cx.is_lanes(value));
    if !training || given || !form::is_map(cx, x) {
        return false;
    }
    let lengths = Lengths::of(cx, x).expect("a map");
    let behind = Behind::of(cx, node.outputs[0]);
    let moments = cx.temporary(3 * lengths.padded());
    // Without an addition in between, the sign of the output follows from the input.
    let rectified = behind.relu.filter(|_| behind.add.is_none()).map(|_| behind.output);
    remember(cx, node, moments, rectified, norm_gradient::lower_with);
    let running = Running::of(cx, node);
    let x = form::have(cx, x, Form::Maps);
    let other = behind.add.map(|(_, other)| form::have(cx, other, Form::Maps));
    let (scale, bias) = (cx.slot(scale), cx.slot(bias));
    let y = form::make(cx, behind.output, Form::Maps);
    let (momentum, epsilon) = (float(node, "momentum"), float(node, "epsilon"));
    let (relu, pieces) = (behind.relu.is_some(), cut(cx, lengths, 12));
    cx.push(Norm { x, other, relu, y, scale, bias, moments, running, momentum, epsilon, lengths, pieces });
    behind.add.iter().for_each(|&(add, _)| cx.done(add));
    behind.relu.into_iter().for_each(|relu| cx.done(relu));
    true
}
