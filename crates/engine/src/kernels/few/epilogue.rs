//! What is done to a sum while it is in registers: bias, batch normalisation with given statistics, another map, ReLU.

use graph::{Node, NodeId, ValueId};
use tensor::{DType, Tensor};

use super::form::{self, Form, Lengths};
use super::pack::padded;
use crate::kernels::batch_norm::{float, inverse_deviation};
use crate::kernels::memory::{Memory, Slot};
use crate::kernels::simd::Simd;
use crate::lower::Lowering;
use crate::step::Access;

/// The nodes behind a node that become a part of it.
pub(super) struct Chain {
    /// The value that comes out.
    pub(super) output: ValueId,
    nodes: Vec<NodeId>,
    norm: Option<Vec<f32>>,
    residual: Option<ValueId>,
    relu: bool,
}

impl Chain {
    /// An empty one behind `value`.
    pub(super) fn none(value: ValueId) -> Self {
        Chain { output: value, nodes: Vec::new(), norm: None, residual: None, relu: false }
    }

    /// The longest one behind `value`.
    pub(super) fn behind(cx: &Lowering<'_>, value: ValueId) -> Self {
        let mut chain = Chain::none(value);
        chain.extend(cx);
        chain
    }

    /// Adds as many of the nodes behind it as may follow.
    pub(super) fn extend(&mut self, cx: &Lowering<'_>) {
        while let Some(user) = cx.only_user(self.output).filter(|&user| !cx.is_done(user)) {
            if !self.take(cx, user) {
                break;
            }
        }
    }

    /// Adds a node that reads the output so far, if it may follow.
    pub(super) fn take(&mut self, cx: &Lowering<'_>, user: NodeId) -> bool {
        let (node, op) = cx.node(user);
        let taken = !self.relu
            && match op {
                "BatchNormalization" => {
                    self.norm.is_none() && self.residual.is_none() && self.take_norm(cx, node)
                }
                "Add" => self.residual.is_none() && self.take_residual(cx, node),
                "Relu" => {
                    self.relu = true;
                    true
                }
                _ => false,
            };
        if taken {
            self.nodes.push(user);
            self.output = node.outputs[0];
        }
        taken
    }

    fn take_norm(&mut self, cx: &Lowering<'_>, node: &Node) -> bool {
        self.norm = (node.inputs[0] == Some(self.output)).then(|| norm_of(cx, node)).flatten();
        self.norm.is_some()
    }

    fn take_residual(&mut self, cx: &Lowering<'_>, node: &Node) -> bool {
        let other = match (node.inputs[0], node.inputs[1]) {
            (Some(a), Some(b)) if a == self.output => b,
            (Some(a), Some(b)) if b == self.output => a,
            _ => return false,
        };
        let same = cx.feature_dims(other).is_some() && cx.feature_dims(other) == cx.feature_dims(self.output);
        if other == self.output || !same || !form::is_made(cx, other) {
            return false;
        }
        self.residual = Some(other);
        true
    }

    /// As [`Chain::lower`], behind a convolution. Without bias zeros are added, as the kernels for many examples do: that makes
    /// zeros of both signs one.
    pub(super) fn lower_sum(self, cx: &mut Lowering<'_>, bias: Option<&Tensor>) -> Epilogue {
        let channels = Lengths::of(cx, self.output).expect("maps have a row per example").channels;
        let numbers = match bias.map(|bias| bias.cast(DType::F32)) {
            Some(bias) => padded(bias.values::<f32>().iter().copied()),
            None => padded((0..channels).map(|_| 0.0)),
        };
        self.lower(cx, Some(numbers))
    }

    /// Marks the nodes as taken and gives the epilogue they are; `bias` has a number per padded channel.
    pub(super) fn lower(self, cx: &mut Lowering<'_>, bias: Option<Vec<f32>>) -> Epilogue {
        let channels = Lengths::of(cx, self.output).expect("maps have a row per example").padded();
        let bias = bias.map(|bias| cx.filled(bias));
        let norm = self.norm.map(|numbers| cx.filled(numbers));
        let residual = self.residual.map(|value| form::have(cx, value, Form::Maps));
        self.nodes.into_iter().for_each(|node| cx.done(node));
        Epilogue { bias, norm, residual, relu: self.relu, channels }
    }
}

/// Mean, slope and bias of each channel, side by side in this order, each padded to whole vectors.
fn norm_of(cx: &Lowering<'_>, node: &Node) -> Option<Vec<f32>> {
    if node.attribute("training_mode") != Some(graph::Attribute::Int(0)) {
        return None;
    }
    let constant = |index: usize| Some(cx.constant(node.inputs[index]?)?.cast(DType::F32));
    let [scale, bias, mean, variance] = [constant(1)?, constant(2)?, constant(3)?, constant(4)?];
    let epsilon = float(node, "epsilon");
    let pairs = scale.values::<f32>().iter().zip(variance.values::<f32>());
    let slope = pairs.map(|(&scale, &variance)| scale * inverse_deviation(f64::from(variance), epsilon));
    let mut numbers = padded(mean.values::<f32>().iter().copied());
    numbers.extend(padded(slope));
    numbers.extend(padded(bias.values::<f32>().iter().copied()));
    Some(numbers)
}

/// `y = relu(norm(x + bias) + residual)`, each part if it is there.
pub(super) struct Epilogue {
    bias: Option<Slot>,
    norm: Option<Slot>,
    residual: Option<Slot>,
    relu: bool,
    /// Padded channels.
    channels: usize,
}

impl Epilogue {
    /// What it is, for people.
    pub(super) fn name(&self) -> String {
        let parts = [
            (self.norm.is_some(), " + batch norm"),
            (self.residual.is_some(), " + add"),
            (self.relu, " + relu"),
        ];
        parts.into_iter().filter(|(there, _)| *there).map(|(_, name)| name).collect()
    }

    /// What it reads.
    pub(super) fn access(&self) -> Vec<Access> {
        [self.bias, self.norm, self.residual].into_iter().flatten().map(Access::read).collect()
    }

    /// Where it reads, for a kernel.
    pub(super) fn at(&self, memory: &Memory) -> Finish {
        let at = |slot: Option<Slot>| slot.map_or(std::ptr::null(), |slot| memory.at(slot).cast_const());
        Finish {
            bias: at(self.bias),
            norm: at(self.norm),
            residual: at(self.residual),
            relu: self.relu,
            channels: self.channels,
        }
    }
}

/// An epilogue as kernels see it; null for parts that are not there.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    bias: *const f32,
    norm: *const f32,
    residual: *const f32,
    relu: bool,
    channels: usize,
}

impl Finish {
    /// The finished vector of the channels from `channel` on; `at` is its place in the output map.
    ///
    /// # Safety
    ///
    /// The channels are those of the map, and the residual map has this place.
    #[inline(always)]
    pub(super) unsafe fn apply<S: Simd>(&self, mut value: S::V, channel: usize, at: usize) -> S::V {
        // SAFETY: the caller's; the numbers per channel are padded to whole vectors.
        unsafe {
            if !self.bias.is_null() {
                value = S::add(value, S::load(self.bias.add(channel)));
            }
            if !self.norm.is_null() {
                let norm = self.norm.add(channel);
                let centred = S::sub(value, S::load(norm));
                let (slope, shift) = (S::load(norm.add(self.channels)), S::load(norm.add(2 * self.channels)));
                value = S::mul_add(slope, centred, shift);
            }
            if !self.residual.is_null() {
                value = S::add(value, S::load(self.residual.add(at)));
            }
            if self.relu { S::max(S::splat(0.0), value) } else { value }
        }
    }
}
