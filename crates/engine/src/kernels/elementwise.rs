//! Element-wise operators of two operands on values per example, with broadcasting of constants over the batch.

use graph::{Node, NodeId, ValueId};

use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::{Layout, Lowering};
use crate::step::{Access, Context, Pieces, Step};

/// The operators of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    /// The first where the second is positive, else zero.
    ReluGrad,
}

/// Where an operand's number for a feature comes from.
#[derive(Debug, Clone)]
enum Operand {
    /// One per example, of the feature with the given index.
    Lanes { slot: Slot, index: Vec<u32>, own: bool },
    /// One for all examples, at the given place.
    Shared { slot: Slot, index: Vec<u32> },
}

struct Binary {
    operation: Operation,
    a: Operand,
    b: Operand,
    y: Slot,
    pieces: Pieces,
    lanes: usize,
}

impl Operand {
    fn access(&self, pieces: &Pieces, lanes: usize) -> Access {
        match self {
            Operand::Lanes { slot, own: true, .. } => Access::read_own(*slot, pieces, lanes),
            Operand::Lanes { slot, .. } | Operand::Shared { slot, .. } => Access::read(*slot),
        }
    }

    fn source<'a>(&'a self, cx: &Context<'_>) -> Source<'a> {
        match self {
            Operand::Lanes { slot, index, .. } => Source { from: cx.memory.at(*slot), index, shared: false },
            Operand::Shared { slot, index } => Source { from: cx.memory.at(*slot), index, shared: true },
        }
    }
}

#[derive(Clone, Copy)]
struct Source<'a> {
    from: *const f32,
    index: &'a [u32],
    shared: bool,
}

impl Step for Binary {
    fn name(&self) -> String {
        format!("{:?} {}", self.operation, self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            self.a.access(&self.pieces, self.lanes),
            self.b.access(&self.pieces, self.lanes),
            Access::write_own(self.y, &self.pieces, self.lanes),
        ]
    }

    fn in_place(&self) -> Vec<(Slot, Slot)> {
        let own = |operand: &Operand| match operand {
            Operand::Lanes { slot, own: true, .. } => Some((self.y, *slot)),
            _ => None,
        };
        [&self.a, &self.b].into_iter().filter_map(own).collect()
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to, lanes, operation) = (range.start, range.end, self.lanes, self.operation);
        let (a, b) = (self.a.source(cx), self.b.source(cx));
        let y = cx.memory.at(self.y);
        // SAFETY: the indices were made for these operands; features `from..to` of `y` are the piece's.
        unsafe {
            dispatch!(cx.level => binary::<S>(operation: Operation, a: Source<'_>, b: Source<'_>, y: *mut f32,
                from: usize, to: usize, lanes: usize));
        }
    }
}

#[inline(always)]
unsafe fn binary<S: Simd>(
    operation: Operation,
    a: Source<'_>,
    b: Source<'_>,
    y: *mut f32,
    from: usize,
    to: usize,
    lanes: usize,
) {
    for feature in from..to {
        for lane in (0..lanes).step_by(S::WIDTH) {
            // SAFETY: the caller's.
            unsafe {
                let (a, b) = (fetch::<S>(a, feature, lane, lanes), fetch::<S>(b, feature, lane, lanes));
                let value = match operation {
                    Operation::Add => S::add(a, b),
                    Operation::Sub => S::sub(a, b),
                    Operation::Mul => S::mul(a, b),
                    Operation::Div => S::div(a, b),
                    Operation::ReluGrad => S::keep(S::greater(b, S::splat(0.0)), a),
                };
                S::store(y.add(feature * lanes + lane), value);
            }
        }
    }
}

#[inline(always)]
unsafe fn fetch<S: Simd>(source: Source<'_>, feature: usize, lane: usize, lanes: usize) -> S::V {
    // SAFETY: the caller's.
    unsafe {
        let index = *source.index.get_unchecked(feature) as usize;
        if source.shared {
            S::splat(*source.from.add(index))
        } else {
            S::load(source.from.add(index * lanes + lane))
        }
    }
}

/// Lowers an operator of two operands, of which at least one has a value per example.
pub(crate) fn lower_binary(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, op) = cx.node(id);
    let operation = match op {
        "Add" => Operation::Add,
        "Sub" => Operation::Sub,
        "Mul" => Operation::Mul,
        "Div" => Operation::Div,
        "ReluGrad" => Operation::ReluGrad,
        _ => return false,
    };
    let output = node.outputs[0];
    let Some(dims) = cx.feature_dims(output) else { return false };
    if !cx.graph.ty(output).dtype.is_float() {
        return false;
    }
    if cx.is_gradient(output) && !keeps_zeros(cx, operation, node) {
        return false;
    }
    let (Some(a), Some(b)) = (operand(cx, node.inputs[0], &dims), operand(cx, node.inputs[1], &dims)) else {
        return false;
    };
    let features: usize = dims.iter().product();
    let lanes = cx.lanes;
    let pieces = cx.cut(node.inputs[0].expect("required"), features, features * lanes * 8);
    cx.set_cut(output, pieces.clone());
    let y = cx.slot(output);
    cx.push(Binary { operation, a, b, y, pieces, lanes });
    true
}

/// Whether the result is zero in the lanes where the gradients among the operands are.
fn keeps_zeros(cx: &Lowering<'_>, operation: Operation, node: &Node) -> bool {
    let zero = |index: usize| node.inputs[index].is_some_and(|id| cx.is_gradient(id) && cx.is_lanes(id));
    match operation {
        Operation::Add | Operation::Sub => zero(0) && zero(1),
        Operation::Mul => zero(0) || zero(1),
        Operation::Div | Operation::ReluGrad => zero(0),
    }
}

/// An operand broadcast to features `dims`; `None` where a constant would differ from example to example.
fn operand(cx: &mut Lowering<'_>, value: Option<ValueId>, dims: &[usize]) -> Option<Operand> {
    let value = value?;
    match cx.layout(value) {
        Layout::Lanes { features } => {
            if features.len() != dims.len() {
                return None;
            }
            let own = features == dims;
            Some(Operand::Lanes { slot: cx.slot(value), index: broadcast_index(&features, dims, None)?, own })
        }
        Layout::Plain(plain) => {
            let mut shape = plain.shape.clone();
            if shape.len() > dims.len() {
                // The axis of the batch has to be of length 1.
                if shape.len() != dims.len() + 1 || shape.remove(0) != 1 {
                    return None;
                }
            }
            let place = (plain.rows > 1).then_some((plain.cols, plain.stride));
            if plain.transposed {
                return None;
            }
            Some(Operand::Shared { slot: cx.slot(value), index: broadcast_index(&shape, dims, place)? })
        }
    }
}

/// For each element of `to`, the index of its element in `from`, which is broadcast; `rows` gives the columns and
/// the stride where rows are padded.
fn broadcast_index(from: &[usize], to: &[usize], rows: Option<(usize, usize)>) -> Option<Vec<u32>> {
    let mut index = vec![0usize];
    let extra = to.len().checked_sub(from.len())?;
    let mut stride: usize = from.iter().product();
    for (axis, &length) in to.iter().enumerate() {
        let own = if axis < extra { 1 } else { from[axis - extra] };
        if own != 1 && own != length {
            return None;
        }
        stride /= own.max(1);
        let step = if own == 1 { 0 } else { stride };
        index = index.iter().flat_map(|&start| (0..length).map(move |at| start + at * step)).collect();
    }
    let place = |at: usize| rows.map_or(at, |(cols, stride)| at / cols * stride + at % cols);
    index.into_iter().map(|at| u32::try_from(place(at)).ok()).collect()
}
