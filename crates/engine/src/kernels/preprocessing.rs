//! Preprocessing that is done while examples are loaded: casts, and products and sums with a number, or one per channel.

use graph::{Node, ValueId};

use super::few::form::Lengths;
use super::simd::Simd;
use crate::lower::Lowering;
use crate::survey::changed_values;

/// What is done to every number of a channel, with that channel's operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Sub,
    Mul,
    Div,
}

/// One operation with its operands: one for all numbers, or one per channel.
struct Stage {
    operation: Operation,
    operands: Vec<f32>,
    /// Numbers that have the same operand.
    each: usize,
}

/// What is done to the numbers of an example, one operation after the other.
pub(super) struct Preprocessing {
    stages: Vec<Stage>,
}

impl Preprocessing {
    /// What the graph does first with its input, and with nothing else, with the value that comes out. Its nodes are done with.
    pub(super) fn behind(cx: &mut Lowering<'_>, input: ValueId) -> (ValueId, Self) {
        let (mut value, mut stages) = (input, Vec::new());
        while let Some(user) = cx.only_user(value) {
            let node = cx.graph.node(user);
            let float = cx.graph.ty(node.outputs[0]).dtype.is_float();
            let same = cx.feature_dims(node.outputs[0]) == cx.feature_dims(value);
            if !float || !same {
                break;
            }
            if node.op_name() != "Cast" {
                let Some(stage) = stage(cx, node, value) else { break };
                stages.push(stage);
            }
            cx.done(user);
            value = node.outputs[0];
        }
        (value, Preprocessing { stages })
    }

    /// For the name of the step that does it.
    pub(super) fn name(&self) -> String {
        self.stages.iter().map(|stage| format!(" + {:?}", stage.operation)).collect()
    }

    /// Does it to the numbers `x` of an example, its features from `start` on.
    ///
    /// # Safety
    ///
    /// The caller is compiled for the instruction set.
    #[inline(always)]
    pub(super) unsafe fn apply<S: Simd>(&self, x: &mut [f32], start: usize) {
        for stage in &self.stages {
            match stage.operation {
                Operation::Add => stage.on_each(x, start, |x, operand| *x += operand),
                Operation::Sub => stage.on_each(x, start, |x, operand| *x -= operand),
                Operation::Mul => stage.on_each(x, start, |x, operand| *x *= operand),
                Operation::Div => stage.on_each(x, start, |x, operand| *x /= operand),
            }
        }
    }
}

impl Stage {
    /// Calls `operation` with each of the numbers from `start` on and its operand.
    #[inline(always)]
    fn on_each(&self, x: &mut [f32], start: usize, operation: impl Fn(&mut f32, f32)) {
        if self.each == 1 {
            x.iter_mut().zip(&self.operands[start..]).for_each(|(x, &operand)| operation(x, operand));
            return;
        }
        let end = start + x.len();
        for channel in start / self.each..end.div_ceil(self.each) {
            let of = |at: usize| (at * self.each).clamp(start, end) - start;
            let operand = self.operands[channel];
            x[of(channel)..of(channel + 1)].iter_mut().for_each(|x| operation(x, operand));
        }
    }
}

/// Whether a constant stays as it is: in training, those that no update changes.
fn stays(cx: &Lowering<'_>, constant: ValueId) -> bool {
    cx.is_fixed() || (!cx.updates().is_empty() && !changed_values(cx.graph).contains(&constant))
}

/// Reads a node that computes the same with all numbers of a channel of `value`.
fn stage(cx: &Lowering<'_>, node: &Node, value: ValueId) -> Option<Stage> {
    let (operation, commutes) = match node.op_name() {
        "Add" => (Operation::Add, true),
        "Sub" => (Operation::Sub, false),
        "Mul" => (Operation::Mul, true),
        "Div" => (Operation::Div, false),
        _ => return None,
    };
    let other = match (node.inputs[0]?, node.inputs[1]?) {
        (a, b) if a == value => b,
        (a, b) if b == value && commutes => a,
        _ => return None,
    };
    if !stays(cx, other) {
        return None;
    }
    let (constant, rank) = (cx.constant(other)?, cx.feature_dims(value)?.len() + 1);
    let Lengths { channels, positions } = Lengths::of(cx, value)?;
    let numbers = constant.get::<f32>()?;
    let shape = constant.shape();
    let channel_axis = (rank >= 2).then(|| (shape.len() + 1).checked_sub(rank)).flatten();
    let single = |axis: usize| shape[axis] == 1 || (Some(axis) == channel_axis && shape[axis] == channels);
    let fits = shape.len() <= rank && (0..shape.len()).all(single);
    let each = if numbers.len() == 1 { channels * positions } else { positions };
    (fits && !numbers.is_empty() && each > 0).then(|| Stage { operation, operands: numbers.to_vec(), each })
}
