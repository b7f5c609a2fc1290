//! Dense layers: `y = x w + b`, with the batch in the lanes. The weight's rows are cut into pieces whose partial sums
//! meet in a second step, with bias and ReLU.

use graph::{Attribute, Node, NodeId, ValueId};

use super::dense_gradient::lower_backward;
use super::dense_product::product;
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::{Layout, Lowering};
use crate::step::{Access, Context, Pieces, Step};

/// Up to this many examples are cheaper one by one, with the layer's outputs in the lanes, than as a whole vector of
/// examples: each weight is read once for a vector of outputs instead of once for every output.
const FEW: usize = 2;
/// Rows that are listed at a time.
const LISTED: usize = 512;
/// Rows that are fetched ahead of their turn.
const FETCHED_AHEAD: usize = 6;
/// From so many outputs on, a weight's rows are read whole, a few abreast.
const STREAMED: usize = 1024;
/// Rows that are read side by side.
const ABREAST: usize = 4;
/// Elements that are fetched ahead of their turn in a row.
const STREAM_AHEAD: usize = 256;
/// By a batch of so many examples it is settled whether a layer is work enough to be cut.
pub(super) const USUAL_BATCH: usize = 32;
/// Vectors of outputs that are summed side by side.
const COLUMNS: usize = 8;

/// `partial[piece][n][lane] = sum over k in the piece of w[k][n] x[k][lane]`.
pub(super) struct Partial {
    pub(super) x: Slot,
    pub(super) w: Slot,
    pub(super) partial: Slot,
    pub(super) pieces: Pieces,
    pub(super) n: usize,
    pub(super) stride: usize,
    pub(super) lanes: usize,
    /// Whether rows that are multiplied by zero may be left out: the weights are finite and stay as they are.
    pub(super) sparse: bool,
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
            if cx.live() <= FEW {
                let (live, sparse) = (cx.live(), self.sparse);
                dispatch!(cx.level => few::<S>(w: *const f32, x: *const f32, y: *mut f32, count: usize, shape: Shape, live: usize, sparse: bool));
            } else {
                dispatch!(cx.level => product::<S>(w: *const f32, x: *const f32, y: *mut f32, count: usize, shape: Shape));
            }
        }
    }
}

/// The lengths the kernels share.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Outputs of the layer: columns of the weight.
    pub(super) n: usize,
    /// Elements from one row of the weight to the next.
    pub(super) stride: usize,
    pub(super) lanes: usize,
}

/// As [`product`] for the first `live` lanes; the lanes behind them, whose examples repeat the first, get its sums. The products of a
/// sum are added in the same order, so the bytes are the same. Where `sparse`, rows whose `x` is zero are not read: weights are what
/// takes the time, a ReLU leaves half of the inputs zero, and a finite weight times zero adds nothing.
#[inline(always)]
unsafe fn few<S: Simd>(
    w: *const f32,
    x: *const f32,
    y: *mut f32,
    rows: usize,
    shape: Shape,
    live: usize,
    sparse: bool,
) {
    let Shape { n, stride, lanes } = shape;
    let mut listed = [0u32; LISTED];
    if n >= STREAMED {
        // SAFETY: the caller's.
        unsafe { stream::<S>(w, x, y, rows, shape, live, sparse) };
        return;
    }
    for column in (0..n).step_by(COLUMNS * S::WIDTH) {
        // Rows of the weight are padded to whole vectors, of zeros.
        let vectors = (n - column).div_ceil(S::WIDTH).min(COLUMNS);
        let columns = (n - column).min(COLUMNS * S::WIDTH);
        for lane in 0..live {
            let mut sums = [0f32; COLUMNS * 16]; // the widest vectors hold 16
            // SAFETY: the caller's; vectors stay inside of the padded row, and `sums` holds all of them.
            unsafe {
                let (w, x) = (w.add(column), x.add(lane));
                for from in (0..rows).step_by(LISTED) {
                    let mut count = 0;
                    for row in from..rows.min(from + LISTED) {
                        listed[count] = row as u32;
                        count += usize::from(!sparse || *x.add(row * lanes) != 0.0);
                    }
                    let listed = &listed[..count];
                    match vectors {
                        COLUMNS => few_columns::<S, COLUMNS>(w, stride, x, lanes, listed, sums.as_mut_ptr()),
                        _ => (0..vectors * S::WIDTH).step_by(S::WIDTH).for_each(|vector| {
                            few_columns::<S, 1>(
                                w.add(vector),
                                stride,
                                x,
                                lanes,
                                listed,
                                sums.as_mut_ptr().add(vector),
                            );
                        }),
                    }
                }
                for (at, &sum) in sums[..columns].iter().enumerate() {
                    let row = std::slice::from_raw_parts_mut(y.add((column + at) * lanes), lanes);
                    match lane {
                        0 => row.fill(sum),
                        _ => row[lane] = sum,
                    }
                }
            }
        }
    }
}

/// As [`few`], row after row: of a large weight each row is many pages of memory, and reading some of the columns of each row at a
/// time would go through all of them again and again.
#[inline(always)]
unsafe fn stream<S: Simd>(
    w: *const f32,
    x: *const f32,
    y: *mut f32,
    rows: usize,
    shape: Shape,
    live: usize,
    sparse: bool,
) {
    let Shape { n, stride, lanes } = shape;
    for lane in 0..live {
        let mut sums = vec![0f32; stride];
        let to = sums.as_mut_ptr();
        let mut listed = [0u32; ABREAST];
        let mut count = 0;
        for row in 0..rows {
            // SAFETY: the caller's; rows of the weight are padded to whole vectors, and `sums` is as long.
            unsafe {
                listed[count] = row as u32;
                count += usize::from(!sparse || *x.add(row * lanes + lane) != 0.0);
                if count == ABREAST {
                    add_rows::<S, ABREAST>(w, stride, x.add(lane), lanes, listed, to);
                    count = 0;
                }
            }
        }
        for &row in &listed[..count] {
            // SAFETY: as above.
            unsafe { add_rows::<S, 1>(w, stride, x.add(lane), lanes, [row], to) };
        }
        for (at, &sum) in sums[..n].iter().enumerate() {
            // SAFETY: the partial sums of this piece are the caller's.
            let row = unsafe { std::slice::from_raw_parts_mut(y.add(at * lanes), lanes) };
            match lane {
                0 => row.fill(sum),
                _ => row[lane] = sum,
            }
        }
    }
}

/// `to[c] += sum over the listed rows k of w[k][c] x[k]` for all columns.
#[inline(always)]
unsafe fn add_rows<S: Simd, const R: usize>(
    w: *const f32,
    stride: usize,
    x: *const f32,
    lanes: usize,
    listed: [u32; R],
    to: *mut f32,
) {
    // SAFETY: the caller's; what is fetched ahead is only a hint.
    unsafe {
        let (mut rows, mut factors) = ([w; R], [S::splat(0.0); R]);
        for r in 0..R {
            rows[r] = w.add(listed[r] as usize * stride);
            factors[r] = S::splat(*x.add(listed[r] as usize * lanes));
        }
        for column in (0..stride).step_by(S::WIDTH) {
            let mut sum = S::load(to.add(column));
            for r in 0..R {
                S::prefetch(rows[r].wrapping_add(column + STREAM_AHEAD));
                sum = S::mul_add(S::load(rows[r].add(column)), factors[r], sum);
            }
            S::store(to.add(column), sum);
        }
    }
}

/// `to[c] += sum over the listed rows k of w[k][c] x[k]` for `J` vectors of columns.
#[inline(always)]
unsafe fn few_columns<S: Simd, const J: usize>(
    w: *const f32,
    stride: usize,
    x: *const f32,
    lanes: usize,
    listed: &[u32],
    to: *mut f32,
) {
    // SAFETY: the caller's; what is fetched ahead is only a hint.
    unsafe {
        let mut sums = [S::splat(0.0); J];
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum = S::load(to.add(j * S::WIDTH));
        }
        for (at, &k) in listed.iter().enumerate() {
            if let Some(&ahead) = listed.get(at + FETCHED_AHEAD) {
                let row = w.add(ahead as usize * stride);
                (0..J * S::WIDTH).step_by(16).for_each(|line| S::prefetch(row.add(line)));
            }
            let factor = S::splat(*x.add(k as usize * lanes));
            let row = w.add(k as usize * stride);
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum = S::mul_add(S::load(row.add(j * S::WIDTH)), factor, *sum);
            }
        }
        for (j, sum) in sums.iter().enumerate() {
            S::store(to.add(j * S::WIDTH), *sum);
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
        format!(
            "sum of parts{}{}",
            if self.bias.is_some() { " + bias" } else { "" },
            if self.relu { " + relu" } else { "" }
        )
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let mut access =
            vec![Access::read(self.partial), Access::write_own(self.y, &self.pieces, self.lanes)];
        access.extend(self.bias.map(|bias| Access::read_own(bias, &self.pieces, 1)));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let rows = self.pieces.range(piece);
        let (parts, size, lanes, relu) =
            (self.parts, self.pieces.total() * self.lanes, self.lanes, self.relu);
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
                    sum = S::max(S::splat(0.0), sum);
                }
                S::store(y.add(at), sum);
            }
        }
    }
}

/// The parts of a `Gemm` node the kernels can take: `x` per example, `w` a constant, `alpha = beta = 1`.
pub(super) struct Dense {
    pub(super) x: ValueId,
    pub(super) w: ValueId,
    pub(super) bias: Option<ValueId>,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) stride: usize,
}

pub(super) fn flag(node: &Node, name: &str) -> bool {
    node.attribute(name) == Some(Attribute::Int(1))
}

pub(super) fn plain_product(node: &Node) -> bool {
    node.op_name() == "Gemm"
        && node.attribute("alpha") == Some(Attribute::Float(1.0))
        && node.attribute("beta") == Some(Attribute::Float(1.0))
}

/// How the rows of a layer's weight are cut on the way there. The pieces are the terms of a sum: they follow from the layer's lengths
/// alone, so that it gives the same bytes whatever makes its input and however many examples are computed together.
pub(super) fn cut(k: usize, n: usize) -> Pieces {
    // A row is as much as some columns beside those it has.
    Pieces::of(k, 2 * k * (n + 8) * USUAL_BATCH)
}

/// Reads a forward `Gemm`, if it is one the kernels can take. `w` is laid out `[k][n]` whatever `transB` says.
pub(super) fn forward_of(cx: &mut Lowering<'_>, node: &Node) -> Option<Dense> {
    let (x, w) = (node.inputs[0]?, node.inputs[1]?);
    let bias = node.inputs.get(2).copied().flatten();
    let fits =
        plain_product(node) && !flag(node, "transA") && cx.is_lanes(x) && cx.graph.ty(w).shape.rank() == 2;
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
    let pieces = cut(dense.k, dense.n);
    let partial = cx.temporary(pieces.count() * dense.n * lanes);
    let (x, w, bias) = (cx.slot(dense.x), cx.slot(dense.w), dense.bias.map(|bias| cx.slot(bias)));
    // Half of the parts lie in another core's cache: each number takes as long as a few operations.
    let gather = Pieces::of(dense.n, dense.n * lanes * (pieces.count() + 2) * 4);
    cx.set_cut(output, gather.clone());
    let parts = pieces.count();
    let sparse = cx.is_fixed_and_finite(dense.w);
    cx.push(Partial { x, w, partial, pieces, n: dense.n, stride: dense.stride, lanes, sparse });
    let y = cx.slot(output);
    cx.push(Gather { partial, parts, bias, relu: relu.is_some(), y, pieces: gather, lanes });
    cx.done(id);
    relu.into_iter().for_each(|user| cx.done(user));
    true
}
