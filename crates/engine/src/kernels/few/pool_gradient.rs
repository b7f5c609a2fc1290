//! The gradient of mean pooling of maps.

use graph::NodeId;

use super::form::{self, Form, Lengths};
use crate::kernels::memory::Slot;
use crate::kernels::pool_windows::{Table, Windows};
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `dx[place][channel] = sum of share * dy[window][channel] over the windows that hold the place`.
struct MeanGradient {
    dy: Slot,
    dx: Slot,
    /// For each place, the windows that hold it.
    holders: Table,
    /// One per window.
    shares: Vec<f32>,
    /// Places.
    pieces: Pieces,
    lengths: Lengths,
}

impl Step for MeanGradient {
    fn name(&self) -> String {
        format!("average pool gradient {}", self.lengths.channels)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.dy), Access::write(self.dx)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to, row, step) = (range.start, range.end, self.lengths.padded(), self);
        for example in 0..cx.live() {
            // SAFETY: these places of every example belong to this piece; the table was made for these maps.
            unsafe {
                let dy = cx.memory.at(self.dy).add(example * self.shares.len() * row).cast_const();
                let dx = cx.memory.at(self.dx).add(example * self.holders.len() * row);
                dispatch!(cx.level => places::<S>(step: &MeanGradient, dy: *const f32, dx: *mut f32, from: usize, to: usize));
            }
        }
    }
}

#[inline(always)]
unsafe fn places<S: Simd>(step: &MeanGradient, dy: *const f32, dx: *mut f32, from: usize, to: usize) {
    let row = step.lengths.padded();
    for place in from..to {
        for channel in (0..row).step_by(S::WIDTH) {
            // SAFETY: the caller's; the windows are those of the map, and each has a share.
            unsafe {
                let mut sum = S::splat(0.0);
                for &window in step.holders.row(place) {
                    let value = S::load(dy.add(window as usize * row + channel));
                    sum = S::mul_add(value, S::splat(step.shares[window as usize]), sum);
                }
                S::store(dx.add(place * row + channel), sum);
            }
        }
    }
}

/// Lowers `AveragePoolGrad(dy)` of a gradient in maps.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(dy), output) = (node.inputs[0], node.outputs[0]) else { return false };
    let (Some(dims), Some(lengths)) = (cx.feature_dims(output), Lengths::of(cx, output)) else {
        return false;
    };
    let Some(windows) = Windows::of(node, &dims[1..]) else { return false };
    if Lengths::of(cx, dy).is_none_or(|from| from.channels != lengths.channels) {
        return false;
    }
    let dy = form::have(cx, dy, Form::Maps);
    let dx = form::make(cx, output, Form::Maps);
    let (holders, work) = (windows.taps.inverse(windows.inputs), windows.taps.items() * lengths.padded() * 4);
    let pieces = Pieces::of(holders.len(), work * form::batch(cx));
    cx.push(MeanGradient { dy, dx, holders, shares: windows.shares, pieces, lengths });
    true
}
