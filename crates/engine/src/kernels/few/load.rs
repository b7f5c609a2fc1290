//! Loading of few examples, with the preprocessing behind it.

use super::form::{self, Form, Lengths};
use crate::feed::Rows;
use crate::kernels::load::ask_for;
use crate::kernels::memory::Slot;
use crate::kernels::preprocessing::Preprocessing;
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `x[example][channel][position] = preprocessing(rows[example][channel][position])`.
struct Load {
    x: Slot,
    preprocessing: Preprocessing,
    /// The most examples.
    batch: usize,
    /// Features.
    pieces: Pieces,
}

impl Step for Load {
    fn name(&self) -> String {
        format!("load rows {}{}", self.pieces.total(), self.preprocessing.name())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::write_own(self.x, &self.pieces, 1).of_rows(self.batch)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let (range, len) = (self.pieces.range(piece), self.pieces.total());
        assert_eq!(cx.batch.feed.row_len, len, "rows have as many elements as the graph's input");
        // What the next piece reads comes while others compute with this one.
        let next = (piece + 1).min(self.pieces.count() - 1);
        ask_for(cx, range.start..self.pieces.range(next).end);
        for (example, &row) in cx.batch.rows.iter().enumerate() {
            // SAFETY: these features of `x` belong to this piece.
            let x = unsafe {
                let start = cx.memory.at(self.x).add(example * len + range.start);
                std::slice::from_raw_parts_mut(start, range.len())
            };
            let from = row as usize * len;
            let (from, to) = (from + range.start, from + range.end);
            match cx.batch.feed.rows {
                Rows::U8(values) => {
                    x.iter_mut().zip(&values[from..to]).for_each(|(x, &value)| *x = f32::from(value));
                }
                Rows::F32(values) => x.copy_from_slice(&values[from..to]),
            }
            let (preprocessing, start) = (&self.preprocessing, range.start);
            // SAFETY: the level is the processor's.
            unsafe {
                dispatch!(cx.level => preprocess::<S>(preprocessing: &Preprocessing, x: &mut [f32], start: usize));
            }
        }
    }
}

/// Preprocesses the features from `start` on.
#[inline(always)]
unsafe fn preprocess<S: Simd>(preprocessing: &Preprocessing, x: &mut [f32], start: usize) {
    // SAFETY: the caller's.
    unsafe { preprocessing.apply::<S>(x, start) };
}

/// Adds the step that loads the graph's input.
pub(super) fn lower(cx: &mut Lowering<'_>) -> bool {
    let Some(&input) = cx.graph.inputs.first() else { return false };
    let Some(lengths) = Lengths::of(cx, input) else { return false };
    let (value, preprocessing) = Preprocessing::behind(cx, input);
    let x = form::make(cx, value, Form::Rows);
    let (elements, batch) = (lengths.channels * lengths.positions, form::batch(cx));
    // A number from memory takes as long as so many operations.
    let pieces = Pieces::of(elements, elements * batch * 32);
    cx.push(Load { x, preprocessing, batch, pieces });
    true
}
