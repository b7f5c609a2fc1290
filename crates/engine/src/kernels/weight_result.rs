//! What becomes of the gradient of a weight: it is kept in memory, or, where nobody else reads it, the optimiser's update is applied
//! while it is in registers.

use std::marker::PhantomData;

use graph::ValueId;

use super::memory::Slot;
use super::simd::Simd;
use super::update::{Coefficients, Pointers, Rule, Target};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces};
use crate::survey::is_update;

/// What becomes of a weight's gradient.
pub(super) enum WeightResult {
    Kept(Slot),
    Applied(Target),
}

impl WeightResult {
    /// That of the gradient `dw`: the update that is all that reads it is applied, if nobody will read the weight as it is
    /// before.
    pub(super) fn of(cx: &mut Lowering<'_>, dw: ValueId) -> Self {
        let user = cx.only_user(dw).filter(|&user| {
            let node = cx.graph.node(user);
            let applies = is_update(node) && node.inputs[1] == Some(dw);
            let weight = node.inputs[0].filter(|_| applies);
            weight.is_some_and(|w| cx.layout(w) == cx.layout(dw) && !cx.is_kept(w) && cx.is_read_out(w, user))
        });
        match user {
            Some(update) => {
                cx.done(update);
                WeightResult::Applied(Target::of(cx, update))
            }
            None => WeightResult::Kept(cx.slot(dw)),
        }
    }

    /// The end of a step's name.
    pub(super) fn suffix(&self) -> String {
        match self {
            WeightResult::Kept(_) => String::new(),
            WeightResult::Applied(target) => format!(" + {:?} update", target.optimizer.compiled()),
        }
    }

    /// Accesses of a step whose pieces own the weight in shares of `elements` per item.
    pub(super) fn access(&self, pieces: &Pieces, elements: usize) -> Vec<Access> {
        match self {
            WeightResult::Kept(dw) => vec![Access::write_own(*dw, pieces, elements)],
            WeightResult::Applied(target) => target.access(pieces, elements),
        }
    }

    /// Where sums of a part of the products are put aside until the gradient is whole: `len` numbers that are laid out as it is.
    pub(super) fn room(&self, cx: &mut Lowering<'_>, len: usize) -> Slot {
        match self {
            WeightResult::Kept(dw) => *dw,
            WeightResult::Applied(_) => cx.temporary(len),
        }
    }
}

/// Takes vectors of the gradient.
pub(super) trait Sink: Copy {
    /// Takes those of the weights from `offset` on.
    ///
    /// # Safety
    ///
    /// The offset is that of a vector of the weight that the sink was made for.
    unsafe fn take<S: Simd>(self, offset: usize, gradient: S::V);

    /// Asks for the memory that [`Self::take`] will read; a hint, any offset may be given.
    #[inline(always)]
    unsafe fn ask<S: Simd>(self, _offset: usize) {}
}

/// Keeps the gradient in memory.
#[derive(Clone, Copy)]
pub(super) struct Kept(pub(super) *mut f32);

impl Sink for Kept {
    #[inline(always)]
    unsafe fn take<S: Simd>(self, offset: usize, gradient: S::V) {
        // SAFETY: the caller's.
        unsafe { S::store(self.0.add(offset), gradient) };
    }
}

/// Updates the weight by an optimiser's rule.
pub(super) struct Applied<U> {
    coefficients: Coefficients,
    at: Pointers,
    rule: PhantomData<U>,
}

impl<U> Applied<U> {
    /// The update of `target` in the step of the context.
    pub(super) fn new(target: &Target, cx: &Context<'_>) -> Self {
        let coefficients = target.optimizer.coefficients(cx.step, cx.learning_rate);
        Applied { coefficients, at: target.pointers(cx), rule: PhantomData }
    }
}

impl<U> Clone for Applied<U> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<U> Copy for Applied<U> {}

impl<U: Rule> Sink for Applied<U> {
    #[inline(always)]
    unsafe fn take<S: Simd>(self, offset: usize, gradient: S::V) {
        // SAFETY: the caller's.
        unsafe { U::apply::<S>(&self.coefficients, self.at, offset, gradient) };
    }

    #[inline(always)]
    unsafe fn ask<S: Simd>(self, offset: usize) {
        // SAFETY: what is asked for is not read.
        unsafe {
            S::prefetch(self.at.weight.wrapping_add(offset));
            for moment in self.at.moments.iter().take(U::MOMENTS) {
                S::prefetch(moment.wrapping_add(offset));
            }
        }
    }
}

/// Calls `$kernel::<S, K>(sink, $args)` at the level of the context `$cx`, with the sink that a [`WeightResult`] stands for.
macro_rules! dispatch_sink {
    ($result:expr, $cx:expr => $kernel:ident ($($arg:ident : $ty:ty),* $(,)?)) => {{
        use $crate::kernels::update::{Adam, Compiled, GradientDescent, Momentum};
        use $crate::kernels::weight_result::{Applied, Kept};
        macro_rules! with {
            ($sink:expr, $of:ty) => {{
                let sink = $sink;
                dispatch!($cx.level => $kernel::<S, $of>(sink: $of, $($arg: $ty),*))
            }};
        }
        match $result {
            WeightResult::Kept(dw) => with!(Kept($cx.memory.at(*dw)), Kept),
            WeightResult::Applied(target) => match target.optimizer.compiled() {
                Compiled::GradientDescent => with!(Applied::new(target, $cx), Applied<GradientDescent>),
                Compiled::Momentum => with!(Applied::new(target, $cx), Applied<Momentum>),
                Compiled::Adam => with!(Applied::new(target, $cx), Applied<Adam<false>>),
                Compiled::AdamPenalised => with!(Applied::new(target, $cx), Applied<Adam<true>>),
            },
        }
    }};
}
pub(super) use dispatch_sink;
