//! Sums over examples and positions of maps: the gradients of biases.

use graph::NodeId;

use super::column_sums::{Terms, sums};
use super::form::{self, Form, Lengths};
use super::norm::cut;
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::reduce::sums_channels;
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y[channel] = sum over examples and positions of x[position][channel]`.
struct ChannelSum {
    x: Slot,
    y: Slot,
    lengths: Lengths,
    /// Rows of channels in the largest batch.
    rows: usize,
    /// Vectors of channels.
    pieces: Pieces,
}

impl Step for ChannelSum {
    fn name(&self) -> String {
        format!("channel sum {}", self.lengths.channels)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.x, &self.pieces, ALIGNMENT).of_rows(self.rows),
            Access::write_own(self.y, &self.pieces, ALIGNMENT),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start * ALIGNMENT, range.end * ALIGNMENT);
        let (rows, row) = (cx.live() * self.lengths.positions, self.lengths.padded());
        let (x, y) = (cx.memory.at(self.x).cast_const(), cx.memory.at(self.y));
        // SAFETY: the channels `from..to` belong to this piece; sums are padded to whole vectors.
        unsafe {
            dispatch!(cx.level => channels::<S>(x: *const f32, y: *mut f32, row: usize, rows: usize, from: usize, to: usize));
        }
    }
}

#[inline(always)]
unsafe fn channels<S: Simd>(x: *const f32, y: *mut f32, row: usize, rows: usize, from: usize, to: usize) {
    for channel in (from..to).step_by(S::WIDTH) {
        // SAFETY: the caller's.
        unsafe {
            let [total, _] = sums::<S, Column>(Column { x: x.add(channel), row }, rows);
            for lane in 0..S::WIDTH {
                *y.add(channel + lane) = total[lane] as f32;
            }
        }
    }
}

/// The numbers of a vector of channels.
#[derive(Clone, Copy)]
struct Column {
    x: *const f32,
    row: usize,
}

impl<S: Simd> Terms<S> for Column {
    #[inline(always)]
    unsafe fn at(self, row: usize) -> [S::V; 2] {
        // SAFETY: the caller's.
        unsafe { [S::load(self.x.add(row * self.row)), S::splat(0.0)] }
    }
}

/// Lowers a sum of maps over the batch and all axes behind the channels.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(x), y) = (node.inputs[0], node.outputs[0]) else { return false };
    if !(form::is_map(cx, x) || form::is_row(cx, x)) || !sums_channels(cx, node) {
        return false;
    }
    let lengths = Lengths::of(cx, x).expect("a map");
    let (x, y) = (form::have(cx, x, Form::Maps), cx.slot(y));
    let pieces = cx.made_cut(x, lengths.vectors()).unwrap_or_else(|| cut(cx, lengths, 2));
    let rows = form::batch(cx) * lengths.positions;
    cx.push(ChannelSum { x, y, lengths, rows, pieces });
    true
}
