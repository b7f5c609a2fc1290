//! Pooling of maps: maximum and mean of any window, a vector of channels at a time.

use graph::NodeId;

use super::form::{self, Form, Lengths};
use crate::kernels::memory::Slot;
use crate::kernels::pool_windows::Windows;
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// What is kept of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The maximum; NaN if one of the numbers is.
    Maximum,
    /// The sum times the window's share.
    Mean,
}

/// `y[window][channel] = pooled x[place of the window][channel]`.
struct Pool {
    kind: Kind,
    x: Slot,
    y: Slot,
    windows: Windows,
    pieces: Pieces,
    /// Padded channels.
    channels: usize,
}

impl Step for Pool {
    fn name(&self) -> String {
        format!("{:?} of {} to {} x{}", self.kind, self.windows.inputs, self.windows.outputs(), self.channels)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.x), Access::write(self.y)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to, pool) = (range.start, range.end, self);
        for example in 0..cx.live() {
            // SAFETY: both buffers hold a map for every example; these windows of `y` belong to this piece.
            unsafe {
                let x = cx.memory.at(self.x).add(example * self.windows.inputs * self.channels).cast_const();
                let y = cx.memory.at(self.y).add(example * self.windows.outputs() * self.channels);
                dispatch!(cx.level => windows::<S>(pool: &Pool, x: *const f32, y: *mut f32, from: usize, to: usize));
            }
        }
    }
}

#[inline(always)]
unsafe fn windows<S: Simd>(pool: &Pool, x: *const f32, y: *mut f32, from: usize, to: usize) {
    let channels = pool.channels;
    for window in from..to {
        let places = pool.windows.taps.row(window);
        for channel in (0..channels).step_by(S::WIDTH) {
            // SAFETY: the caller's; the places are those of the map.
            unsafe {
                let x = x.add(channel);
                let value = match pool.kind {
                    Kind::Maximum => maximum::<S>(x, places, channels),
                    Kind::Mean => {
                        let mut sum = S::splat(0.0);
                        for &place in places {
                            sum = S::add(sum, S::load(x.add(place as usize * channels)));
                        }
                        S::mul(sum, S::splat(pool.windows.shares[window]))
                    }
                };
                S::store(y.add(window * channels + channel), value);
            }
        }
    }
}

#[inline(always)]
unsafe fn maximum<S: Simd>(x: *const f32, places: &[u32], channels: usize) -> S::V {
    // SAFETY: the caller's.
    unsafe {
        let mut best = S::splat(f32::NEG_INFINITY);
        for &place in places {
            let value = S::load(x.add(place as usize * channels));
            // The maximum keeps `best` where it is NaN, and where `value` is.
            best = S::select(S::is_nan(value), value, S::max(value, best));
        }
        best
    }
}

/// Lowers a pooling operator whose input lies in maps.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, op) = cx.node(id);
    let (Some(x), output) = (node.inputs[0], node.outputs[0]) else { return false };
    let (Some(dims), Some(lengths)) = (cx.feature_dims(x), Lengths::of(cx, x)) else { return false };
    if !form::is_map(cx, x) {
        return false;
    }
    let Some(windows) = Windows::of(node, &dims[1..]) else { return false };
    let kind = if op.contains("Max") { Kind::Maximum } else { Kind::Mean };
    let channels = lengths.padded();
    let x = form::have(cx, x, Form::Maps);
    let y = form::make(cx, output, Form::Maps);
    let pieces = Pieces::of(windows.outputs(), windows.taps.items() * channels * 16);
    cx.push(Pool { kind, x, y, windows, pieces, channels });
    true
}
