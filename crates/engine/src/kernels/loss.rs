//! Losses and their gradients: means over the examples that are there; empty lanes count for nothing.

use graph::{Attribute, Node, NodeId, ValueId};

use super::memory::Slot;
use super::reduce::single;
use super::softmax::softmax_lane;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

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
    scratch: Slot,
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
        vec![
            Access::read(self.prediction),
            Access::read(self.target),
            Access::write(self.loss),
            Access::write(self.scratch),
        ]
    }

    fn run(&self, _: usize, cx: &Context<'_>) {
        // SAFETY: serial; distinct buffers that nobody else touches meanwhile.
        let (prediction, target, loss, scratch) = unsafe {
            let memory = cx.memory;
            (
                memory.slice(self.prediction),
                memory.slice(self.target),
                memory.slice_mut(self.loss),
                memory.slice_mut(self.scratch),
            )
        };
        let (features, lanes) = (self.features, self.lanes);
        let example = |lane: usize| match self.kind {
            Kind::CrossEntropy => {
                let log_sum = softmax_lane(prediction, scratch, features, lanes, lane);
                (log_sum - prediction[target[lane] as usize * lanes + lane]) as f64
            }
            Kind::SquaredError => {
                let square = |feature: usize| {
                    let at = feature * lanes + lane;
                    ((prediction[at] - target[at]) as f64).powi(2)
                };
                (0..features).map(square).sum::<f64>() / features as f64
            }
        };
        let live = cx.live();
        loss[0] = ((0..live).map(example).sum::<f64>() / live.max(1) as f64) as f32;
    }
}

/// The gradient of a loss with respect to its prediction, times the loss's own gradient `scale`.
struct LossGradient {
    kind: Kind,
    prediction: Slot,
    target: Slot,
    gradient: Slot,
    scale: f32,
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

    fn run(&self, _: usize, cx: &Context<'_>) {
        // SAFETY: serial; distinct buffers that nobody else touches meanwhile.
        let (prediction, target, gradient) = unsafe {
            let memory = cx.memory;
            (memory.slice(self.prediction), memory.slice(self.target), memory.slice_mut(self.gradient))
        };
        let (features, lanes, live) = (self.features, self.lanes, cx.live());
        gradient.fill(0.0);
        let scale = self.scale / live.max(1) as f32;
        for lane in 0..live {
            match self.kind {
                Kind::CrossEntropy => {
                    softmax_lane(prediction, gradient, features, lanes, lane);
                    gradient[target[lane] as usize * lanes + lane] -= 1.0;
                    (0..features).for_each(|class| gradient[class * lanes + lane] *= scale);
                }
                Kind::SquaredError => {
                    let scale = scale * 2.0 / features as f32;
                    for at in (0..features).map(|feature| feature * lanes + lane) {
                        gradient[at] = scale * (prediction[at] - target[at]);
                    }
                }
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
    let scratch = cx.temporary(features * lanes);
    let (prediction, target, loss) = (cx.slot(prediction), cx.slot(target), cx.slot(node.outputs[0]));
    cx.push(Loss { kind, prediction, target, loss, scratch, pieces: Pieces::serial(1), features, lanes });
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
    let (prediction, target, gradient) = (cx.slot(prediction), cx.slot(target), cx.slot(node.outputs[0]));
    cx.push(LossGradient {
        kind,
        prediction,
        target,
        gradient,
        scale,
        pieces: Pieces::serial(1),
        features,
        lanes,
    });
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
