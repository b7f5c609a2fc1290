//! The way back through a dense layer: one pass over the weight computes the input's gradient, the weight's gradient
//! and the optimiser's update, so weight and moments are touched once per training step.

use std::ops::Range;

use graph::{Node, NodeId, ValueId};

use super::conv_weight_gradient::{PANEL, panel_of};
use super::dense::{Shape, flag, plain_product};
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use super::tile::{lane_blocks, load, place, products_beside, row_blocks, steps_between, store, zero};
use super::update::{Coefficients, Pointers, Rule, Target, dispatch_rule};
use crate::lower::{Layout, Lowering, Plain};
use crate::step::{Access, Context, Pieces, Step};
use crate::survey::is_update;

/// Rows whose input gradient is computed before their weight gradient, so that the weight is still in the first-level cache.
const ROWS: usize = 24;

/// Columns that are worked on together, so that what belongs to them of the output's gradient stays in the second-level cache.
const COLUMNS: usize = 1024;

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
    // SAFETY: the caller's; blocks stay inside of the piece's rows and the weight's columns.
    unsafe {
        let mut waiting = Waiting::<S>::new();
        for columns in (0..shape.stride).step_by(COLUMNS) {
            let last = shape.stride.min(columns + COLUMNS);
            for block in (from..to).step_by(ROWS) {
                let end = to.min(block + ROWS);
                if !data.dx.is_null() {
                    let inside = columns..last.min(shape.n);
                    lane_blocks!(S, shape.lanes, lane, J => row_blocks!(S, block, end, row, R => {
                        input_gradient::<S, R, J>(at, data, (row, to, lane), inside.clone(), shape)
                    }));
                }
                row_blocks!(S, block, end, row, R => lane_blocks!(S, last - columns, column, J => {
                    weight_gradient::<S, U, R, J>(c, at, data, (row, to, columns + column), shape, &mut waiting)
                }));
            }
        }
        waiting.finish::<U>(c, at, shape.stride, 0);
    }
}

/// A tile of weights whose moments are new and whose square roots are still to be taken: the divider does that while the
/// products of the next tile are summed.
struct Waiting<S: Simd> {
    /// Second moments, then their square roots.
    roots: [S::V; 16],
    count: usize,
    /// Vectors in a row of the tile.
    across: usize,
    /// The tile's first weight.
    offset: usize,
}

impl<S: Simd> Waiting<S> {
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: the caller is compiled for the instruction set.
        Waiting { roots: [unsafe { S::splat(0.0) }; 16], count: 0, across: 1, offset: 0 }
    }

    /// Takes the root of one vector.
    #[inline(always)]
    unsafe fn take_root(&mut self, index: usize) {
        debug_assert!(index < self.count);
        // SAFETY: the caller gives a vector of the tile and is compiled for the instruction set.
        unsafe {
            let at = self.roots.as_mut_ptr().add(index);
            *at = S::sqrt(*at);
        }
    }

    /// Updates the weights, with the roots from the vector `rooted` on still to be taken.
    #[inline(always)]
    unsafe fn finish<U: Rule>(&mut self, c: &Coefficients, at: Pointers, stride: usize, rooted: usize) {
        // SAFETY: the tile's weights and first moments are the caller's.
        unsafe {
            (rooted..self.count).for_each(|index| self.take_root(index));
            match self.across {
                4 => self.rows::<U, 4>(c, at, stride),
                2 => self.rows::<U, 2>(c, at, stride),
                _ => self.rows::<U, 1>(c, at, stride),
            }
        }
        self.count = 0;
    }

    #[inline(always)]
    unsafe fn rows<U: Rule, const J: usize>(&self, c: &Coefficients, at: Pointers, stride: usize) {
        for row in 0..self.count / J {
            for j in 0..J {
                let offset = self.offset + row * stride + j * S::WIDTH;
                // SAFETY: the caller's.
                unsafe {
                    let m = S::load(at.moments[0].add(offset));
                    U::weight::<S>(c, at, offset, m, *self.roots.as_ptr().add(row * J + j));
                }
            }
        }
    }
}

/// The rows behind the `R` from `row` on that are asked for: inside of the piece, which ends at `to`, since another thread may be
/// changing those behind it.
#[inline(always)]
fn next_rows<const R: usize>(row: usize, to: usize) -> usize {
    (row + R).min(to - R)
}

/// `dx[row ..][lane ..] += sum over the columns of w[row ..][column] dy[column][lane ..]`; the first columns overwrite it.
#[inline(always)]
unsafe fn input_gradient<S: Simd, const R: usize, const J: usize>(
    at: Pointers,
    data: BackwardData,
    (row, to, lane): (usize, usize, usize),
    columns: Range<usize>,
    shape: Shape,
) {
    let Shape { stride, lanes, .. } = shape;
    // SAFETY: the caller's; what is asked for is not read.
    unsafe {
        let dx = data.dx.add(row * lanes + lane);
        let mut tile = zero::<S, R, J>();
        if columns.start > 0 {
            tile = load::<S, R, J>(dx, lanes);
        }
        // The weights of the next rows, as many of a row's as there are rows with every step.
        let ahead = at.weight.wrapping_add(next_rows::<R>(row, to) * stride + columns.start);
        let w = at.weight.add(row * stride + columns.start).cast_const();
        let dy = data.dy.add(columns.start * lanes + lane);
        products_beside::<S, R, J>(&mut tile, (w, stride, 1), (dy, lanes), columns.len(), |step| {
            S::prefetch_far(ahead.wrapping_add(place::<COLUMNS>(step * R, stride)));
        });
        store::<S, R, J>(&tile, dx, lanes);
    }
}

/// The weight's gradient for `R` rows and `J` vectors of columns, with the update.
#[inline(always)]
unsafe fn weight_gradient<S: Simd, U: Rule, const R: usize, const J: usize>(
    c: &Coefficients,
    at: Pointers,
    data: BackwardData,
    (row, to, column): (usize, usize, usize),
    shape: Shape,
    waiting: &mut Waiting<S>,
) {
    let Shape { stride, lanes, .. } = shape;
    let offset = row * stride + column;
    // SAFETY: the caller's; what is asked for is not read.
    unsafe {
        let mut tile = zero::<S, R, J>();
        let panel = (data.columns.add(column * lanes), PANEL);
        let x = data.x.add(row * lanes);
        // The moments of the next rows, for the tile's share of the steps.
        let inside = column % COLUMNS;
        let first = next_rows::<R>(row, to) * stride + column - inside + place::<COLUMNS>(inside * R, stride);
        let mut ahead = at.moments.map(|moment| moment.wrapping_add(first));
        let each = (R * J * S::WIDTH * steps_between(R)).div_ceil(lanes);
        let mut rooted = 0;
        products_beside::<S, R, J>(&mut tile, (x, lanes, 1), panel, lanes, |_| {
            for moment in ahead.iter_mut().take(U::MOMENTS) {
                S::prefetch_far(*moment);
                *moment = moment.wrapping_add(each);
            }
            if rooted < waiting.count {
                waiting.take_root(rooted);
                rooted += 1;
            }
        });
        waiting.finish::<U>(c, at, stride, rooted);
        for r in 0..R {
            for j in 0..J {
                let offset = offset + r * stride + j * S::WIDTH;
                if U::ROOTS {
                    let [_, v] = U::moments::<S>(c, at, offset, tile[r][j]);
                    waiting.roots[r * J + j] = v;
                } else {
                    U::apply::<S>(c, at, offset, tile[r][j]);
                }
            }
        }
        if U::ROOTS {
            (waiting.count, waiting.across, waiting.offset) = (R * J, J, offset);
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
