//! The way back through a dense layer: one pass over the weight computes the input's gradient, the weight's gradient
//! and the optimiser's update, so weight and moments are touched once per training step.

use graph::{Node, NodeId, ValueId};

use super::dense::{Shape, flag, plain_product};
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use super::tile::{lane_blocks, products_fetching, row_blocks, zero};
use super::update::{Coefficients, Pointers, Rule, Target, dispatch_rule};
use crate::lower::{Layout, Lowering, Plain};
use crate::step::{Access, Context, Pieces, Step};

/// Rows whose input gradient is computed before their weight gradient, so that the weight is still in the first-level cache.
const BACKWARD_BLOCK: usize = 24;

/// Rows that are turned at a time.
const TURNED: usize = 64;

/// `columns[lane][n] = dy[n][lane]`, the form the weight gradient reads.
struct Turn {
    dy: Slot,
    columns: Slot,
    pieces: Pieces,
    n: usize,
    stride: usize,
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
        vec![Access::read(self.dy), Access::write_own(self.columns, &self.pieces, self.stride)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        // SAFETY: these lanes of `columns` belong to this piece, and nobody writes `dy` meanwhile.
        let (dy, columns) = unsafe {
            let columns = cx.memory.at(self.columns).add(range.start * self.stride);
            (cx.memory.slice(self.dy), std::slice::from_raw_parts_mut(columns, range.len() * self.stride))
        };
        // A few rows at a time: their cache lines are read once for all lanes.
        for block in (0..self.n).step_by(TURNED) {
            let rows = block..self.n.min(block + TURNED);
            for (lane, column) in range.clone().zip(columns.chunks_exact_mut(self.stride)) {
                for (n, value) in rows.clone().zip(&mut column[rows.clone()]) {
                    *value = dy[n * self.lanes + lane];
                }
            }
        }
        columns.chunks_exact_mut(self.stride).for_each(|column| column[self.n..].fill(0.0));
    }
}

/// One pass over the weight: `dx[k][lane] = sum_n w[k][n] dy[n][lane]` and
/// `w[k][n] = update(w[k][n], sum_lane x[k][lane] dy[n][lane])`.
struct Backward {
    x: Slot,
    dy: Slot,
    columns: Slot,
    dx: Option<Slot>,
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
        ]);
        access.extend(self.dx.map(|dx| Access::write_own(dx, &self.pieces, self.lanes)));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let rows = self.pieces.range(piece);
        let shape = Shape { n: self.n, stride: self.stride, lanes: self.lanes };
        let coefficients = self.target.optimizer.coefficients(cx.step, cx.learning_rate);
        let coefficients = &coefficients;
        let at = self.target.pointers(cx);
        let (from, to) = (rows.start, rows.end);
        let data = BackwardData {
            x: cx.memory.at(self.x),
            dy: cx.memory.at(self.dy),
            columns: cx.memory.at(self.columns),
            dx: self.dx.map_or(std::ptr::null_mut(), |dx| cx.memory.at(dx)),
        };
        // SAFETY: rows `from..to` of weight, moments, `x` and `dx` belong to this piece; `dy` is complete.
        unsafe {
            dispatch_rule!(self.target.optimizer.compiled(), cx.level => backward(
                coefficients: &Coefficients, at: Pointers, data: BackwardData, from: usize, to: usize, shape: Shape));
        }
    }
}

/// The name of a step back through a layer of `rows` by `n` weights.
pub(super) fn step_name(rows: usize, n: usize, dx: bool) -> String {
    let dx = if dx { "dx + " } else { "" };
    format!("dense backward {rows}x{n}: {dx}dw + update")
}

/// What the backward pass reads and writes beside the weight.
#[derive(Clone, Copy)]
struct BackwardData {
    x: *const f32,
    dy: *const f32,
    columns: *const f32,
    /// Null where the input's gradient is not needed.
    dx: *mut f32,
}

#[inline(always)]
unsafe fn backward<S: Simd, U: Rule>(
    c: &Coefficients,
    at: Pointers,
    data: BackwardData,
    from: usize,
    to: usize,
    shape: Shape,
) {
    for block in (from..to).step_by(BACKWARD_BLOCK) {
        let end = to.min(block + BACKWARD_BLOCK);
        // SAFETY: the caller's; blocks stay inside of `from..to`.
        unsafe {
            if !data.dx.is_null() {
                lane_blocks!(S, shape.lanes, lane, J => row_blocks!(S, block, end, row, R => {
                    input_gradient::<S, R, J>(at, data, row, lane, shape)
                }));
            }
            row_blocks!(S, block, end, row, R => lane_blocks!(S, shape.stride, column, J => {
                weight_gradient::<S, U, R, J>(c, at, data, row, column, shape)
            }));
        }
    }
}

#[inline(always)]
unsafe fn input_gradient<S: Simd, const R: usize, const J: usize>(
    at: Pointers,
    data: BackwardData,
    row: usize,
    lane: usize,
    shape: Shape,
) {
    let Shape { n, stride, lanes } = shape;
    // SAFETY: the caller's.
    unsafe {
        let mut tile = zero::<S, R, J>();
        // Weight and first moment of the next rows, a line or half of one each step.
        let next = (row + R) * stride;
        let ahead = [at.weight, at.moment(0)].map(|array| array.wrapping_add(next).cast_const());
        let w = at.weight.add(row * stride).cast_const();
        products_fetching::<S, R, J, 2>(&mut tile, (w, stride, 1), (data.dy.add(lane), lanes), n, ahead, R);
        for r in 0..R {
            for j in 0..J {
                S::store(data.dx.add((row + r) * lanes + lane + j * S::WIDTH), tile[r][j]);
            }
        }
    }
}

#[inline(always)]
unsafe fn weight_gradient<S: Simd, U: Rule, const R: usize, const J: usize>(
    c: &Coefficients,
    at: Pointers,
    data: BackwardData,
    row: usize,
    column: usize,
    shape: Shape,
) {
    let Shape { stride, lanes, .. } = shape;
    // SAFETY: the caller's.
    unsafe {
        let mut tile = zero::<S, R, J>();
        // The second moment of the next rows.
        let ahead = [at.moment(1).wrapping_add((row + R) * stride + column * R).cast_const()];
        let (x, columns) = (data.x.add(row * lanes), data.columns.add(column));
        products_fetching::<S, R, J, 1>(&mut tile, (x, lanes, 1), (columns, stride), lanes, ahead, R);
        for r in 0..R {
            for j in 0..J {
                U::apply::<S>(c, at, (row + r) * stride + column + j * S::WIDTH, tile[r][j]);
            }
        }
    }
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
    let columns = cx.temporary(lanes * stride);
    let (x_slot, dy_slot) = (cx.slot(way.x), cx.slot(way.dy));
    let pieces = Pieces::of(lanes, n * lanes * 4);
    cx.push(Turn { dy: dy_slot, columns, pieces, n, stride, lanes });
    let dx = way.dx(cx).map(|dx| cx.slot(dx));
    let pieces = cx.cut(way.x, k, 4 * k * n * lanes);
    cx.push(Backward { x: x_slot, dy: dy_slot, columns, dx, target, pieces, n, stride, lanes });
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
        (update.op_name().ends_with("Update") && update.inputs[1] == Some(cx.graph.node(node).outputs[0]))
            .then_some(user)
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
