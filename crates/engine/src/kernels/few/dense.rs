//! Dense layers of one example: its numbers lie side by side, without lanes for examples that are not there.

use graph::NodeId;

use super::form::{self, Form};
use crate::kernels::dense::{Dense, Partial, cut, forward_of};
use crate::kernels::memory::Slot;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y[n] = activation(b[n] + sum over pieces of partial[piece][n])`.
struct Gather {
    partial: Slot,
    parts: usize,
    bias: Option<Slot>,
    relu: bool,
    y: Slot,
    pieces: Pieces,
}

impl Step for Gather {
    fn name(&self) -> String {
        format!("sum of {} parts", self.parts)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let mut access = vec![Access::read(self.partial), Access::write(self.y)];
        access.extend(self.bias.map(Access::read));
        access
    }

    fn run(&self, _: usize, cx: &Context<'_>) {
        // SAFETY: serial; the partial sums are complete, and nobody else touches `y` meanwhile.
        let (partial, bias, y) = unsafe {
            let bias = self.bias.map(|bias| cx.memory.slice(bias));
            (cx.memory.slice(self.partial), bias, cx.memory.slice_mut(self.y))
        };
        let n = y.len();
        y.copy_from_slice(&partial[..n]);
        for part in partial.chunks_exact(n).take(self.parts).skip(1) {
            y.iter_mut().zip(part).for_each(|(y, &sum)| *y += sum);
        }
        if let Some(bias) = bias {
            y.iter_mut().zip(bias).for_each(|(y, &bias)| *y += bias);
        }
        if self.relu {
            y.iter_mut().filter(|y| 0.0 > **y).for_each(|y| *y = 0.0);
        }
    }
}

/// Lowers a `Gemm` of one example, with a ReLU behind it. Pieces and the order of their sums are those of many examples.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let node = cx.graph.node(id).clone();
    if form::batch(cx) != 1 {
        return false;
    }
    let Some(dense) = forward_of(cx, &node).filter(|dense| form::is_row(cx, dense.x)) else { return false };
    let relu = cx.only_user(node.outputs[0]).filter(|&user| cx.graph.node(user).op_name() == "Relu");
    let output = relu.map_or(node.outputs[0], |user| cx.graph.node(user).outputs[0]);
    let Dense { x, w, bias, k, n, stride } = dense;
    let pieces = cut(k, n);
    let parts = pieces.count();
    let partial = cx.temporary(parts * n);
    let sparse = cx.is_fixed_and_finite(w);
    let (x, w, bias) = (form::have(cx, x, Form::Rows), cx.slot(w), bias.map(|bias| cx.slot(bias)));
    cx.push(Partial { x, w, partial, pieces, n, stride, lanes: 1, sparse });
    let y = form::make(cx, output, Form::Rows);
    cx.push(Gather { partial, parts, bias, relu: relu.is_some(), y, pieces: Pieces::serial(n) });
    relu.into_iter().for_each(|user| cx.done(user));
    true
}

/// Lowers an operator that only looks at the same numbers in another way, for numbers that lie here already.
pub(super) fn lower_view(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(x), y) = (node.inputs[0], node.outputs[0]) else { return false };
    let there = form::is_map(cx, x) || form::is_row(cx, x);
    let alike = cx.features(x).is_some() && cx.features(x) == cx.features(y);
    if there && alike && form::batch(cx) == 1 {
        form::alias(cx, y, x, Form::Rows);
        return true;
    }
    false
}
