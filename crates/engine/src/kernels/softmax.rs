//! Softmax and log-softmax over the features of each example.

use graph::{Attribute, NodeId};

use super::memory::Slot;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// What becomes of one lane: fills `y` from `x` for the given number of classes and lanes.
type Lane = fn(x: &[f32], y: &mut [f32], classes: usize, lanes: usize, lane: usize) -> f32;

struct Normalization {
    name: &'static str,
    lane: Lane,
    x: Slot,
    y: Slot,
    pieces: Pieces,
    classes: usize,
    lanes: usize,
}

impl Step for Normalization {
    fn name(&self) -> String {
        format!("{} {}", self.name, self.classes)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.x), Access::write(self.y)]
    }

    fn run(&self, _: usize, cx: &Context<'_>) {
        // SAFETY: serial; `x` and `y` are two buffers that nobody else touches meanwhile.
        let (x, y) = unsafe { (cx.memory.slice(self.x), cx.memory.slice_mut(self.y)) };
        for lane in 0..self.lanes {
            (self.lane)(x, y, self.classes, self.lanes, lane);
        }
    }
}

/// `y = softmax(x)` over the classes of one lane, and `ln sum exp x`.
pub(crate) fn softmax_lane(x: &[f32], y: &mut [f32], classes: usize, lanes: usize, lane: usize) -> f32 {
    let greatest =
        (0..classes).fold(f32::NEG_INFINITY, |greatest, class| greatest.max(x[class * lanes + lane]));
    let mut sum = 0.0;
    for class in 0..classes {
        let value = (x[class * lanes + lane] - greatest).exp();
        y[class * lanes + lane] = value;
        sum += value;
    }
    for class in 0..classes {
        y[class * lanes + lane] /= sum;
    }
    greatest + sum.ln()
}

/// `y = x - max x - ln sum exp(x - max x)` over the classes of one lane, and `ln sum exp x`.
fn log_softmax_lane(x: &[f32], y: &mut [f32], classes: usize, lanes: usize, lane: usize) -> f32 {
    let scores = || (0..classes).map(|class| x[class * lanes + lane]);
    let greatest = scores().fold(f32::NEG_INFINITY, f32::max);
    let log_sum = scores().map(|score| (score - greatest).exp()).sum::<f32>().ln();
    for (class, score) in scores().enumerate() {
        y[class * lanes + lane] = score - greatest - log_sum;
    }
    greatest + log_sum
}

/// Lowers a softmax over the only feature axis.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    normalize(cx, id, "softmax", softmax_lane)
}

/// Lowers a log-softmax over the only feature axis.
pub(crate) fn lower_log(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    normalize(cx, id, "log softmax", log_softmax_lane)
}

fn normalize(cx: &mut Lowering<'_>, id: NodeId, name: &'static str, lane: Lane) -> bool {
    let (node, _) = cx.node(id);
    let (x, y) = (node.inputs[0].expect("required"), node.outputs[0]);
    let Some(&[classes]) = cx.feature_dims(x).as_deref() else { return false };
    if !matches!(node.attribute("axis"), Some(Attribute::Int(1 | -1))) {
        return false;
    }
    let lanes = cx.lanes;
    let (x, y) = (cx.slot(x), cx.slot(y));
    cx.push(Normalization { name, lane, x, y, pieces: Pieces::serial(1), classes, lanes });
    true
}
