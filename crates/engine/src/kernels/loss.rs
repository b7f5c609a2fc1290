//! Losses and their gradients: means over the examples that are there; empty lanes count for nothing.

use graph::{Attribute, Node, NodeId, ValueId};

use super::memory::Slot;
use super::reduce::single;
use super::simd::{Simd, dispatch};
use super::softmax::{Scores, softmax};
use crate::lower::Lowering;
use crate::step::{Access, Context, PIECE_LANES, Pieces, Step};

/// Which loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    CrossEntropy,
    SquaredError,
}

/// `loss = mean over examples of -ln softmax(scores)[label]`, or of the mean squared difference.
struct Loss {
    kind: Kind,
    prediction: Slot,
    target: Slot,
    loss: Slot,
    pieces: Pieces,
    features: usize,
    lanes: usize,
}

impl Step for Loss {
    fn name(&self) -> String {
        format!("loss {:?}", self.kind)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.prediction), Access::read(self.target), Access::write(self.loss)]
    }

    fn run(&self, _: usize, cx: &Context<'_>) {
        // SAFETY: serial; distinct buffers that nobody else touches meanwhile.
        let (prediction, target, loss) = unsafe {
            let memory = cx.memory;
            (memory.slice(self.prediction), memory.slice(self.target), memory.slice_mut(self.loss))
        };
        let live = cx.live();
        let total = match self.kind {
            Kind::CrossEntropy => self.cross_entropy(prediction, target, cx),
            Kind::SquaredError => self.squared_error(prediction, target, live),
        };
        loss[0] = (total / live.max(1) as f64) as f32;
    }
}

impl Loss {
    /// The sum of `ln sum exp(scores) - scores[label]` over the examples.
    fn cross_entropy(&self, prediction: &[f32], target: &[f32], cx: &Context<'_>) -> f64 {
        let scores = Scores { x: prediction.as_ptr(), classes: self.features, lanes: self.lanes };
        let mut total = 0.0;
        for block in (0..cx.live()).step_by(PIECE_LANES) {
            let mut sums = [[0.0f32; PIECE_LANES]; 2];
            let to = sums.as_mut_ptr();
            // SAFETY: the lanes of the block exist, and nobody writes the prediction meanwhile.
            unsafe {
                dispatch!(cx.level => lane_sums::<S>(scores: Scores, to: *mut [f32; PIECE_LANES], block: usize))
            };
            for lane in block..cx.live().min(block + PIECE_LANES) {
                let [greatest, sum] = sums.map(|lanes| lanes[lane - block]);
                let label = prediction[target[lane] as usize * self.lanes + lane];
                total += f64::from(greatest + sum.ln() - label);
            }
        }
        total
    }

    /// The sum of the mean squared differences over the examples.
    fn squared_error(&self, prediction: &[f32], target: &[f32], live: usize) -> f64 {
        let example = |lane: usize| {
            let square = |feature: usize| {
                let at = feature * self.lanes + lane;
                f64::from(prediction[at] - target[at]).powi(2)
            };
            (0..self.features).map(square).sum::<f64>() / self.features as f64
        };
        (0..live).map(example).sum()
    }
}

/// The greatest score and the sum of the exponentials for each lane of a block.
#[inline(always)]
unsafe fn lane_sums<S: Simd>(scores: Scores, to: *mut [f32; PIECE_LANES], block: usize) {
    for lane in (0..PIECE_LANES).step_by(S::WIDTH) {
        // SAFETY: the caller's; `to` are two blocks.
        unsafe {
            let [greatest, sum] = scores.sum::<S>(block + lane);
            S::store(to.cast::<f32>().add(lane), greatest);
            S::store(to.add(1).cast::<f32>().add(lane), sum);
        }
    }
}

/// The gradient of a loss with respect to its prediction, times the loss's own gradient `scale`.
struct LossGradient {
    kind: Kind,
    prediction: Slot,
    target: Slot,
    gradient: Slot,
    scale: f32,
    /// In blocks of [`PIECE_LANES`] lanes.
    pieces: Pieces,
    features: usize,
    lanes: usize,
}

impl Step for LossGradient {
    fn name(&self) -> String {
        format!("loss gradient {:?}", self.kind)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.prediction), Access::read(self.target), Access::write(self.gradient)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let blocks = self.pieces.range(piece);
        let (lanes, live) = (self.lanes, cx.live());
        let data = Data {
            scores: Scores { x: cx.memory.at(self.prediction), classes: self.features, lanes },
            target: cx.memory.at(self.target),
            gradient: cx.memory.at(self.gradient),
            scale: self.scale / live.max(1) as f32,
            live,
        };
        for block in (blocks.start * PIECE_LANES..blocks.end * PIECE_LANES).step_by(PIECE_LANES) {
            // SAFETY: these lanes of the gradient belong to this piece; nobody writes the others meanwhile.
            unsafe {
                match self.kind {
                    Kind::CrossEntropy => {
                        dispatch!(cx.level => cross_entropy_gradient::<S>(data: Data, block: usize))
                    }
                    Kind::SquaredError => {
                        dispatch!(cx.level => squared_error_gradient::<S>(data: Data, block: usize))
                    }
                }
            }
        }
    }
}

/// What a gradient reads and writes.
#[derive(Clone, Copy)]
struct Data {
    scores: Scores,
    target: *const f32,
    gradient: *mut f32,
    scale: f32,
    live: usize,
}

impl Data {
    /// Whether each lane of a vector holds an example.
    #[inline(always)]
    unsafe fn live<S: Simd>(self, lane: usize) -> S::M {
        let bits = (1u32 << self.live.saturating_sub(lane).min(S::WIDTH)) - 1;
        // SAFETY: the caller is compiled for the instruction set.
        unsafe { S::mask(bits as u16) }
    }
}

/// `scale * (softmax(scores) - (class = label))` for the examples of a block, zero in its other lanes.
#[inline(always)]
unsafe fn cross_entropy_gradient<S: Simd>(data: Data, block: usize) {
    let Data { scores, target, gradient, scale, live } = data;
    // SAFETY: the caller's.
    unsafe {
        softmax::<S>(scores, gradient, block);
        for lane in block..live.min(block + PIECE_LANES) {
            let label = *target.add(lane) as usize;
            assert!(label < scores.classes, "label {label} of {} classes", scores.classes);
            *gradient.add(label * scores.lanes + lane) -= 1.0;
        }
        for lane in (block..block + PIECE_LANES).step_by(S::WIDTH) {
            let live = data.live::<S>(lane);
            for class in 0..scores.classes {
                let at = gradient.add(class * scores.lanes + lane);
                S::store(at, S::keep(live, S::mul(S::splat(scale), S::load(at))));
            }
        }
    }
}

/// `scale * 2 / features * (prediction - target)` for the examples of a block, zero in its other lanes.
#[inline(always)]
unsafe fn squared_error_gradient<S: Simd>(data: Data, block: usize) {
    let Data { scores, target, gradient, scale, .. } = data;
    // SAFETY: the caller's.
    unsafe {
        let scale = S::splat(scale * 2.0 / scores.classes as f32);
        for lane in (block..block + PIECE_LANES).step_by(S::WIDTH) {
            let live = data.live::<S>(lane);
            for feature in 0..scores.classes {
                let at = feature * scores.lanes + lane;
                let difference = S::sub(S::load(scores.x.add(at)), S::load(target.add(at)));
                S::store(gradient.add(at), S::keep(live, S::mul(scale, difference)));
            }
        }
    }
}

fn mean_reduction(node: &Node) -> bool {
    node.attribute("reduction") == Some(Attribute::Text("mean".to_owned()))
}

/// Lowers `SoftmaxCrossEntropyLoss` over the mean with one score per class.
pub(crate) fn lower_cross_entropy(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let plain =
        mean_reduction(node) && node.outputs.len() == 1 && node.inputs.get(2).copied().flatten().is_none();
    plain && lower_loss(cx, node, Kind::CrossEntropy)
}

/// Lowers `MeanSquaredError`.
pub(crate) fn lower_squared_error(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    lower_loss(cx, node, Kind::SquaredError)
}

fn lower_loss(cx: &mut Lowering<'_>, node: &Node, kind: Kind) -> bool {
    let (prediction, target) = (node.inputs[0].expect("required"), node.inputs[1].expect("required"));
    let Some(features) = fitting_features(cx, prediction, target, kind) else { return false };
    let lanes = cx.lanes;
    let (prediction, target, loss) = (cx.slot(prediction), cx.slot(target), cx.slot(node.outputs[0]));
    cx.push(Loss { kind, prediction, target, loss, pieces: Pieces::serial(1), features, lanes });
    true
}

/// Lowers `SoftmaxCrossEntropyLossGrad`.
pub(crate) fn lower_cross_entropy_gradient(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    mean_reduction(node) && lower_gradient(cx, node, Kind::CrossEntropy)
}

/// Lowers `MeanSquaredErrorGrad`.
pub(crate) fn lower_squared_error_gradient(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    lower_gradient(cx, node, Kind::SquaredError)
}

fn lower_gradient(cx: &mut Lowering<'_>, node: &Node, kind: Kind) -> bool {
    let inputs: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
    let &[scale, prediction, target] = inputs.as_slice() else { return false };
    let (Some(scale), Some(features)) =
        (cx.constant(scale).and_then(single), fitting_features(cx, prediction, target, kind))
    else {
        return false;
    };
    let lanes = cx.lanes;
    let pieces = Pieces::of(lanes / PIECE_LANES, features * lanes * 30);
    let (prediction, target, gradient) = (cx.slot(prediction), cx.slot(target), cx.slot(node.outputs[0]));
    cx.push(LossGradient { kind, prediction, target, gradient, scale, pieces, features, lanes });
    true
}

/// Numbers per example of a prediction whose target fits the kernels.
fn fitting_features(cx: &Lowering<'_>, prediction: ValueId, target: ValueId, kind: Kind) -> Option<usize> {
    let (scores, target) = (cx.feature_dims(prediction)?, cx.feature_dims(target)?);
    let fits = match kind {
        Kind::CrossEntropy => scores.len() == 1 && target.is_empty(),
        Kind::SquaredError => scores == target,
    };
    fits.then(|| scores.iter().product())
}
