//! Loading of few examples, with the preprocessing behind it: casts, and products and sums with a number or one per channel.

use graph::{Node, ValueId};

use super::form::{self, Form, Lengths};
use crate::feed::Rows;
use crate::kernels::load::ask_for;
use crate::kernels::memory::Slot;
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};
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

/// `x[example][channel][position] = stages(rows[example][channel][position])`.
struct Load {
    x: Slot,
    stages: Vec<Stage>,
    /// The most examples.
    batch: usize,
    /// Features.
    pieces: Pieces,
}

impl Step for Load {
    fn name(&self) -> String {
        let stages: String = self.stages.iter().map(|stage| format!(" + {:?}", stage.operation)).collect();
        format!("load rows {}{stages}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::write_own(self.x, &self.pieces, 1).of_rows(self.batch)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let (range, len) = (self.pieces.range(piece), self.pieces.total());
        assert_eq!(cx.batch.feed.row_len, len, "rows have as many elements as the graph's input");
        // What the next piece reads comes while others compute with this one.
        let next = (piece + 1).min(self.pieces.count() - 1);
        ask_for(cx, range.start..self.pieces.range(next).end);
        for (example, &row) in cx.batch.rows.iter().enumerate() {
            // SAFETY: these features of `x` belong to this piece.
            let x = unsafe {
                let start = cx.memory.at(self.x).add(example * len + range.start);
                std::slice::from_raw_parts_mut(start, range.len())
            };
            let from = row as usize * len;
            let (from, to) = (from + range.start, from + range.end);
            match cx.batch.feed.rows {
                Rows::U8(values) => {
                    x.iter_mut().zip(&values[from..to]).for_each(|(x, &value)| *x = f32::from(value));
                }
                Rows::F32(values) => x.copy_from_slice(&values[from..to]),
            }
            let start = range.start;
            for stage in &self.stages {
                let x = &mut *x;
                // SAFETY: the level is the processor's.
                unsafe {
                    dispatch!(cx.level => apply::<S>(stage: &Stage, x: &mut [f32], start: usize));
                }
            }
        }
    }
}

/// Applies a stage to the features from `start` on.
#[inline(always)]
unsafe fn apply<S: Simd>(stage: &Stage, x: &mut [f32], start: usize) {
    match stage.operation {
        Operation::Add => stage.on_each(x, start, |x, operand| *x += operand),
        Operation::Sub => stage.on_each(x, start, |x, operand| *x -= operand),
        Operation::Mul => stage.on_each(x, start, |x, operand| *x *= operand),
        Operation::Div => stage.on_each(x, start, |x, operand| *x /= operand),
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

/// Adds the step that loads the graph's input.
pub(super) fn lower(cx: &mut Lowering<'_>) -> bool {
    let Some(&input) = cx.graph.inputs.first() else { return false };
    let Some(lengths) = Lengths::of(cx, input) else { return false };
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
    let x = form::make(cx, value, Form::Rows);
    let (elements, batch) = (lengths.channels * lengths.positions, form::batch(cx));
    // A number from memory takes as long as so many operations.
    let pieces = Pieces::of(elements, elements * batch * 32);
    cx.push(Load { x, stages, batch, pieces });
    true
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
