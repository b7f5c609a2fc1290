//! Dense layers: `y = x w + b`, with the batch in the lanes.
//!
//! Forward, the weight's rows are cut into pieces whose partial sums meet in a second step. Backward, one pass
//! over the weight computes the input's gradient, the weight's gradient and the optimiser's update, so weight
//! and moments are touched once per training step.

use graph::{Attribute, Node, NodeId, ValueId};

use super::memory::Slot;
use super::simd::{Simd, dispatch};
use super::tile::{lane_blocks, products, row_blocks, zero};
use super::update::{Coefficients, Pointers, Rule, Target, dispatch_rule};
use crate::lower::{Layout, Lowering};
use crate::step::{Access, Context, Pieces, Step};

/// Rows of the weight that are worked on together: 32 rows of 128 numbers fill half of the first-level cache.
const ROW_BLOCK: usize = 32;
/// Rows whose input gradient is computed before their weight gradient.
const BACKWARD_BLOCK: usize = 96;

/// `partial[piece][n][lane] = sum over k in the piece of w[k][n] x[k][lane]`.
struct Partial {
    x: Slot,
    w: Slot,
    partial: Slot,
    pieces: Pieces,
    n: usize,
    stride: usize,
    lanes: usize,
}

impl Step for Partial {
    fn name(&self) -> String {
        format!("dense {}x{}", self.pieces.total(), self.n)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let one_each = Pieces::each(self.pieces.count());
        vec![
            Access::read_own(self.x, &self.pieces, self.lanes),
            Access::read_own(self.w, &self.pieces, self.stride),
            Access::write_own(self.partial, &one_each, self.n * self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let rows = self.pieces.range(piece);
        let shape = Shape { n: self.n, stride: self.stride, lanes: self.lanes };
        let count = rows.len();
        // SAFETY: rows lie inside of `w` and `x`; the partial sums of this piece are its own.
        unsafe {
            let w: *const f32 = cx.memory.at(self.w).add(rows.start * self.stride);
            let x: *const f32 = cx.memory.at(self.x).add(rows.start * self.lanes);
            let y = cx.memory.at(self.partial).add(piece * self.n * self.lanes);
            dispatch!(cx.level => partial::<S>(w: *const f32, x: *const f32, y: *mut f32, count: usize, shape: Shape));
        }
    }
}

/// The lengths the kernels share.
#[derive(Clone, Copy)]
struct Shape {
    n: usize,
    stride: usize,
    lanes: usize,
}

#[inline(always)]
unsafe fn partial<S: Simd>(w: *const f32, x: *const f32, y: *mut f32, rows: usize, shape: Shape) {
    let Shape { n, stride, lanes } = shape;
    // SAFETY: the caller's; blocks stay inside of `rows`, `n` and `lanes`.
    unsafe {
        std::slice::from_raw_parts_mut(y, n * lanes).fill(0.0);
        for block in (0..rows).step_by(ROW_BLOCK) {
            let steps = ROW_BLOCK.min(rows - block);
            let (w, x) = (w.add(block * stride), x.add(block * lanes));
            lane_blocks!(S, lanes, lane, J => row_blocks!(S, 0, n, column, R => {
                forward_tile::<S, R, J>(w.add(column), stride, x.add(lane), lanes, steps, y.add(column * lanes + lane))
            }));
        }
    }
}

#[inline(always)]
unsafe fn forward_tile<S: Simd, const R: usize, const J: usize>(
    w: *const f32,
    stride: usize,
    x: *const f32,
    lanes: usize,
    steps: usize,
    y: *mut f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut tile = zero::<S, R, J>();
        for row in 0..R {
            for j in 0..J {
                tile[row][j] = S::load(y.add(row * lanes + j * S::WIDTH));
            }
        }
        products::<S, R, J>(&mut tile, w, 1, stride, x, lanes, steps);
        for row in 0..R {
            for j in 0..J {
                S::store(y.add(row * lanes + j * S::WIDTH), tile[row][j]);
            }
        }
    }
}

/// `y[n][lane] = activation(b[n] + sum over pieces of partial[piece][n][lane])`.
struct Gather {
    partial: Slot,
    parts: usize,
    bias: Option<Slot>,
    relu: bool,
    y: Slot,
    pieces: Pieces,
    lanes: usize,
}

impl Step for Gather {
    fn name(&self) -> String {
        format!("sum of parts{}{}", if self.bias.is_some() { " + bias" } else { "" }, if self.relu { " + relu" } else { "" })
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let mut access = vec![Access::read(self.partial), Access::write_own(self.y, &self.pieces, self.lanes)];
        access.extend(self.bias.map(|bias| Access::read_own(bias, &self.pieces, 1)));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let rows = self.pieces.range(piece);
        let (parts, size, lanes, relu) = (self.parts, self.pieces.total() * self.lanes, self.lanes, self.relu);
        let (from, to) = (rows.start, rows.end);
        let bias: *const f32 = self.bias.map_or(std::ptr::null(), |bias| cx.memory.at(bias));
        let partial: *const f32 = cx.memory.at(self.partial);
        let y = cx.memory.at(self.y);
        // SAFETY: rows `from..to` of `y` belong to this piece; all parts are complete.
        unsafe {
            dispatch!(cx.level => gather::<S>(partial: *const f32, parts: usize, size: usize, bias: *const f32,
                relu: bool, y: *mut f32, from: usize, to: usize, lanes: usize));
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)] // flat arguments keep the loop free of indirection
unsafe fn gather<S: Simd>(
    partial: *const f32,
    parts: usize,
    size: usize,
    bias: *const f32,
    relu: bool,
    y: *mut f32,
    from: usize,
    to: usize,
    lanes: usize,
) {
    for row in from..to {
        for lane in (0..lanes).step_by(S::WIDTH) {
            let at = row * lanes + lane;
            // SAFETY: the caller's.
            unsafe {
                let mut sum = S::load(partial.add(at));
                for part in 1..parts {
                    sum = S::add(sum, S::load(partial.add(part * size + at)));
                }
                if !bias.is_null() {
                    sum = S::add(sum, S::splat(*bias.add(row)));
                }
                if relu {
                    sum = S::max(sum, S::splat(0.0));
                }
                S::store(y.add(at), sum);
            }
        }
    }
}

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
        vec![Access::read(self.dy), Access::write(self.columns)]
    }

    fn run(&self, _: usize, cx: &Context<'_>) {
        // SAFETY: serial; `columns` is written by nobody else and `dy` by nobody.
        let (dy, columns) = unsafe { (cx.memory.slice(self.dy), cx.memory.slice_mut(self.columns)) };
        for (lane, column) in columns.chunks_exact_mut(self.stride).enumerate() {
            let (values, padding) = column.split_at_mut(self.n);
            for (n, value) in values.iter_mut().enumerate() {
                *value = dy[n * self.lanes + lane];
            }
            padding.fill(0.0);
        }
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
        let dx = if self.dx.is_some() { "dx + " } else { "" };
        format!("dense backward {}x{}: {dx}dw + update", self.pieces.total(), self.n)
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
                    input_gradient::<S, R, J>(at.weight, data, row, lane, shape)
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
    w: *const f32,
    data: BackwardData,
    row: usize,
    lane: usize,
    shape: Shape,
) {
    let Shape { n, stride, lanes } = shape;
    // SAFETY: the caller's.
    unsafe {
        let mut tile = zero::<S, R, J>();
        products::<S, R, J>(&mut tile, w.add(row * stride), stride, 1, data.dy.add(lane), lanes, n);
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
        products::<S, R, J>(&mut tile, data.x.add(row * lanes), lanes, 1, data.columns.add(column), stride, lanes);
        for r in 0..R {
            for j in 0..J {
                U::apply::<S>(c, at, (row + r) * stride + column + j * S::WIDTH, tile[r][j]);
            }
        }
    }
}

/// The parts of a `Gemm` node the kernels can take: `x` per example, `w` a constant, `alpha = beta = 1`.
struct Dense {
    x: ValueId,
    w: ValueId,
    bias: Option<ValueId>,
    k: usize,
    n: usize,
    stride: usize,
}

fn flag(node: &Node, name: &str) -> bool {
    node.attribute(name) == Some(Attribute::Int(1))
}

fn plain_product(node: &Node) -> bool {
    node.op_name() == "Gemm"
        && node.attribute("alpha") == Some(Attribute::Float(1.0))
        && node.attribute("beta") == Some(Attribute::Float(1.0))
}

/// Reads a forward `Gemm`, if it is one the kernels can take. `w` is laid out `[k][n]` whatever `transB` says.
fn forward_of(cx: &mut Lowering<'_>, node: &Node) -> Option<Dense> {
    let (x, w) = (node.inputs[0]?, node.inputs[1]?);
    let bias = node.inputs.get(2).copied().flatten();
    let fits = plain_product(node) && !flag(node, "transA") && cx.is_lanes(x) && cx.graph.ty(w).shape.rank() == 2;
    let Layout::Plain(plain) = cx.layout(w) else { return None };
    if !fits || plain.transposed != flag(node, "transB") {
        return None;
    }
    if bias.is_some_and(|bias| cx.graph.ty(bias).shape.lengths() != Some(vec![plain.cols])) {
        return None;
    }
    Some(Dense { x, w, bias, k: plain.rows, n: plain.cols, stride: plain.stride })
}

/// Lowers a `Gemm`: a forward product with its ReLU, or one of a backward pair with the update.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let node = cx.graph.node(id).clone();
    lower_backward(cx, id, &node) || lower_forward(cx, id, &node)
}

fn lower_forward(cx: &mut Lowering<'_>, id: NodeId, node: &Node) -> bool {
    let Some(dense) = forward_of(cx, node) else { return false };
    let relu = cx.only_user(node.outputs[0]).filter(|&user| cx.graph.node(user).op_name() == "Relu");
    let output = relu.map_or(node.outputs[0], |user| cx.graph.node(user).outputs[0]);
    let lanes = cx.lanes;
    let work = 2 * dense.k * dense.n * lanes;
    let pieces = cx.cut(dense.x, dense.k, work);
    let partial = cx.temporary(pieces.count() * dense.n * lanes);
    let (x, w, bias) = (cx.slot(dense.x), cx.slot(dense.w), dense.bias.map(|bias| cx.slot(bias)));
    let gather = Pieces::of(dense.n, dense.n * lanes * (pieces.count() + 2));
    let parts = pieces.count();
    cx.push(Partial { x, w, partial, pieces, n: dense.n, stride: dense.stride, lanes });
    let y = cx.slot(output);
    cx.push(Gather { partial, parts, bias, relu: relu.is_some(), y, pieces: gather, lanes });
    cx.done(id);
    relu.into_iter().for_each(|user| cx.done(user));
    true
}

/// The backward pair of a dense layer: `dw = Gemm(x, dy, transA)` whose only user is an update, and
/// `dx = Gemm(dy, w)`, which is there unless nobody needs it.
fn lower_backward(cx: &mut Lowering<'_>, id: NodeId, node: &Node) -> bool {
    let Some((weight_node, update)) = weight_gradient_of(cx, id, node) else { return false };
    let weight_gradient = cx.graph.node(weight_node).clone();
    let w = cx.graph.node(update).inputs[0].expect("required");
    let Layout::Plain(plain) = cx.layout(w) else { return false };
    let (first, second) = (weight_gradient.inputs[0].expect("required"), weight_gradient.inputs[1].expect("required"));
    let (x, dy) = if plain.transposed { (second, first) } else { (first, second) };
    if cx.features(x) != Some(plain.rows) || cx.features(dy) != Some(plain.cols) {
        return false;
    }
    let users: Vec<NodeId> = cx.users(w).to_vec();
    let is_input_gradient = |cx: &Lowering<'_>, user: NodeId| {
        let node = cx.graph.node(user);
        plain_product(node)
            && node.inputs.len() == 2
            && node.inputs[0] == Some(dy)
            && !flag(node, "transA")
            && flag(node, "transB") != plain.transposed
    };
    let input_node = users.iter().copied().find(|&user| is_input_gradient(cx, user));
    // Nobody else may read the weight after this pass has changed it.
    let late = |&user: &NodeId| user != update && Some(user) != input_node && !cx.is_done(user);
    if users.iter().any(late) {
        return false;
    }
    let target = Target::of(cx, update);
    let lanes = cx.lanes;
    let (n, stride) = (plain.cols, plain.stride);
    let columns = cx.temporary(lanes * stride);
    let (x_slot, dy_slot) = (cx.slot(x), cx.slot(dy));
    cx.push(Turn { dy: dy_slot, columns, pieces: Pieces::serial(1), n, stride, lanes });
    let dx = input_node.map(|node| cx.slot(cx.graph.node(node).outputs[0]));
    let pieces = cx.cut(x, plain.rows, 4 * plain.rows * n * lanes);
    cx.push(Backward { x: x_slot, dy: dy_slot, columns, dx, target, pieces, n, stride, lanes });
    [Some(weight_node), Some(update), input_node].into_iter().flatten().for_each(|node| cx.done(node));
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
        (update.op_name().ends_with("Update") && update.inputs[1] == Some(cx.graph.node(node).outputs[0])).then_some(user)
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

