//! The step that turns a value of one form into another.

use graph::ValueId;

use super::form::{self, Form, Lengths};
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::layout::repeat_first;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Adds the step that makes one form of `value` of another.
pub(super) fn push(cx: &mut Lowering<'_>, value: ValueId, from: (Form, Slot), to: (Form, Slot)) {
    let lengths = Lengths::of(cx, value).expect("only values with a row per example have forms");
    let (lanes, gradient) = (cx.lanes, cx.is_gradient(value));
    let elements = lengths.channels * lengths.positions * form::batch(cx);
    let lies_in_lanes = [from.0, to.0].contains(&Form::Lanes);
    let cut = match lies_in_lanes || lengths.positions < ALIGNMENT {
        true => Cut::Channels(Pieces::of(lengths.channels, elements * 64)),
        false => {
            let blocks = form::batch(cx) * lengths.positions.div_ceil(ALIGNMENT);
            Cut::Blocks(Pieces::of(blocks, elements * 16))
        }
    };
    cx.push(Convert { from, to, lengths, lanes, gradient, cut });
}

/// What the pieces are.
enum Cut {
    Channels(Pieces),
    /// Positions of each example, as many as a vector has numbers: with fewer, or with channels, threads would write the same lines
    /// of memory.
    Blocks(Pieces),
}

/// Copies a value from one form to another; lanes without an example repeat the first one, or are zero in a gradient.
struct Convert {
    from: (Form, Slot),
    to: (Form, Slot),
    lengths: Lengths,
    lanes: usize,
    gradient: bool,
    cut: Cut,
}

impl Step for Convert {
    fn name(&self) -> String {
        let Lengths { channels, positions } = self.lengths;
        format!("{:?} to {:?} {channels}x{positions}", self.from.0, self.to.0)
    }

    fn pieces(&self) -> &Pieces {
        match &self.cut {
            Cut::Channels(pieces) | Cut::Blocks(pieces) => pieces,
        }
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.from.1), Access::write(self.to.1)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces().range(piece);
        match &self.cut {
            Cut::Channels(_) => range.for_each(|channel| self.copy_channel(channel, cx)),
            Cut::Blocks(_) => {
                let positions = self.lengths.positions;
                for (example, (start, end)) in
                    form::by_example(range, positions.div_ceil(ALIGNMENT), cx.live())
                {
                    self.turn_positions(example, start * ALIGNMENT, positions.min(end * ALIGNMENT), cx);
                }
            }
        }
    }
}

impl Convert {
    fn copy_channel(&self, channel: usize, cx: &Context<'_>) {
        let [from, to] = [self.from, self.to].map(|(form, _)| form.strides(self.lengths, self.lanes));
        let (x, y) = (cx.memory.at(self.from.1).cast_const(), cx.memory.at(self.to.1));
        for example in 0..cx.live() {
            // SAFETY: both buffers hold this channel of this example; the channel belongs to this piece.
            unsafe {
                let mut x = x.add(example * from.example + channel * from.channel);
                let mut y = y.add(example * to.example + channel * to.channel);
                for _ in 0..self.lengths.positions {
                    *y = *x;
                    x = x.wrapping_add(from.position);
                    y = y.wrapping_add(to.position);
                }
            }
        }
        if self.to.0 == Form::Lanes {
            // SAFETY: the lanes of this channel belong to this piece.
            let lanes = unsafe {
                let len = self.lengths.positions * self.lanes;
                std::slice::from_raw_parts_mut(y.add(channel * to.channel), len)
            };
            lanes.chunks_exact_mut(self.lanes).for_each(|feature| match self.gradient {
                true => feature[cx.live()..].fill(0.0),
                false => repeat_first(feature, cx.live()),
            });
        }
    }

    /// The positions `start..end` of all channels of an example, which lie side by side in one form or both.
    fn turn_positions(&self, example: usize, start: usize, end: usize, cx: &Context<'_>) {
        let (channels, count) = (self.lengths.channels, end - start);
        let [from, to] = [self.from, self.to].map(|(form, _)| form.strides(self.lengths, self.lanes));
        // SAFETY: both buffers hold these positions of this example, and they belong to this piece.
        unsafe {
            let x =
                cx.memory.at(self.from.1).add(example * from.example + start * from.position).cast_const();
            let y = cx.memory.at(self.to.1).add(example * to.example + start * to.position);
            match (from.channel, to.channel) {
                (1, 1) => {
                    for position in 0..count {
                        let (x, y) = (x.add(position * from.position), y.add(position * to.position));
                        x.copy_to_nonoverlapping(y, channels);
                    }
                }
                (1, row) => turn((x, from.position), (y, row), (count, channels), cx),
                (row, _) => turn((x, row), (y, to.position), (channels, count), cx),
            }
        }
    }
}

/// `y[column][row] = x[row][column]` for `rows` by `columns` numbers, with the elements from one row to the next of each.
///
/// # Safety
///
/// Both hold as many numbers.
unsafe fn turn(x: (*const f32, usize), y: (*mut f32, usize), lengths: (usize, usize), cx: &Context<'_>) {
    // SAFETY: the level is the processor's.
    unsafe {
        dispatch!(cx.level => squares::<S>(x: (*const f32, usize), y: (*mut f32, usize), lengths: (usize, usize)));
    }
}

#[inline(always)]
unsafe fn squares<S: Simd>(
    (x, x_row): (*const f32, usize),
    (y, y_row): (*mut f32, usize),
    (rows, columns): (usize, usize),
) {
    for row in (0..rows).step_by(S::WIDTH) {
        for column in (0..columns).step_by(S::WIDTH) {
            let (height, width) = (S::WIDTH.min(rows - row), S::WIDTH.min(columns - column));
            // SAFETY: the caller's.
            unsafe {
                let (x, y) = (x.add(row * x_row + column), y.add(column * y_row + row));
                if height == S::WIDTH && width == S::WIDTH {
                    S::turn(x, x_row, y, y_row);
                    continue;
                }
                for row in 0..height {
                    for column in 0..width {
                        *y.add(column * y_row + row) = *x.add(row * x_row + column);
                    }
                }
            }
        }
    }
}
