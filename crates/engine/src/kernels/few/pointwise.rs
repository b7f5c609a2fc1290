//! Operators on maps number by number: sums of two, and ReLU with its gradient.

use graph::NodeId;

use super::form::{self, Form, Lengths};
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Relu,
    /// The first where the second is positive, else zero.
    ReluGrad,
}

/// `y = operation(a, b)` for all numbers of maps of the same lengths.
struct Pointwise {
    operation: Operation,
    a: Slot,
    /// As `a` where there is one operand.
    b: Slot,
    y: Slot,
    lengths: Lengths,
    /// The most examples.
    batch: usize,
    cut: Cut,
}

/// What the pieces are.
enum Cut {
    /// Positions of each map.
    Positions(Pieces),
    /// Vectors of channels at each position, as the step has cut them that makes what is read.
    Channels(Pieces),
}

impl Step for Pointwise {
    fn name(&self) -> String {
        format!("{:?} {}x{}", self.operation, self.lengths.channels, self.lengths.positions)
    }

    fn pieces(&self) -> &Pieces {
        match &self.cut {
            Cut::Positions(pieces) | Cut::Channels(pieces) => pieces,
        }
    }

    fn access(&self) -> Vec<Access> {
        let (cut, size, rows) = match &self.cut {
            Cut::Positions(pieces) => (pieces, self.lengths.padded(), self.batch),
            Cut::Channels(pieces) => (pieces, ALIGNMENT, self.batch * self.lengths.positions),
        };
        let read = |slot: Slot| Access::read_own(slot, cut, size).of_rows(rows);
        vec![read(self.a), read(self.b), Access::write_own(self.y, cut, size).of_rows(rows)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let (Lengths { positions, .. }, row, operation) =
            (self.lengths, self.lengths.padded(), self.operation);
        let range = self.pieces().range(piece);
        // How often there is a run of numbers of this piece, how far apart, the first, and how many they are.
        let (count, distance, start, len) = match self.cut {
            Cut::Positions(_) => (cx.live(), positions * row, range.start * row, range.len() * row),
            Cut::Channels(_) => {
                (cx.live() * positions, row, range.start * ALIGNMENT, range.len() * ALIGNMENT)
            }
        };
        for run in 0..count {
            let first = run * distance + start;
            // SAFETY: these numbers of the maps, all of the same lengths, belong to this piece.
            unsafe {
                let (a, b) = (
                    cx.memory.at(self.a).add(first).cast_const(),
                    cx.memory.at(self.b).add(first).cast_const(),
                );
                let y = cx.memory.at(self.y).add(first);
                dispatch!(cx.level => numbers::<S>(operation: Operation, a: *const f32, b: *const f32, y: *mut f32, len: usize));
            }
        }
    }
}

#[inline(always)]
unsafe fn numbers<S: Simd>(operation: Operation, a: *const f32, b: *const f32, y: *mut f32, len: usize) {
    for at in (0..len).step_by(S::WIDTH) {
        // SAFETY: the caller's; rows are whole vectors.
        unsafe {
            let (a, b) = (S::load(a.add(at)), S::load(b.add(at)));
            let value = match operation {
                Operation::Add => S::add(a, b),
                // The maximum of zero and NaN is NaN, in this order.
                Operation::Relu => S::max(S::splat(0.0), a),
                Operation::ReluGrad => S::keep(S::greater(b, S::splat(0.0)), a),
            };
            S::store(y.add(at), value);
        }
    }
}

/// Lowers an operator whose operands are alike, if one of them lies in maps or rows.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, op) = cx.node(id);
    let operation = match op {
        "Add" => Operation::Add,
        "Relu" => Operation::Relu,
        "ReluGrad" => Operation::ReluGrad,
        _ => return false,
    };
    let output = node.outputs[0];
    let operands: Vec<_> = node.inputs.iter().flatten().copied().collect();
    let alike = operands.iter().all(|&value| cx.feature_dims(value) == cx.feature_dims(output));
    let Some(lengths) = Lengths::of(cx, output) else { return false };
    // A gradient plus what is none would not be zero where there is no example.
    let gradient = operation != Operation::Add
        || operands.iter().all(|&value| cx.is_gradient(value) == cx.is_gradient(output));
    if !alike
        || !gradient
        || !operands.iter().any(|&value| form::is_map(cx, value) || form::is_row(cx, value))
    {
        return false;
    }
    let slots: Vec<Slot> = operands.iter().map(|&value| form::have(cx, value, Form::Maps)).collect();
    let (a, b) = (slots[0], slots[slots.len() - 1]);
    let y = form::make(cx, output, Form::Maps);
    let batch = form::batch(cx);
    let cut = match cx.made_cut(a, lengths.vectors()) {
        Some(channels) => {
            cx.set_cut_at(y, channels.clone());
            Cut::Channels(channels)
        }
        None => {
            Cut::Positions(Pieces::of(lengths.positions, lengths.positions * lengths.padded() * batch * 8))
        }
    };
    cx.push(Pointwise { operation, a, b, y, lengths, batch, cut });
    true
}
