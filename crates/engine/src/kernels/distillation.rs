//! The distillation loss and its gradient: means over the examples that are there; empty lanes count for nothing.

use graph::{Attribute, Node, NodeId, ValueId};

use super::memory::Slot;
use super::reduce::single;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// What loss and gradient work on.
struct Pair {
    scores: Slot,
    teacher: Slot,
    /// The score that each of the teacher's speaks of.
    columns: Vec<usize>,
    temperature: f32,
    lanes: usize,
}

impl Pair {
    /// `ln p` and `ln q` of one lane's softened scores, the teacher's first.
    fn logarithms(&self, cx: &Context<'_>, lane: usize) -> (Vec<f64>, Vec<f64>) {
        // SAFETY: the steps are serial and state that they read both buffers.
        let (scores, teacher) = unsafe { (cx.memory.slice(self.scores), cx.memory.slice(self.teacher)) };
        let soft = |value: f32| f64::from(value) / f64::from(self.temperature);
        let given = (0..self.columns.len()).map(|known| soft(teacher[known * self.lanes + lane]));
        let own = self.columns.iter().map(|column| soft(scores[column * self.lanes + lane]));
        (log_softmax(given.collect()), log_softmax(own.collect()))
    }

    fn access(&self) -> [Access; 2] {
        [Access::read(self.scores), Access::read(self.teacher)]
    }

    /// Reads a node whose scores are its input `first`, the teacher's the next; `None` if they do not fit.
    fn of(cx: &mut Lowering<'_>, node: &Node, first: usize) -> Option<Self> {
        let input = |index: usize| -> ValueId { node.inputs[index].expect("required") };
        let (scores, teacher) = (input(first), input(first + 1));
        let (Some(&[classes]), Some(&[known])) =
            (cx.feature_dims(scores).as_deref(), cx.feature_dims(teacher).as_deref())
        else {
            return None;
        };
        let (Some(Attribute::Ints(columns)), Some(Attribute::Float(temperature))) =
            (node.attribute("classes"), node.attribute("temperature"))
        else {
            return None;
        };
        let columns: Vec<usize> = columns.into_iter().map(|column| column as usize).collect();
        if columns.len() != known || columns.iter().any(|&column| column >= classes) {
            return None;
        }
        let (scores, teacher) = (cx.slot(scores), cx.slot(teacher));
        Some(Pair { scores, teacher, columns, temperature, lanes: cx.lanes })
    }
}

fn log_softmax(mut values: Vec<f64>) -> Vec<f64> {
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = values.iter().map(|value| (value - greatest).exp()).sum();
    values.iter_mut().for_each(|value| *value -= greatest + sum.ln());
    values
}

struct Loss {
    pair: Pair,
    loss: Slot,
    pieces: Pieces,
}

impl Step for Loss {
    fn name(&self) -> String {
        format!("loss distillation {}", self.pair.columns.len())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        self.pair.access().into_iter().chain([Access::write(self.loss)]).collect()
    }

    fn run(&self, _: usize, cx: &Context<'_>) {
        let divergence = |lane: usize| -> f64 {
            let (p, q) = self.pair.logarithms(cx, lane);
            p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
        };
        let (live, squared) = (cx.live(), f64::from(self.pair.temperature).powi(2));
        let sum: f64 = (0..live).map(divergence).sum();
        // SAFETY: serial, and nobody else touches the loss meanwhile.
        let loss = unsafe { cx.memory.slice_mut(self.loss) };
        loss[0] = (squared * sum / live.max(1) as f64) as f32;
    }
}

struct Gradient {
    pair: Pair,
    gradient: Slot,
    /// The gradient of the loss.
    scale: f32,
    pieces: Pieces,
}

impl Step for Gradient {
    fn name(&self) -> String {
        format!("loss gradient distillation {}", self.pair.columns.len())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        self.pair.access().into_iter().chain([Access::write(self.gradient)]).collect()
    }

    fn run(&self, _: usize, cx: &Context<'_>) {
        let live = cx.live();
        let scale = f64::from(self.scale) * f64::from(self.pair.temperature) / live.max(1) as f64;
        // SAFETY: serial; the gradient is a buffer of its own that nobody else touches meanwhile.
        let gradient = unsafe { cx.memory.slice_mut(self.gradient) };
        gradient.fill(0.0);
        for lane in 0..live {
            let (p, q) = self.pair.logarithms(cx, lane);
            for ((column, p), q) in self.pair.columns.iter().zip(&p).zip(&q) {
                gradient[column * self.pair.lanes + lane] = (scale * (q.exp() - p.exp())) as f32;
            }
        }
    }
}

/// Lowers `DistillationLoss`.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let Some(pair) = Pair::of(cx, node, 0) else { return false };
    let loss = cx.slot(node.outputs[0]);
    cx.push(Loss { pair, loss, pieces: Pieces::serial(1) });
    true
}

/// Lowers `DistillationLossGrad`.
pub(crate) fn lower_gradient(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let Some(scale) = node.inputs[0].and_then(|dloss| cx.constant(dloss)).and_then(single) else {
        return false;
    };
    let Some(pair) = Pair::of(cx, node, 1) else { return false };
    let gradient = cx.slot(node.outputs[0]);
    cx.push(Gradient { pair, gradient, scale, pieces: Pieces::serial(1) });
    true
}
