//! Softmax over the features of each example.

use graph::{Attribute, NodeId};

use super::memory::Slot;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

struct Softmax {
    x: Slot,
    y: Slot,
    pieces: Pieces,
    classes: usize,
    lanes: usize,
}

impl Step for Softmax {
    fn name(&self) -> String {
        format!("softmax {}", self.classes)
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
            softmax_lane(x, y, self.classes, self.lanes, lane);
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

/// Lowers a softmax over the only feature axis.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (x, y) = (node.inputs[0].expect("required"), node.outputs[0]);
    let Some(&[classes]) = cx.feature_dims(x).as_deref() else { return false };
    if !matches!(node.attribute("axis"), Some(Attribute::Int(1 | -1))) {
        return false;
    }
    let lanes = cx.lanes;
    let (x, y) = (cx.slot(x), cx.slot(y));
    cx.push(Softmax { x, y, pieces: Pieces::serial(1), classes, lanes });
    true
}
