//! The way back through a dense layer: one pass over the weight computes the input's gradient, the weight's gradient
//! and the optimiser's update, so weight and moments are touched once per training step.

use std::ops::Range;

use graph::{Node, NodeId, ValueId};

use super::conv_weight_gradient::{PANEL, panel_of};
use super::dense::{Shape, flag, plain_product};
use super::dense_gradient_block::{
    Block, Data, Waiting, advance, finish, input_gradients, pace, packed_len, weight_gradients,
};
use super::memory::Slot;
use super::simd::dispatch;
use super::update::{Coefficients, Pointers, Target, dispatch_rule};
use crate::lower::{Layout, Lowering, Plain};
use crate::step::{Access, Context, Pieces, Step};
use crate::survey::is_update;

/// Columns that are worked on together, so that what belongs to them of the output's gradient stays in the second-level cache.
pub(super) const COLUMNS: usize = 1024;

/// `columns[panel][lane][n] = dy[n][lane]` for the columns `n` of a panel, zero behind the last: the form the weight gradient
/// reads.
struct Turn {
    dy: Slot,
    columns: Slot,
    /// Columns, in whole panels.
    pieces: Pieces,
    n: usize,
    lanes: usize,
}

impl Step for Turn {
    fn name(&self) -> String {
        format!("turn {}x{}", self.n, self.lanes)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.dy, &self.pieces, self.lanes),
            Access::write_own(self.columns, &self.pieces, self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let lanes = self.lanes;
        for first in self.pieces.range(piece).step_by(PANEL) {
            let (count, live) = (PANEL.min(self.n - first), lanes);
            // SAFETY: the panel belongs to this piece, and nobody writes `dy` meanwhile.
            unsafe {
                let dy = cx.memory.at(self.dy).add(first * lanes).cast_const();
                let columns = cx.memory.at(self.columns).add(first * lanes);
                dispatch!(cx.level => panel_of::<S>(dy: *const f32, lanes: usize, columns: *mut f32, count: usize, live: usize));
            }
        }
    }
}

/// One pass over the weight: `dx[k][lane] = sum_n w[k][n] dy[n][lane]` and
/// `w[k][n] = update(w[k][n], sum_lane x[k][lane] dy[n][lane])`.
struct Backward {
    x: Slot,
    /// Room for the input of some rows, of each piece.
    packed: Slot,
    dy: Slot,
    columns: Slot,
    dx: Option<Slot>,
    /// Whether nobody needs the gradient of an input that is zero for all examples.
    masked: bool,
    target: Target,
    pieces: Pieces,
    n: usize,
    stride: usize,
    lanes: usize,
}

impl Step for Backward {
    fn name(&self) -> String {
        step_name(self.pieces.total(), self.n, self.dx.is_some())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let mut access = self.target.access(&self.pieces, self.stride);
        access.extend([
            Access::read_own(self.x, &self.pieces, self.lanes),
            Access::read(self.dy),
            Access::read(self.columns),
            Access::write_own(self.packed, &Pieces::each(self.pieces.count()), packed_len(self.lanes)),
        ]);
        access.extend(self.dx.map(|dx| Access::write_own(dx, &self.pieces, self.lanes)));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let rows = self.pieces.range(piece);
        let (stride, n) = (self.stride, self.n);
        let shape = Shape { n, stride, lanes: self.lanes };
        let coefficients = &self.target.optimizer.coefficients(cx.step, cx.learning_rate);
        let at = self.target.pointers(cx);
        let data = Data {
            x: cx.memory.at(self.x),
            packed: cx.memory.at(self.packed).wrapping_add(piece * packed_len(self.lanes)),
            dy: cx.memory.at(self.dy),
            columns: cx.memory.at(self.columns),
            dx: self.dx.map_or(std::ptr::null_mut(), |dx| cx.memory.at(dx)),
            masked: self.masked,
            pace: pace(self.lanes),
        };
        let (rule, level) = (self.target.optimizer.compiled(), cx.level);
        let waiting = &mut Waiting::new();
        for first in (0..stride).step_by(COLUMNS) {
            let last = stride.min(first + COLUMNS);
            let mut block = Block::ahead_of(rows.start, rows.end);
            // SAFETY: rows `rows` of weight, moments, `x` and `dx` belong to this piece; `dy` is complete.
            unsafe {
                while !block.is_last() {
                    let (next, lanes) = (&mut block, self.lanes);
                    dispatch!(level => advance::<S>(data: Data, next: &mut Block, lanes: usize));
                    let (block, inside, all) = (&block, first..last.min(n), first..last);
                    dispatch!(level => input_gradients::<S>(
                        at: Pointers, data: Data, block: &Block, inside: Range<usize>, shape: Shape));
                    dispatch_rule!(rule, level => weight_gradients(
                        coefficients: &Coefficients, at: Pointers, data: Data, block: &Block, all: Range<usize>,
                        shape: Shape, waiting: &mut Waiting));
                }
            }
        }
        // SAFETY: as above.
        unsafe {
            dispatch_rule!(rule, level => finish(coefficients: &Coefficients, at: Pointers, waiting: &mut Waiting))
        }
    }
}

/// The name of a step back through a layer of `rows` by `n` weights.
pub(super) fn step_name(rows: usize, n: usize, dx: bool) -> String {
    let dx = if dx { "dx + " } else { "" };
    format!("dense backward {rows}x{n}: {dx}dw + update")
}

/// The backward pair of a dense layer: `dw = Gemm(x, dy, transA)` whose only user is an update, and
/// `dx = Gemm(dy, w)`, which is there unless nobody needs it.
pub(super) struct WayBack {
    weight_node: NodeId,
    pub(super) update: NodeId,
    input_node: Option<NodeId>,
    pub(super) x: ValueId,
    pub(super) dy: ValueId,
    /// How the weight lies: `[k][n]`.
    pub(super) plain: Plain,
}

impl WayBack {
    /// Reads it from either of its nodes; `None` where the weight may not be changed in the same pass.
    pub(super) fn of(cx: &Lowering<'_>, id: NodeId, node: &Node) -> Option<Self> {
        let (weight_node, update) = weight_gradient_of(cx, id, node)?;
        let weight_gradient = cx.graph.node(weight_node);
        let w = cx.graph.node(update).inputs[0].expect("required");
        let Layout::Plain(plain) = cx.layout(w) else { return None };
        let (first, second) =
            (weight_gradient.inputs[0].expect("required"), weight_gradient.inputs[1].expect("required"));
        let (x, dy) = if plain.transposed { (second, first) } else { (first, second) };
        if cx.features(x) != Some(plain.rows) || cx.features(dy) != Some(plain.cols) {
            return None;
        }
        let is_input_gradient = |user: &NodeId| {
            let node = cx.graph.node(*user);
            plain_product(node)
                && node.inputs.len() == 2
                && node.inputs[0] == Some(dy)
                && !flag(node, "transA")
                && flag(node, "transB") != plain.transposed
        };
        let input_node = cx.users(w).iter().copied().find(is_input_gradient);
        // Nobody else may read the weight after this pass has changed it.
        let late = |&user: &NodeId| user != update && Some(user) != input_node && !cx.is_done(user);
        let all = !cx.users(w).iter().any(late);
        all.then_some(WayBack { weight_node, update, input_node, x, dy, plain })
    }

    /// The input's gradient, if somebody needs it.
    pub(super) fn dx(&self, cx: &Lowering<'_>) -> Option<ValueId> {
        self.input_node.map(|node| cx.graph.node(node).outputs[0])
    }

    /// Marks its nodes as taken.
    pub(super) fn done(&self, cx: &mut Lowering<'_>) {
        let nodes = [Some(self.weight_node), Some(self.update), self.input_node];
        nodes.into_iter().flatten().for_each(|node| cx.done(node));
    }
}

/// Lowers the backward pair of a dense layer, with the update.
pub(super) fn lower_backward(cx: &mut Lowering<'_>, id: NodeId, node: &Node) -> bool {
    let Some(way) = WayBack::of(cx, id, node) else { return false };
    let target = Target::of(cx, way.update);
    let lanes = cx.lanes;
    let (k, n, stride) = (way.plain.rows, way.plain.cols, way.plain.stride);
    let columns = cx.temporary(lanes * n.next_multiple_of(PANEL));
    let (x_slot, dy_slot) = (cx.slot(way.x), cx.slot(way.dy));
    let pieces = cx.cut(way.dy, n, n * lanes * 4);
    let panels = || Pieces::of(n.div_ceil(PANEL), n * lanes * 4).scaled(PANEL);
    let pieces = if pieces.begin_at(PANEL) { pieces } else { panels() };
    cx.push(Turn { dy: dy_slot, columns, pieces, n, lanes });
    let pieces = cx.cut(way.x, k, 4 * k * n * lanes);
    let dx = way.dx(cx).map(|dx| {
        cx.set_cut(dx, pieces.clone());
        cx.slot(dx)
    });
    let masked = way.dx(cx).is_none_or(|dx| is_masked(cx, dx, way.x));
    let packed = cx.temporary(pieces.count() * packed_len(lanes));
    cx.push(Backward {
        x: x_slot,
        packed,
        dy: dy_slot,
        columns,
        dx,
        masked,
        target,
        pieces,
        n,
        stride,
        lanes,
    });
    way.done(cx);
    true
}

/// For either node of a backward pair: the node of the weight's gradient and the update that is its only user.
fn weight_gradient_of(cx: &Lowering<'_>, id: NodeId, node: &Node) -> Option<(NodeId, NodeId)> {
    if !plain_product(node) || node.inputs.len() != 2 {
        return None;
    }
    let update_of = |node: NodeId| {
        let user = cx.only_user(cx.graph.node(node).outputs[0])?;
        let update = cx.graph.node(user);
        (is_update(update) && update.inputs[1] == Some(cx.graph.node(node).outputs[0])).then_some(user)
    };
    if flag(node, "transA") {
        return Some((id, update_of(id)?));
    }
    // This is `dx = Gemm(dy, w)`: find the product of the same `dy` whose update changes `w`.
    let (dy, w) = (node.inputs[0]?, node.inputs[1]?);
    let candidates = cx.users(dy).iter().copied().filter(|&user| {
        let other = cx.graph.node(user);
        plain_product(other) && flag(other, "transA") && other.inputs.len() == 2
    });
    candidates
        .filter_map(|candidate| Some((candidate, update_of(candidate)?)))
        .find(|&(_, update)| cx.graph.node(update).inputs[0] == Some(w))
}

/// Whether a gradient `dx` counts for nothing where the value `x` that it is of is zero: on its way it meets nothing but changes of
/// shape, maxima and dropout, and then the gradient of a ReLU.
fn is_masked(cx: &Lowering<'_>, mut dx: ValueId, mut x: ValueId) -> bool {
    loop {
        let Some(user) = cx.only_user(dx).map(|user| cx.graph.node(user)) else { return false };
        if user.inputs[0] != Some(dx) {
            return false;
        }
        let maker = cx.maker(x).map(|maker| cx.graph.node(maker));
        let from = match (user.op_name(), maker) {
            ("ReluGrad", _) => return user.inputs[1] == Some(x),
            ("MaxPoolGrad", _) if user.inputs[2] == Some(x) => user.inputs[1],
            ("DropoutGrad", Some(maker)) if maker.outputs.get(1).copied() == user.inputs[1] => {
                maker.inputs[0]
            }
            ("Reshape", Some(maker)) if ["Flatten", "Reshape"].contains(&maker.op_name()) => {
                maker.inputs[0].filter(|&from| cx.feature_dims(from) == cx.feature_dims(user.outputs[0]))
            }
            _ => None,
        };
        let Some(from) = from else { return false };
        (dx, x) = (user.outputs[0], from);
    }
}
