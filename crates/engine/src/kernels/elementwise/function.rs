//! What is computed of one, two or three numbers.

use super::operand::{Grid, Source};
use crate::kernels::exponential::exp;
use crate::kernels::simd::Simd;

/// An element-wise function.
#[derive(Clone, Copy)]
pub(super) enum Function {
    /// Of one operand, with vectors.
    One(One),
    /// Of one operand, number by number.
    Number(fn(f32) -> f32),
    /// Of two operands, with vectors.
    Two(Two),
    /// Of two operands, number by number.
    Numbers(fn(f32, f32) -> f32),
    /// The second operand where the first is not zero, else the third.
    Where,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum One {
    Relu,
    Neg,
    Abs,
    Sqrt,
    Exp,
    Sigmoid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Two {
    Add,
    Sub,
    Mul,
    Div,
    /// 1 where the operands are equal, else 0.
    Equal,
    /// 1 where the first is greater, else 0.
    Greater,
    /// The greater of both; the first where one is NaN.
    AtLeast,
    /// The smaller of both; the first where one is NaN.
    AtMost,
    /// The first where the second is positive, else zero.
    ReluGrad,
}

impl Function {
    /// The function of an operator that is one function of its inputs.
    pub(super) fn of(op: &str) -> Option<Self> {
        Some(match op {
            "Relu" => Function::One(One::Relu),
            "Neg" => Function::One(One::Neg),
            "Abs" => Function::One(One::Abs),
            "Sqrt" => Function::One(One::Sqrt),
            "Exp" => Function::One(One::Exp),
            "Sigmoid" => Function::One(One::Sigmoid),
            "Tanh" => Function::Number(f32::tanh),
            "Log" => Function::Number(f32::ln),
            "Sign" => Function::Number(sign),
            "Add" => Function::Two(Two::Add),
            "Sub" => Function::Two(Two::Sub),
            "Mul" => Function::Two(Two::Mul),
            "Div" => Function::Two(Two::Div),
            "Equal" => Function::Two(Two::Equal),
            "Greater" => Function::Two(Two::Greater),
            "ReluGrad" => Function::Two(Two::ReluGrad),
            "Pow" => Function::Numbers(power),
            "Where" => Function::Where,
            _ => return None,
        })
    }

    /// Operations for each number, about: what the work is cut by.
    pub(super) fn work(self) -> usize {
        match self {
            Function::Two(_) | Function::Where => 8,
            Function::One(_) | Function::Number(_) | Function::Numbers(_) => 10,
        }
    }

    /// Whether the result is zero wherever the operands are for which `zero` holds.
    pub(super) fn keeps_zero(self, zero: impl Fn(usize) -> bool) -> bool {
        match self {
            Function::One(One::Relu | One::Neg | One::Abs | One::Sqrt) => zero(0),
            Function::One(One::Exp | One::Sigmoid) => false,
            // Of these, all but the logarithm.
            Function::Number(f) => f(0.0) == 0.0 && zero(0),
            Function::Two(Two::Add | Two::Sub) => zero(0) && zero(1),
            Function::Two(Two::Mul) => zero(0) || zero(1),
            Function::Two(Two::Div | Two::ReluGrad) => zero(0),
            Function::Two(Two::Equal | Two::Greater | Two::AtLeast | Two::AtMost) => false,
            Function::Numbers(_) => false,
            Function::Where => zero(1) && zero(2),
        }
    }

    /// Computes it for the rows and lanes of `to`.
    ///
    /// # Safety
    ///
    /// Those of the operands can be read, and those of `to` written; the caller is compiled for the instruction set.
    #[inline(always)]
    pub(super) unsafe fn apply<'a, S: Simd>(self, operand: impl Fn(usize) -> Source<'a>, to: &Grid) {
        // The function is settled before the loops, each of which is compiled for its own.
        macro_rules! apart {
            ($value:expr, $of:ident: $($name:ident)+ => |$function:ident| $call:expr) => {
                match $value {
                    $($of::$name => {
                        let $function = $of::$name;
                        $call
                    })+
                }
            };
        }
        // SAFETY: the caller's.
        unsafe {
            match self {
                Function::One(one) => apart!(one, One: Relu Neg Abs Sqrt Exp Sigmoid => |one| {
                    one_operand::<S>(one, operand(0), to)
                }),
                Function::Two(two) => apart!(
                    two, Two: Add Sub Mul Div Equal Greater AtLeast AtMost ReluGrad => |two| {
                        two_operands::<S>(two, [operand(0), operand(1)], to)
                    }
                ),
                Function::Where => three_operands::<S>([operand(0), operand(1), operand(2)], to),
                Function::Number(f) => number_by_number([operand(0)], to, |[x]| f(x)),
                Function::Numbers(f) => number_by_number([operand(0), operand(1)], to, |[a, b]| f(a, b)),
            }
        }
    }
}

/// -1, 0 or 1; a zero or NaN itself.
fn sign(x: f32) -> f32 {
    if x == 0.0 || x.is_nan() { x } else { x.signum() }
}

/// `base^exponent`, rounded once.
fn power(base: f32, exponent: f32) -> f32 {
    f64::from(base).powf(f64::from(exponent)) as f32
}

#[inline(always)]
unsafe fn number_by_number<const N: usize>(
    operands: [Source<'_>; N],
    to: &Grid,
    f: impl Fn([f32; N]) -> f32,
) {
    for row in to.rows.clone() {
        let (operands, y) = (operands.map(|operand| operand.row(row)), to.row(row));
        for lane in to.lanes.clone() {
            // SAFETY: the caller's.
            unsafe { *y.wrapping_add(lane) = f(operands.map(|operand| operand.number(lane))) };
        }
    }
}

#[inline(always)]
unsafe fn one_operand<S: Simd>(one: One, x: Source<'_>, to: &Grid) {
    for row in to.rows.clone() {
        let (x, y) = (x.row(row), to.row(row));
        for lane in to.lanes.clone().step_by(S::WIDTH) {
            // SAFETY: the caller's.
            unsafe {
                let (x, zero) = (x.vector::<S>(lane), S::splat(0.0));
                let value = match one {
                    // The maximum of zero and NaN is NaN, in this order.
                    One::Relu => S::max(zero, x),
                    One::Neg => S::mul(S::splat(-1.0), x),
                    One::Abs => S::max(S::mul(S::splat(-1.0), x), x),
                    One::Sqrt => S::sqrt(x),
                    One::Exp => exp::<S>(x),
                    One::Sigmoid => {
                        let one = S::splat(1.0);
                        S::div(one, S::add(one, exp::<S>(S::sub(zero, x))))
                    }
                };
                S::store(y.wrapping_add(lane), value);
            }
        }
    }
}

#[inline(always)]
unsafe fn two_operands<S: Simd>(two: Two, [a, b]: [Source<'_>; 2], to: &Grid) {
    for row in to.rows.clone() {
        let (a, b, y) = (a.row(row), b.row(row), to.row(row));
        for lane in to.lanes.clone().step_by(S::WIDTH) {
            // SAFETY: the caller's.
            unsafe {
                let (a, b) = (a.vector::<S>(lane), b.vector::<S>(lane));
                let value = match two {
                    Two::Add => S::add(a, b),
                    Two::Sub => S::sub(a, b),
                    Two::Mul => S::mul(a, b),
                    Two::Div => S::div(a, b),
                    Two::Equal => S::keep(S::equal(a, b), S::splat(1.0)),
                    Two::Greater => S::keep(S::greater(a, b), S::splat(1.0)),
                    Two::AtLeast => S::select(S::greater(b, a), b, a),
                    Two::AtMost => S::select(S::greater(a, b), b, a),
                    Two::ReluGrad => S::keep(S::greater(b, S::splat(0.0)), a),
                };
                S::store(y.wrapping_add(lane), value);
            }
        }
    }
}

#[inline(always)]
unsafe fn three_operands<S: Simd>([condition, a, b]: [Source<'_>; 3], to: &Grid) {
    for row in to.rows.clone() {
        let (condition, a, b, y) = (condition.row(row), a.row(row), b.row(row), to.row(row));
        for lane in to.lanes.clone().step_by(S::WIDTH) {
            // SAFETY: the caller's.
            unsafe {
                let no = S::equal(condition.vector::<S>(lane), S::splat(0.0));
                S::store(y.wrapping_add(lane), S::select(no, b.vector::<S>(lane), a.vector::<S>(lane)));
            }
        }
    }
}
