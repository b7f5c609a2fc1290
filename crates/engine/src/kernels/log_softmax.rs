//! Log-softmax over the features of each example.

use graph::{Attribute, NodeId};

use super::memory::Slot;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y = x - max x - ln sum exp(x - max x)` over the classes.
struct LogSoftmax {
    x: Slot,
    y: Slot,
    pieces: Pieces,
    classes: usize,
    lanes: usize,
}

impl Step for LogSoftmax {
    fn name(&self) -> String {
        format!("log softmax {}", self.classes)
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
        let (classes, lanes) = (self.classes, self.lanes);
        for lane in 0..lanes {
            let scores = || (0..classes).map(|class| x[class * lanes + lane]);
            let greatest = scores().fold(f32::NEG_INFINITY, f32::max);
            let log_sum = scores().map(|score| (score - greatest).exp()).sum::<f32>().ln();
            for (class, score) in scores().enumerate() {
                y[class * lanes + lane] = score - greatest - log_sum;
            }
        }
    }
}

/// Lowers a log-softmax over the only feature axis.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (x, y) = (node.inputs[0].expect("required"), node.outputs[0]);
    let Some(&[classes]) = cx.feature_dims(x).as_deref() else { return false };
    if !matches!(node.attribute("axis"), Some(Attribute::Int(1 | -1))) {
        return false;
    }
    let lanes = cx.lanes;
    let (x, y) = (cx.slot(x), cx.slot(y));
    cx.push(LogSoftmax { x, y, pieces: Pieces::serial(1), classes, lanes });
    true
}
