//! Where the numbers of an operand come from, with broadcasting.

use std::ops::Range;

use graph::ValueId;

use crate::kernels::memory::{Memory, Slot};
use crate::kernels::simd::Simd;
use crate::layout::Layout;
use crate::lower::Lowering;

/// An operand of a link.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    /// What the link before has computed.
    Before,
    /// A value in memory.
    Value { slot: Slot, place: Place },
}

/// Where the numbers for a row of the result are: in lanes, a feature of all examples; in maps, all channels of a position of one.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In the same row.
    Own,
    /// In the row with the given index.
    Rows(Vec<u32>),
    /// There is one number for all of them, at the given place.
    Numbers(Vec<u32>),
    /// In the only row that an example has.
    OfExample,
    /// In the only row there is.
    OneRow,
    /// There is one number for all rows.
    OneNumber,
}

impl Place {
    /// Where a value lies that is broadcast to features `dims`, in lanes; `None` where a constant would differ from example to example.
    pub(super) fn in_lanes(cx: &Lowering<'_>, value: ValueId, dims: &[usize]) -> Option<Self> {
        match cx.layout(value) {
            Layout::Lanes { features } if features == dims => Some(Place::Own),
            Layout::Lanes { features } if features.len() == dims.len() => {
                Some(Place::Rows(broadcast_index(&features, dims, None)?))
            }
            Layout::Lanes { .. } => None,
            Layout::Plain(plain) => {
                let mut shape = plain.shape.clone();
                if shape.len() > dims.len() {
                    // The axis of the batch has to be of length 1.
                    if shape.len() != dims.len() + 1 || shape.remove(0) != 1 {
                        return None;
                    }
                }
                if plain.transposed {
                    return None;
                }
                if shape.len() <= dims.len() && shape.iter().all(|&length| length == 1) {
                    return Some(Place::OneNumber);
                }
                let rows = (plain.rows > 1).then_some((plain.cols, plain.stride));
                Some(Place::Numbers(broadcast_index(&shape, dims, rows)?))
            }
        }
    }

    /// The same in maps, whose constants stay as they are.
    pub(super) fn in_maps(cx: &Lowering<'_>, value: ValueId, dims: &[usize]) -> Option<Self> {
        let is_one = |dims: &[usize]| dims.iter().all(|&length| length == 1);
        let is_channel = |own: &[usize]| own.len() == dims.len() && own[0] == dims[0] && is_one(&own[1..]);
        if let Some(own) = cx.feature_dims(value) {
            return match own == dims {
                true => Some(Place::Own),
                false => (!own.is_empty() && is_channel(&own)).then_some(Place::OfExample),
            };
        }
        let shape = cx.constant(value)?.shape();
        // The axis of the batch has to be of length 1.
        let own = if shape.len() > dims.len() { shape.strip_prefix(&[1])? } else { shape };
        match is_one(own) && own.len() <= dims.len() {
            true => Some(Place::OneNumber),
            false => (!own.is_empty() && is_channel(own)).then_some(Place::OneRow),
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

impl Operand {
    /// The memory, if it is read row by row where the result's rows are.
    pub(super) fn own(&self) -> Option<Slot> {
        match self {
            Operand::Value { slot, place: Place::Own } => Some(*slot),
            _ => None,
        }
    }

    /// The memory that is read otherwise.
    pub(super) fn other(&self) -> Option<Slot> {
        match self {
            Operand::Before | Operand::Value { place: Place::Own, .. } => None,
            Operand::Value { slot, .. } => Some(*slot),
        }
    }

    /// Its numbers in a run over some rows of `example`; `before` is what the link before has computed.
    #[inline(always)]
    pub(super) fn source<'a>(&'a self, memory: &Memory, rows: &Rows, before: &Grid) -> Source<'a> {
        let (slot, place) = match self {
            Operand::Before => {
                return Source { at: before.at.cast_const(), row: before.row, index: None, shared: false };
            }
            Operand::Value { slot, place } => (*slot, place),
        };
        let lanes = rows.lanes;
        let (example, row, index, shared) = match place {
            Place::Own => (rows.count * lanes, lanes, None, false),
            Place::Rows(index) => (0, lanes, Some(index.as_slice()), false),
            Place::Numbers(index) => (0, 1, Some(index.as_slice()), true),
            Place::OfExample => (lanes, 0, None, false),
            Place::OneRow => (0, 0, None, false),
            Place::OneNumber => (0, 0, None, true),
        };
        let at = memory.at(slot).cast_const().wrapping_add(rows.example * example);
        Source { at, row, index, shared }
    }
}

/// The rows that are computed one after the other: all features in lanes, the positions of an example in maps.
pub(super) struct Rows {
    pub(super) example: usize,
    /// Rows of an example.
    pub(super) count: usize,
    /// Numbers in a row.
    pub(super) lanes: usize,
}

/// The numbers of an operand.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    at: *const f32,
    /// Numbers from one row to the next.
    row: usize,
    /// Which row is read for which.
    index: Option<&'a [u32]>,
    /// Whether a row is one number, the same for all lanes.
    shared: bool,
}

impl Source<'_> {
    /// The numbers for a row of the result.
    #[inline(always)]
    pub(super) fn row(self, row: usize) -> Row {
        let row = self.index.map_or(row, |index| index[row] as usize);
        Row { at: self.at.wrapping_add(row * self.row), shared: self.shared }
    }
}

/// One row of a [`Source`].
#[derive(Clone, Copy)]
pub(super) struct Row {
    at: *const f32,
    shared: bool,
}

impl Row {
    /// The numbers of the lanes from `lane` on.
    ///
    /// # Safety
    ///
    /// They can be read; the caller is compiled for the instruction set.
    #[inline(always)]
    pub(super) unsafe fn vector<S: Simd>(self, lane: usize) -> S::V {
        // SAFETY: the caller's.
        unsafe { if self.shared { S::splat(*self.at) } else { S::load(self.at.wrapping_add(lane)) } }
    }

    /// The number of a lane.
    ///
    /// # Safety
    ///
    /// It can be read.
    #[inline(always)]
    pub(super) unsafe fn number(self, lane: usize) -> f32 {
        // SAFETY: the caller's.
        unsafe { *self.at.wrapping_add(if self.shared { 0 } else { lane }) }
    }
}

/// Some rows and lanes of what is computed.
pub(super) struct Grid {
    /// Where the first lane of row 0 is, or would be.
    pub(super) at: *mut f32,
    /// Numbers from one row to the next.
    pub(super) row: usize,
    pub(super) rows: Range<usize>,
    /// Whole vectors of lanes.
    pub(super) lanes: Range<usize>,
}

impl Grid {
    /// Where the first lane of a row is, or would be.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> *mut f32 {
        self.at.wrapping_add(row * self.row)
    }
}
