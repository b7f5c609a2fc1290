//! Sums whose terms are cut into pieces: the partial sums of each piece, and the step in which they meet.

use graph::ValueId;

use super::form::{self, Form, Lengths};
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Room for the partial sums of maps: `[piece][example][position][channel]`, the channels padded to whole vectors.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    slot: Slot,
    count: usize,
    /// Elements of one part.
    len: usize,
}

impl Parts {
    /// `count` parts of what `value` is the sum of.
    pub(super) fn new(cx: &mut Lowering<'_>, count: usize, value: ValueId) -> Self {
        let lengths = Lengths::of(cx, value).expect("a value per example");
        let len = form::batch(cx) * lengths.positions * lengths.padded();
        Parts { slot: cx.temporary(count * len), count, len }
    }

    /// The access of a step of as many pieces as there are parts, each of which writes one.
    pub(super) fn written(self) -> Access {
        Access::write_own(self.slot, &Pieces::each(self.count), self.len)
    }

    /// Where the part of a piece is.
    ///
    /// # Safety
    ///
    /// No other piece has this part.
    pub(super) unsafe fn at(self, piece: usize, cx: &Context<'_>) -> *mut f32 {
        // SAFETY: there are as many parts as pieces.
        unsafe { cx.memory.at(self.slot).add(piece * self.len) }
    }

    /// Adds the step that sums the parts of `value`, with a bias and a ReLU if there are.
    pub(super) fn gather(self, cx: &mut Lowering<'_>, value: ValueId, bias: Option<Slot>, relu: bool) {
        let lengths = Lengths::of(cx, value).expect("a value per example");
        let y = form::make(cx, value, Form::Maps);
        // Half of the parts lie in another core's cache: each number takes as long as a dozen operations.
        let pieces = Pieces::of(lengths.vectors(), self.len * (self.count + 2) * 16);
        cx.set_cut_at(y, pieces.clone());
        cx.push(Gather { parts: self, bias, relu, y, lengths, pieces });
    }
}

/// `y[position][channel] = activation(b[channel] + sum over the parts of parts[part][position][channel])` for each example.
struct Gather {
    parts: Parts,
    bias: Option<Slot>,
    relu: bool,
    y: Slot,
    lengths: Lengths,
    /// Vectors of channels.
    pieces: Pieces,
}

impl Step for Gather {
    fn name(&self) -> String {
        let bias = if self.bias.is_some() { " + bias" } else { "" };
        let relu = if self.relu { " + relu" } else { "" };
        format!("sum of {} parts{bias}{relu}", self.parts.count)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let mut access = vec![
            Access::read(self.parts.slot),
            Access::write_own(self.y, &self.pieces, ALIGNMENT)
                .of_rows(self.parts.len / self.lengths.padded()),
        ];
        access.extend(self.bias.map(Access::read));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let channels = (range.start * ALIGNMENT, range.end * ALIGNMENT);
        let bias: *const f32 = self.bias.map_or(std::ptr::null(), |bias| cx.memory.at(bias));
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        let (row, parts) = (self.lengths.padded(), (self.parts.count, self.parts.len));
        for position in 0..cx.live() * self.lengths.positions {
            // SAFETY: these channels of every position belong to this piece; all parts are complete, and a bias is padded to
            // whole vectors.
            unsafe {
                let from = cx.memory.at(self.parts.slot).add(position * row).cast_const();
                let y = cx.memory.at(self.y).add(position * row);
                dispatch!(cx.level => sum::<S>(from: *const f32, parts: (usize, usize), bias: *const f32, floor: f32,
                    y: *mut f32, channels: (usize, usize)));
            }
        }
    }
}

/// The channels `first..last` of one position, with the number of parts and their distance.
#[inline(always)]
unsafe fn sum<S: Simd>(
    from: *const f32,
    (parts, distance): (usize, usize),
    bias: *const f32,
    floor: f32,
    y: *mut f32,
    (first, last): (usize, usize),
) {
    for channel in (first..last).step_by(S::WIDTH) {
        // SAFETY: the caller's.
        unsafe {
            let mut sum = S::load(from.add(channel));
            for part in 1..parts {
                sum = S::add(sum, S::load(from.add(part * distance + channel)));
            }
            if !bias.is_null() {
                sum = S::add(sum, S::load(bias.add(channel)));
            }
            // The maximum of a number and NaN is NaN, in this order.
            S::store(y.add(channel), S::max(S::splat(floor), sum));
        }
    }
}
