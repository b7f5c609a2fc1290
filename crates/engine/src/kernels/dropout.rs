//! Dropout in training. Whether an element is kept is a pure function of the node's seed, the training step, the
//! example's position in the batch and the element's place, so neither threads nor a resumed run change it.

use std::ops::Range;

use graph::{Node, NodeId, ValueId};
use tensor::Random;

use super::memory::Slot;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Operations that drawing one number costs.
const DRAW_WORK: usize = 10;

/// `mask = draw >= ratio`, `y = x / (1 - ratio)` where the mask is 1, else 0. Draw `lane * features + feature` of block
/// `step - 1` decides, so that step 1 is the operator's reference.
struct Dropout {
    x: Slot,
    y: Slot,
    mask: Slot,
    random: Random,
    ratio: f32,
    scale: f32,
    pieces: Pieces,
    lanes: usize,
}

impl Step for Dropout {
    fn name(&self) -> String {
        format!("dropout {}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.x, &self.pieces, self.lanes),
            Access::write_own(self.y, &self.pieces, self.lanes),
            Access::write_own(self.mask, &self.pieces, self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (start, len) = (range.start * self.lanes, range.len() * self.lanes);
        let draws = Draws {
            random: self.random,
            block: cx.step - 1,
            ratio: self.ratio,
            features: self.pieces.total(),
            lanes: self.lanes,
            live: cx.live(),
        };
        // SAFETY: these features of all three buffers belong to this piece; lanes are whole vectors.
        unsafe {
            let x: *const f32 = cx.memory.at(self.x).add(start);
            let y = cx.memory.at(self.y).add(start);
            let mask = cx.memory.at(self.mask).add(start);
            dispatch!(cx.level => draw::<S>(draws: Draws, range: Range<usize>, mask: *mut f32));
            let (mask, scale): (*const f32, f32) = (mask, self.scale);
            dispatch!(cx.level => scaled::<S>(x: *const f32, mask: *const f32, y: *mut f32, scale: f32, len: usize));
        }
    }
}

/// What decides which elements are kept.
#[derive(Clone, Copy)]
struct Draws {
    random: Random,
    block: u64,
    ratio: f32,
    /// Features of one example.
    features: usize,
    lanes: usize,
    live: usize,
}

/// Calls of the generator, of four words each, that are made together so that they become vector instructions.
const QUADS: usize = 32;
/// Features whose draws these calls hold, wherever they start.
const FEATURES: usize = 4 * QUADS - 3;

/// Draws the mask of the features `range`, example by example; `mask` is that of the first of them.
#[inline(always)]
unsafe fn draw<S: Simd>(draws: Draws, range: Range<usize>, mask: *mut f32) {
    for start in range.clone().step_by(FEATURES) {
        let count = FEATURES.min(range.end - start);
        // SAFETY: these features of the mask are the caller's.
        let mask = unsafe {
            let mask = mask.add((start - range.start) * draws.lanes);
            std::slice::from_raw_parts_mut(mask, count * draws.lanes)
        };
        mask.chunks_exact_mut(draws.lanes).for_each(|feature| feature[draws.live..].fill(0.0));
        for lane in 0..draws.live {
            let first = (lane * draws.features + start) as u64;
            let kept = draws.kept(first / 4);
            let kept = &kept.as_flattened()[(first % 4) as usize..][..count];
            mask[lane..].iter_mut().step_by(draws.lanes).zip(kept).for_each(|(mask, kept)| *mask = *kept);
        }
    }
}

impl Draws {
    /// The masks of the elements of [`QUADS`] calls of the generator, the first of them number `first`.
    #[inline(always)]
    fn kept(self, first: u64) -> [[f32; 4]; QUADS] {
        // As `Random::uniform` makes a number of a word.
        let kept = |word: u32| f32::from((word >> 8) as f32 / (1u32 << 24) as f32 >= self.ratio);
        let mut masks = [[0.0f32; 4]; QUADS];
        for (quad, mask) in (first..).zip(&mut masks) {
            let counter = [quad as u32, (quad >> 32) as u32, self.block as u32, (self.block >> 32) as u32];
            *mask = self.random.words(counter).map(kept);
        }
        masks
    }
}

/// `y = scale * x` where the mask is 1, else 0.
#[inline(always)]
unsafe fn scaled<S: Simd>(x: *const f32, mask: *const f32, y: *mut f32, scale: f32, len: usize) {
    for at in (0..len).step_by(S::WIDTH) {
        // SAFETY: the caller's.
        unsafe {
            let kept = S::greater(S::load(mask.add(at)), S::splat(0.0));
            S::store(y.add(at), S::keep(kept, S::mul(S::load(x.add(at)), S::splat(scale))));
        }
    }
}

/// `dx = dy / (1 - ratio)` where the mask is 1, else 0.
struct DropoutGradient {
    dy: Slot,
    mask: Slot,
    dx: Slot,
    scale: f32,
    pieces: Pieces,
    lanes: usize,
}

impl Step for DropoutGradient {
    fn name(&self) -> String {
        format!("dropout gradient {}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.dy, &self.pieces, self.lanes),
            Access::read_own(self.mask, &self.pieces, self.lanes),
            Access::write_own(self.dx, &self.pieces, self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (start, len, scale) = (range.start * self.lanes, range.len() * self.lanes, self.scale);
        // SAFETY: these features of all three buffers belong to this piece; lanes are whole vectors.
        unsafe {
            let x: *const f32 = cx.memory.at(self.dy).add(start);
            let mask: *const f32 = cx.memory.at(self.mask).add(start);
            let y = cx.memory.at(self.dx).add(start);
            dispatch!(cx.level => scaled::<S>(x: *const f32, mask: *const f32, y: *mut f32, scale: f32, len: usize));
        }
    }
}

/// The share removed: a constant, 0.5 if it is absent.
fn ratio_of(cx: &Lowering<'_>, ratio: Option<ValueId>) -> Option<f64> {
    match ratio {
        None => Some(0.5),
        Some(ratio) => Some(*cx.constant(ratio)?.to_f64().first()?),
    }
}

fn seed_of(node: &Node) -> u64 {
    match node.attribute("seed") {
        Some(graph::Attribute::Int(seed)) => seed as u64,
        other => panic!("{} attribute seed is {other:?}", node.name),
    }
}

/// Lowers `Dropout` in training.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (x, output) = (node.inputs[0].expect("required"), node.outputs[0]);
    let input = |index: usize| node.inputs.get(index).copied().flatten();
    let training = input(2).and_then(|mode| cx.constant(mode)).is_some_and(|mode| mode.to_f64() == [1.0]);
    let (Some(features), Some(ratio)) = (cx.features(x), ratio_of(cx, input(1))) else { return false };
    if !training {
        return false;
    }
    let lanes = cx.lanes;
    let pieces = cx.cut(x, features, features * lanes * DRAW_WORK);
    let mask = match node.outputs.get(1) {
        Some(&mask) => cx.slot(mask),
        None => cx.temporary(features * lanes),
    };
    cx.set_cut(output, pieces.clone());
    let (x, y) = (cx.slot(x), cx.slot(output));
    let random = Random::new(seed_of(node), "dropout");
    let scale = (1.0 / (1.0 - ratio)) as f32;
    cx.push(Dropout { x, y, mask, random, ratio: ratio as f32, scale, pieces, lanes });
    true
}

/// Lowers `DropoutGrad(dy, mask, ratio)`.
pub(crate) fn lower_gradient(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let [dy, mask] = [0, 1].map(|index| node.inputs[index].expect("required"));
    let (Some(features), Some(ratio)) = (cx.features(dy), ratio_of(cx, node.inputs[2])) else { return false };
    if !cx.is_lanes(mask) {
        return false;
    }
    let lanes = cx.lanes;
    let pieces = cx.cut(dy, features, features * lanes * 6);
    cx.set_cut(node.outputs[0], pieces.clone());
    let [dy, mask, dx] = [dy, mask, node.outputs[0]].map(|value| cx.slot(value));
    let scale = (1.0 / (1.0 - ratio)) as f32;
    cx.push(DropoutGradient { dy, mask, dx, scale, pieces, lanes });
    true
}
