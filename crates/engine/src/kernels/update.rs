//! Optimiser steps, as a pass of their own or on the accumulators of a weight gradient.
//!
//! The formulas are those of the operators `GradientDescentUpdate`, `MomentumUpdate` and `AdamUpdate`.

use graph::{Attribute, Node, NodeId, ValueId};

use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::{Layout, Lowering};
use crate::step::{Access, Context, Pieces, Step};
use crate::training_graph::state_pairs;

/// Which rule turns a gradient into a new weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    GradientDescent,
    Momentum { momentum: f32, nesterov: bool },
    Adam { beta1: f32, beta2: f32, epsilon: f32, weight_decay: f32 },
}

/// An optimiser with its settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Optimizer {
    kind: Kind,
    l1: f32,
    l2: f32,
    /// Times the learning rate.
    rate_factor: f32,
    /// Steps before the weight's first.
    steps_before: u64,
    /// Whether the weight is drawn to an anchor.
    anchored: bool,
}

/// One weight tensor with its moments: what an update works on.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) weight: Slot,
    /// Velocity, or first and second moment.
    pub(crate) moments: Vec<Slot>,
    /// What the weight is drawn to, and how strongly.
    anchor: Option<[Slot; 2]>,
    pub(crate) optimizer: Optimizer,
}

impl Target {
    /// Reads an update node. Its outputs live where its inputs do.
    pub(crate) fn of(cx: &mut Lowering<'_>, node: NodeId) -> Self {
        let node = cx.graph.node(node).clone();
        let optimizer = Optimizer::of(&node);
        let states = if matches!(optimizer.kind, Kind::GradientDescent) { 0 } else { node.outputs.len() - 1 };
        let weight = cx.slot(node.inputs[0].expect("required"));
        let moments: Vec<Slot> =
            (0..states).map(|index| cx.slot(node.inputs[2 + index].expect("required"))).collect();
        for (before, after) in state_pairs(&node) {
            cx.alias(after, before);
        }
        let anchor = anchor_of(&node).map(|pair| pair.map(|value| cx.slot(value)));
        Target { weight, moments, anchor, optimizer }
    }

    /// Accesses of a step whose pieces own the weight in shares of `elements` per item.
    pub(crate) fn access(&self, pieces: &Pieces, elements: usize) -> Vec<Access> {
        let own = |&slot: &Slot| Access::write_own(slot, pieces, elements);
        let read = |slot: Slot| Access::read_own(slot, pieces, elements);
        let changed = std::iter::once(&self.weight).chain(&self.moments).map(own);
        changed.chain(self.anchor.into_iter().flatten().map(read)).collect()
    }

    /// Where the weight and its moments are.
    pub(crate) fn pointers(&self, cx: &Context<'_>) -> Pointers {
        let moment =
            |index: usize| self.moments.get(index).map_or(std::ptr::null_mut(), |&slot| cx.memory.at(slot));
        let [anchor, strength] = self
            .anchor
            .map_or([std::ptr::null(); 2], |pair| pair.map(|slot| cx.memory.at(slot).cast_const()));
        Pointers { weight: cx.memory.at(self.weight), moments: [moment(0), moment(1)], anchor, strength }
    }
}

/// First elements of a weight and its moments, of its anchor and the strength of that; null where it has none.
#[derive(Clone, Copy)]
pub(crate) struct Pointers {
    pub(crate) weight: *mut f32,
    pub(crate) moments: [*mut f32; 2],
    anchor: *const f32,
    strength: *const f32,
}

/// The anchor of an update node and its strength, its last inputs.
fn anchor_of(node: &Node) -> Option<[ValueId; 2]> {
    let first = match node.op_name() {
        "GradientDescentUpdate" => 3,
        "MomentumUpdate" => 4,
        _ => 6,
    };
    let input = |index: usize| node.inputs.get(index).copied().flatten();
    Some([input(first)?, input(first + 1)?])
}

/// The numbers a rule needs in one training step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coefficients {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    /// The learning rate; for Adam, divided by `1 - beta1^t`.
    rate: f32,
    /// `1 / sqrt(1 - beta2^t)`.
    spread: f32,
    /// Learning rate times decoupled weight decay.
    decay: f32,
    l1: f32,
    l2: f32,
    nesterov: bool,
}

impl Optimizer {
    fn of(node: &Node) -> Self {
        let float = |name: &str| match node.attribute(name) {
            Some(Attribute::Float(value)) => value,
            other => panic!("{} attribute {name} is {other:?}", node.name),
        };
        let kind = match node.op_name() {
            "GradientDescentUpdate" => Kind::GradientDescent,
            "MomentumUpdate" => Kind::Momentum {
                momentum: float("momentum"),
                nesterov: node.attribute("nesterov") == Some(Attribute::Int(1)),
            },
            "AdamUpdate" => Kind::Adam {
                beta1: float("beta1"),
                beta2: float("beta2"),
                epsilon: float("epsilon"),
                weight_decay: float("weight_decay"),
            },
            other => panic!("{other} is no optimiser step"),
        };
        let steps_before = match (kind, node.attributes.get("steps_before")) {
            (Kind::Adam { .. }, Some(Attribute::Int(steps))) => u64::try_from(*steps).unwrap_or(0),
            _ => 0,
        };
        Optimizer {
            kind,
            l1: float("l1"),
            l2: float("l2"),
            rate_factor: float("rate_factor"),
            steps_before,
            anchored: anchor_of(node).is_some(),
        }
    }

    /// The coefficients of step `step`, counted from 1.
    pub(crate) fn coefficients(&self, step: u64, learning_rate: f32) -> Coefficients {
        let learning_rate = learning_rate * self.rate_factor;
        let rate = learning_rate as f64;
        let step = step.saturating_sub(self.steps_before).max(1);
        let plain = Coefficients {
            beta1: 0.0,
            beta2: 0.0,
            epsilon: 0.0,
            rate: learning_rate,
            spread: 1.0,
            decay: 0.0,
            l1: self.l1,
            l2: self.l2,
            nesterov: false,
        };
        match self.kind {
            Kind::GradientDescent => plain,
            Kind::Momentum { momentum, nesterov } => Coefficients { beta1: momentum, nesterov, ..plain },
            Kind::Adam { beta1, beta2, epsilon, weight_decay } => Coefficients {
                beta1,
                beta2,
                epsilon,
                rate: (rate / (1.0 - (beta1 as f64).powf(step as f64))) as f32,
                spread: (1.0 / (1.0 - (beta2 as f64).powf(step as f64)).sqrt()) as f32,
                decay: (rate * weight_decay as f64) as f32,
                ..plain
            },
        }
    }

    /// Whether the gradient or the weight is changed by a penalty.
    fn penalised(&self) -> bool {
        let decay = matches!(self.kind, Kind::Adam { weight_decay, .. } if weight_decay != 0.0);
        self.l1 != 0.0 || self.l2 != 0.0 || decay || self.anchored
    }

    /// The rule compiled for this optimiser.
    pub(crate) fn compiled(&self) -> Compiled {
        match (self.kind, self.penalised()) {
            (Kind::GradientDescent, _) => Compiled::GradientDescent,
            (Kind::Momentum { .. }, _) => Compiled::Momentum,
            (Kind::Adam { .. }, false) => Compiled::Adam,
            (Kind::Adam { .. }, true) => Compiled::AdamPenalised,
        }
    }
}

/// The rules there is a compiled kernel for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compiled {
    GradientDescent,
    Momentum,
    Adam,
    AdamPenalised,
}

/// A rule as code: applied to one vector of weights at a time.
pub(crate) trait Rule {
    /// Updates the weights at `at.weight + offset` and their moments from the gradient `g`.
    ///
    /// # Safety
    ///
    /// `WIDTH` elements from `offset` can be read and written in the weight and in each moment the rule has, and read in
    /// its anchor and strength if it has them.
    unsafe fn apply<S: Simd>(c: &Coefficients, at: Pointers, offset: usize, g: S::V);

    /// Moments that the rule has.
    const MOMENTS: usize = 0;
    /// Whether the rule takes a square root between its moments and the weight.
    const ROOTS: bool = false;

    /// The first half of [`Self::apply`] where the rule has [`Self::ROOTS`]: the new moments, of which the second is to be
    /// rooted.
    ///
    /// # Safety
    ///
    /// As [`Self::apply`].
    #[inline(always)]
    unsafe fn moments<S: Simd>(_: &Coefficients, _: Pointers, _: usize, g: S::V) -> [S::V; 2] {
        [g, g]
    }

    /// The second half: the new weight from the first moment and the root of the second.
    ///
    /// # Safety
    ///
    /// As [`Self::apply`].
    #[inline(always)]
    unsafe fn weight<S: Simd>(_: &Coefficients, _: Pointers, _: usize, _m: S::V, _root: S::V) {}
}

/// `g + l1 sign(w) + l2 w`, and `+ strength (w - anchor)` where there is an anchor.
///
/// # Safety
///
/// As [`Rule::apply`].
#[inline(always)]
unsafe fn penalise<S: Simd>(c: &Coefficients, at: Pointers, offset: usize, w: S::V, g: S::V) -> S::V {
    // SAFETY: the caller is compiled for the instruction set; anchor and strength lie as the weight does.
    unsafe {
        let zero = S::splat(0.0);
        let positive = S::keep(S::greater(w, zero), S::splat(c.l1));
        let negative = S::keep(S::greater(zero, w), S::splat(c.l1));
        let g = S::add(g, S::sub(positive, negative));
        let g = S::mul_add(S::splat(c.l2), w, g);
        if at.anchor.is_null() {
            return g;
        }
        S::mul_add(S::load(at.strength.add(offset)), S::sub(w, S::load(at.anchor.add(offset))), g)
    }
}

/// Gradient descent.
pub(crate) struct GradientDescent;
/// Momentum, plain or Nesterov.
pub(crate) struct Momentum;
/// Adam and, with `PENALTY`, AdamW and Adam with L1 or L2.
pub(crate) struct Adam<const PENALTY: bool>;

impl Rule for GradientDescent {
    #[inline(always)]
    unsafe fn apply<S: Simd>(c: &Coefficients, at: Pointers, offset: usize, g: S::V) {
        // SAFETY: the caller's.
        unsafe {
            let w = S::load(at.weight.add(offset));
            let g = penalise::<S>(c, at, offset, w, g);
            S::store(at.weight.add(offset), S::mul_sub_from(S::splat(c.rate), g, w));
        }
    }
}

impl Rule for Momentum {
    const MOMENTS: usize = 1;

    #[inline(always)]
    unsafe fn apply<S: Simd>(c: &Coefficients, at: Pointers, offset: usize, g: S::V) {
        // SAFETY: the caller's.
        unsafe {
            let w = S::load(at.weight.add(offset));
            let g = penalise::<S>(c, at, offset, w, g);
            let velocity = S::mul_add(S::splat(c.beta1), S::load(at.moments[0].add(offset)), g);
            S::store(at.moments[0].add(offset), velocity);
            let ahead = if c.nesterov { S::mul_add(S::splat(c.beta1), velocity, g) } else { velocity };
            S::store(at.weight.add(offset), S::mul_sub_from(S::splat(c.rate), ahead, w));
        }
    }
}

impl<const PENALTY: bool> Rule for Adam<PENALTY> {
    const MOMENTS: usize = 2;
    const ROOTS: bool = true;

    #[inline(always)]
    unsafe fn apply<S: Simd>(c: &Coefficients, at: Pointers, offset: usize, g: S::V) {
        // SAFETY: the caller's.
        unsafe {
            let [m, v] = Self::moments::<S>(c, at, offset, g);
            Self::weight::<S>(c, at, offset, m, S::sqrt(v));
        }
    }

    #[inline(always)]
    unsafe fn moments<S: Simd>(c: &Coefficients, at: Pointers, offset: usize, g: S::V) -> [S::V; 2] {
        // SAFETY: the caller's.
        unsafe {
            let g = if PENALTY { penalise::<S>(c, at, offset, S::load(at.weight.add(offset)), g) } else { g };
            let m = S::mul(S::splat(1.0 - c.beta1), g);
            let m = S::mul_add(S::splat(c.beta1), S::load(at.moments[0].add(offset)), m);
            // `v + (1 - beta2) (g^2 - v)`; never below zero, as `g^2 - v` is at least `-v`.
            let v = S::load(at.moments[1].add(offset));
            let v = S::mul_add(S::splat(1.0 - c.beta2), S::mul_less(g, g, v), v);
            S::store(at.moments[0].add(offset), m);
            S::store(at.moments[1].add(offset), v);
            [m, v]
        }
    }

    #[inline(always)]
    unsafe fn weight<S: Simd>(c: &Coefficients, at: Pointers, offset: usize, m: S::V, root: S::V) {
        // SAFETY: the caller's.
        unsafe {
            let w = S::load(at.weight.add(offset));
            let scale = S::mul_add(root, S::splat(c.spread), S::splat(c.epsilon));
            let w = if PENALTY { S::mul_sub_from(S::splat(c.decay), w, w) } else { w };
            S::store(at.weight.add(offset), S::mul_sub_from(S::splat(c.rate), quotient::<S>(m, scale), w));
        }
    }
}

/// `a / b` for `b` from `2^-126` to `2^126`, within one unit of the last place where the processor rounds products and sums once:
/// with `e = 1 - b r` the third-order step `r <- r + r (e + e^2)` from a guess, then a step of Newton's iteration on the quotient
/// itself. The divider is busy with square roots meanwhile.
#[inline(always)]
unsafe fn quotient<S: Simd>(a: S::V, b: S::V) -> S::V {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe {
        let r = S::reciprocal_guess(b);
        let e = S::mul_sub_from(b, r, S::splat(1.0));
        let r = S::mul_add(r, S::mul_add(e, e, e), r);
        let q = S::mul(a, r);
        S::mul_add(S::mul_sub_from(b, q, a), r, q)
    }
}

/// Calls a kernel generic over [`Rule`] with the rule that `$compiled` names, at the level `$level`.
macro_rules! dispatch_rule {
    ($compiled:expr, $level:expr => $kernel:ident ($($arg:ident : $ty:ty),* $(,)?)) => {{
        use $crate::kernels::update::{Adam, Compiled, GradientDescent, Momentum};
        match $compiled {
            Compiled::GradientDescent => dispatch!($level => $kernel::<S, GradientDescent>($($arg: $ty),*)),
            Compiled::Momentum => dispatch!($level => $kernel::<S, Momentum>($($arg: $ty),*)),
            Compiled::Adam => dispatch!($level => $kernel::<S, Adam<false>>($($arg: $ty),*)),
            Compiled::AdamPenalised => dispatch!($level => $kernel::<S, Adam<true>>($($arg: $ty),*)),
        }
    }};
}
pub(crate) use dispatch_rule;

/// Optimiser steps as a pass of their own, for gradients that are in memory: one tensor cut by its rows, or several small
/// ones.
struct Update {
    parts: Vec<Part>,
    pieces: Pieces,
}

/// One tensor of an update.
struct Part {
    target: Target,
    gradient: Slot,
    /// Elements from one row to the next.
    stride: usize,
    /// Rows for each piece.
    rows: Pieces,
}

impl Step for Update {
    fn name(&self) -> String {
        let rule = self.parts[0].target.optimizer.compiled();
        match self.parts.len() {
            1 => format!("update {rule:?}"),
            count => format!("update {rule:?}, {count} tensors"),
        }
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let access = |part: &Part| {
            let mut access = part.target.access(&part.rows, part.stride);
            access.push(Access::read_own(part.gradient, &part.rows, part.stride));
            access
        };
        self.parts.iter().flat_map(access).collect()
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        for part in &self.parts {
            let rows = part.rows.range(piece);
            let (from, to) = (rows.start * part.stride, rows.end * part.stride);
            let at = part.target.pointers(cx);
            let gradient: *const f32 = cx.memory.at(part.gradient);
            let coefficients = part.target.optimizer.coefficients(cx.step, cx.learning_rate);
            let coefficients = &coefficients;
            // SAFETY: the piece owns rows `from..to` of weight, moments and gradient, which have one layout;
            // the stride is a multiple of the widest vector.
            unsafe {
                dispatch_rule!(part.target.optimizer.compiled(), cx.level => pass(
                    coefficients: &Coefficients, at: Pointers, gradient: *const f32, from: usize, to: usize));
            }
        }
    }
}

#[inline(always)]
unsafe fn pass<S: Simd, R: Rule>(
    c: &Coefficients,
    at: Pointers,
    gradient: *const f32,
    from: usize,
    to: usize,
) {
    for offset in (from..to).step_by(S::WIDTH) {
        // SAFETY: the caller's.
        unsafe { R::apply::<S>(c, at, offset, S::load(gradient.add(offset))) };
    }
}

/// Lowers an update node whose gradient is in memory, and with a small one all other small ones that can be.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let mut nodes = vec![id];
    if pieces_of(cx, id).is_serial() {
        let ready = cx.updates().into_iter().filter(|&other| other != id && cx.is_ready(other));
        nodes.extend(ready.filter(|&other| pieces_of(cx, other).is_serial()));
    }
    push(cx, nodes);
    true
}

/// A large update whose gradient has been made and whose weight nobody else will read, if there is one: it is cheaper
/// while the gradient is in the cache, and the gradient's memory is free for others sooner.
pub(crate) fn ready(cx: &Lowering<'_>) -> Option<NodeId> {
    cx.updates().into_iter().find(|&id| !pieces_of(cx, id).is_serial() && cx.is_ready(id))
}

fn push(cx: &mut Lowering<'_>, nodes: Vec<NodeId>) {
    let parts: Vec<Part> = nodes.iter().map(|&id| part_of(cx, id)).collect();
    let pieces = if let [part] = parts.as_slice() { part.rows.clone() } else { Pieces::serial(parts.len()) };
    cx.push(Update { parts, pieces });
    nodes.into_iter().for_each(|id| cx.done(id));
}

/// How the rows of an update's weight are cut: as its gradient was.
fn pieces_of(cx: &Lowering<'_>, id: NodeId) -> Pieces {
    let (node, _) = cx.node(id);
    let Layout::Plain(plain) = cx.layout(node.inputs[0].expect("required")) else {
        panic!("{}: a weight per example", node.name)
    };
    cx.cut_of(node.inputs[1].expect("required"), plain.rows, plain.rows * plain.stride * 10)
}

fn part_of(cx: &mut Lowering<'_>, id: NodeId) -> Part {
    let node = cx.graph.node(id).clone();
    let (weight, gradient) = (node.inputs[0].expect("required"), node.inputs[1].expect("required"));
    assert_eq!(cx.layout(weight), cx.layout(gradient), "{}: gradient laid out unlike its weight", node.name);
    let Layout::Plain(plain) = cx.layout(weight) else { panic!("{}: a weight per example", node.name) };
    let rows = pieces_of(cx, id);
    Part { target: Target::of(cx, id), gradient: cx.slot(gradient), stride: plain.stride, rows }
}
