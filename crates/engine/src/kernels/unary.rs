//! Element-wise operators of one operand on values per example.

use graph::NodeId;

use super::exponential::exp;
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// The operators with a vector kernel; the others call a function for each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Relu,
    Neg,
    Abs,
    Sqrt,
    Exp,
    Sigmoid,
}

/// How a number becomes another one.
#[derive(Clone, Copy)]
enum Function {
    Vector(Operation),
    Number(fn(f32) -> f32),
}

struct Unary {
    name: &'static str,
    function: Function,
    x: Slot,
    y: Slot,
    pieces: Pieces,
    lanes: usize,
}

impl Step for Unary {
    fn name(&self) -> String {
        format!("{} {}", self.name, self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.x, &self.pieces, self.lanes),
            Access::write_own(self.y, &self.pieces, self.lanes),
        ]
    }

    fn in_place(&self) -> Vec<(Slot, Slot)> {
        vec![(self.y, self.x)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (start, len) = (range.start * self.lanes, range.len() * self.lanes);
        // SAFETY: these features of `x` and `y`, which may be one buffer, belong to this piece; lanes are whole vectors.
        unsafe {
            let (x, y) = (cx.memory.at(self.x).add(start).cast_const(), cx.memory.at(self.y).add(start));
            match self.function {
                Function::Vector(operation) => dispatch!(cx.level =>
                    vectors::<S>(operation: Operation, x: *const f32, y: *mut f32, len: usize)),
                Function::Number(f) => (0..len).for_each(|at| *y.add(at) = f(*x.add(at))),
            }
        }
    }
}

#[inline(always)]
unsafe fn vectors<S: Simd>(operation: Operation, x: *const f32, y: *mut f32, len: usize) {
    for at in (0..len).step_by(S::WIDTH) {
        // SAFETY: the caller's.
        unsafe {
            let (zero, one) = (S::splat(0.0), S::splat(1.0));
            let x = S::load(x.add(at));
            let value = match operation {
                // The maximum of zero and NaN is NaN, in this order.
                Operation::Relu => S::max(zero, x),
                Operation::Neg => S::mul(S::splat(-1.0), x),
                Operation::Abs => S::max(S::mul(S::splat(-1.0), x), x),
                Operation::Sqrt => S::sqrt(x),
                Operation::Exp => exp::<S>(x),
                Operation::Sigmoid => S::div(one, S::add(one, exp::<S>(S::sub(zero, x)))),
            };
            S::store(y.add(at), value);
        }
    }
}

/// The function of an operator.
fn function(op: &str) -> Option<Function> {
    Some(match op {
        "Relu" => Function::Vector(Operation::Relu),
        "Neg" => Function::Vector(Operation::Neg),
        "Abs" => Function::Vector(Operation::Abs),
        "Sqrt" => Function::Vector(Operation::Sqrt),
        "Exp" => Function::Vector(Operation::Exp),
        "Sigmoid" => Function::Vector(Operation::Sigmoid),
        "Tanh" => Function::Number(f32::tanh),
        "Log" => Function::Number(f32::ln),
        _ => return None,
    })
}

/// Whether zero becomes zero.
fn keeps_zero(op: &str) -> bool {
    matches!(op, "Relu" | "Neg" | "Abs" | "Sqrt" | "Tanh")
}

/// Lowers an operator of one operand with a value per example.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, op) = cx.node(id);
    let (x, output) = (node.inputs[0].expect("required"), node.outputs[0]);
    let (Some(function), Some(features)) = (function(op), cx.features(x)) else { return false };
    if cx.is_gradient(output) && !keeps_zero(op) {
        return false;
    }
    let lanes = cx.lanes;
    let pieces = cx.cut(x, features, features * lanes * 10);
    cx.set_cut(output, pieces.clone());
    let (x, y) = (cx.slot(x), cx.slot(output));
    cx.push(Unary { name: op, function, x, y, pieces, lanes });
    true
}
