//! Softmax and log-softmax over the features of each example.

use graph::{Attribute, NodeId};

use super::exponential::exp;
use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, PIECE_LANES, Pieces, Step};

struct Normalization {
    logarithm: bool,
    x: Slot,
    y: Slot,
    /// In blocks of [`PIECE_LANES`] lanes.
    pieces: Pieces,
    classes: usize,
    lanes: usize,
}

impl Step for Normalization {
    fn name(&self) -> String {
        format!("{}softmax {}", if self.logarithm { "log " } else { "" }, self.classes)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.x), Access::write(self.y)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let blocks = self.pieces.range(piece);
        let scores = Scores { x: cx.memory.at(self.x), classes: self.classes, lanes: self.lanes };
        let y = cx.memory.at(self.y);
        for lane in (blocks.start * PIECE_LANES..blocks.end * PIECE_LANES).step_by(PIECE_LANES) {
            // SAFETY: these lanes of `y` belong to this piece; nobody writes `x` meanwhile.
            unsafe {
                match self.logarithm {
                    true => dispatch!(cx.level => log_softmax::<S>(scores: Scores, y: *mut f32, lane: usize)),
                    false => dispatch!(cx.level => softmax::<S>(scores: Scores, y: *mut f32, lane: usize)),
                }
            }
        }
    }
}

/// `x[class][lane]`.
#[derive(Clone, Copy)]
pub(super) struct Scores {
    pub(super) x: *const f32,
    pub(super) classes: usize,
    pub(super) lanes: usize,
}

impl Scores {
    /// The scores of a class in the vector that starts at `lane`.
    #[inline(always)]
    unsafe fn at<S: Simd>(self, class: usize, lane: usize) -> S::V {
        // SAFETY: the caller's.
        unsafe { S::load(self.x.add(class * self.lanes + lane)) }
    }

    /// The greatest score of each example.
    #[inline(always)]
    unsafe fn greatest<S: Simd>(self, lane: usize) -> S::V {
        // SAFETY: the caller's.
        unsafe {
            let mut greatest = S::splat(f32::NEG_INFINITY);
            for class in 0..self.classes {
                greatest = S::max(self.at::<S>(class, lane), greatest);
            }
            greatest
        }
    }

    /// The greatest score of each example and `sum exp(x - greatest)`.
    ///
    /// # Safety
    ///
    /// The lanes of a vector from `lane` on exist, and nobody writes them meanwhile.
    #[inline(always)]
    pub(super) unsafe fn sum<S: Simd>(self, lane: usize) -> [S::V; 2] {
        // SAFETY: the caller's.
        unsafe {
            let greatest = self.greatest::<S>(lane);
            let mut sum = S::splat(0.0);
            for class in 0..self.classes {
                sum = S::add(sum, exp::<S>(S::sub(self.at::<S>(class, lane), greatest)));
            }
            [greatest, sum]
        }
    }
}

/// `y = softmax(x)` over the classes of [`PIECE_LANES`] lanes.
///
/// # Safety
///
/// The lanes from `lane` on exist; nobody writes those of `x` or touches those of `y` meanwhile.
#[inline(always)]
pub(super) unsafe fn softmax<S: Simd>(scores: Scores, y: *mut f32, lane: usize) {
    for lane in (lane..lane + PIECE_LANES).step_by(S::WIDTH) {
        // SAFETY: the caller's.
        unsafe {
            let (greatest, mut sum) = (scores.greatest::<S>(lane), S::splat(0.0));
            for class in 0..scores.classes {
                let value = exp::<S>(S::sub(scores.at::<S>(class, lane), greatest));
                S::store(y.add(class * scores.lanes + lane), value);
                sum = S::add(sum, value);
            }
            for class in 0..scores.classes {
                let y = y.add(class * scores.lanes + lane);
                S::store(y, S::div(S::load(y), sum));
            }
        }
    }
}

/// `y = x - max x - ln sum exp(x - max x)` over the classes of [`PIECE_LANES`] lanes.
#[inline(always)]
unsafe fn log_softmax<S: Simd>(scores: Scores, y: *mut f32, lane: usize) {
    for lane in (lane..lane + PIECE_LANES).step_by(S::WIDTH) {
        // SAFETY: the caller's.
        unsafe {
            let [greatest, sum] = scores.sum::<S>(lane);
            let mut logarithms = [0.0f32; 16]; // the widest vectors hold 16
            S::store(logarithms.as_mut_ptr(), sum);
            logarithms[..S::WIDTH].iter_mut().for_each(|sum| *sum = sum.ln());
            let logarithm = S::load(logarithms.as_ptr());
            for class in 0..scores.classes {
                let value = S::sub(S::sub(scores.at::<S>(class, lane), greatest), logarithm);
                S::store(y.add(class * scores.lanes + lane), value);
            }
        }
    }
}

/// Lowers a softmax over the only feature axis.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    normalize(cx, id, false)
}

/// Lowers a log-softmax over the only feature axis.
pub(crate) fn lower_log(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    normalize(cx, id, true)
}

fn normalize(cx: &mut Lowering<'_>, id: NodeId, logarithm: bool) -> bool {
    let (node, _) = cx.node(id);
    let (x, y) = (node.inputs[0].expect("required"), node.outputs[0]);
    let Some(&[classes]) = cx.feature_dims(x).as_deref() else { return false };
    if !matches!(node.attribute("axis"), Some(Attribute::Int(1 | -1))) {
        return false;
    }
    let lanes = cx.lanes;
    let (x, y) = (cx.slot(x), cx.slot(y));
    let pieces = Pieces::of(lanes / PIECE_LANES, classes * lanes * 30);
    cx.push(Normalization { logarithm, x, y, pieces, classes, lanes });
    true
}
