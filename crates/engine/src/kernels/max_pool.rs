//! Maximum pooling of any window. In training it keeps which place of each window won, for the way back in
//! [`super::max_pool_gradient`].

use graph::NodeId;

use super::max_pool_gradient::Back;
use super::memory::Slot;
use super::pool_windows::Windows;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y[c][window][lane] = max over the window's places of x[c][place][lane]`; NaN if one of them is.
struct MaxPool {
    x: Slot,
    y: Slot,
    winners: Option<Winners>,
    windows: Windows,
    pieces: Pieces,
    lanes: usize,
}

/// Where the winners are kept: for each window and lane, 1 + the place of the first maximum.
#[derive(Clone, Copy)]
struct Winners {
    slot: Slot,
    /// Whether 0 is kept where the maximum is not positive, because a ReLU in front lets no gradient through there.
    positive: bool,
}

impl Step for MaxPool {
    fn name(&self) -> String {
        format!("max pool {}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let outputs = self.windows.outputs() * self.lanes;
        let mut access = vec![
            Access::read_own(self.x, &self.pieces, self.windows.inputs * self.lanes),
            Access::write_own(self.y, &self.pieces, outputs),
        ];
        access.extend(self.winners.map(|winners| Access::write_own(winners.slot, &self.pieces, outputs)));
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let lanes = self.lanes;
        for channel in self.pieces.range(piece) {
            let output = channel * self.windows.outputs() * lanes;
            let windows = &self.windows;
            // SAFETY: the channel of all buffers belongs to this piece; the table was made for these maps.
            unsafe {
                let x = cx.memory.at(self.x).add(channel * windows.inputs * lanes).cast_const();
                let y = cx.memory.at(self.y).add(output);
                match self.winners {
                    None => {
                        dispatch!(cx.level => greatest::<S>(windows: &Windows, x: *const f32, y: *mut f32, lanes: usize))
                    }
                    Some(Winners { slot, positive }) => {
                        let to = [y, cx.memory.at(slot).add(output)];
                        let all = (0, windows.outputs());
                        dispatch!(cx.level => winners::<S>(windows: &Windows, all: (usize, usize), x: *const f32,
                            to: [*mut f32; 2], positive: bool, lanes: usize));
                    }
                }
            }
        }
    }
}

/// One channel's greatest numbers.
#[inline(always)]
unsafe fn greatest<S: Simd>(windows: &Windows, x: *const f32, y: *mut f32, lanes: usize) {
    for window in 0..windows.outputs() {
        let taps = windows.taps.row(window);
        for lane in (0..lanes).step_by(S::WIDTH) {
            // SAFETY: the caller's.
            unsafe {
                let mut best = S::splat(f32::NEG_INFINITY);
                for &tap in taps {
                    let value = S::load(x.add(tap as usize * lanes + lane));
                    // The maximum keeps `best` where it is NaN, and where `value` is.
                    best = S::select(S::is_nan(value), value, S::max(value, best));
                }
                S::store(y.add(window * lanes + lane), best);
            }
        }
    }
}

/// The greatest numbers of the windows `from..to` of a map of vectors, and 1 + the places where they are, the first of equal ones;
/// NaN counts as greater than any number. Where only `positive` ones count, 0 is kept for the others.
///
/// # Safety
///
/// The map holds `lanes` numbers, whole vectors, for each place of the windows, and its results for each window.
#[inline(always)]
pub(super) unsafe fn winners<S: Simd>(
    windows: &Windows,
    (from, to): (usize, usize),
    x: *const f32,
    [y, winners]: [*mut f32; 2],
    positive: bool,
    lanes: usize,
) {
    for window in from..to {
        let taps = windows.taps.row(window);
        for lane in (0..lanes).step_by(S::WIDTH) {
            // SAFETY: the caller's; a window holds at least one place.
            unsafe {
                let place = |tap: u32| (tap + 1) as f32;
                let mut best = S::load(x.add(taps[0] as usize * lanes + lane));
                let mut winner = S::splat(place(taps[0]));
                for &tap in &taps[1..] {
                    let value = S::load(x.add(tap as usize * lanes + lane));
                    let tap = S::splat(place(tap));
                    winner = S::select(S::greater(value, best), tap, winner);
                    let first_nan = S::select(S::is_nan(best), winner, tap);
                    winner = S::select(S::is_nan(value), first_nan, winner);
                    best = S::select(S::is_nan(value), value, S::max(value, best));
                }
                if positive {
                    winner = S::keep(S::greater(best, S::splat(0.0)), winner);
                }
                S::store(y.add(window * lanes + lane), best);
                S::store(winners.add(window * lanes + lane), winner);
            }
        }
    }
}

/// Lowers `MaxPool` and `GlobalMaxPool`, and in training `MaxPoolGrad → ReluGrad` with it.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (x, output) = (node.inputs[0].expect("required"), node.outputs[0]);
    let Some(dims) = cx.feature_dims(x) else { return false };
    let Some(windows) = Windows::of(node, &dims[1..]) else { return false };
    let lanes = cx.lanes;
    let (channels, outputs) = (dims[0], windows.outputs());
    let pieces = Pieces::of(channels, channels * windows.taps.items() * lanes * 2);
    cx.set_cut(output, pieces.scaled(outputs));
    let back = Back::find(cx, node, &windows, &dims[1..]).filter(|_| !cx.is_again());
    let winners = back.map(|back| {
        let slot = cx.temporary(channels * outputs * lanes);
        let positive = back.relu.is_some();
        back.remember(cx, slot, channels, &windows);
        Winners { slot, positive }
    });
    let (x, y) = (cx.slot(x), cx.slot(output));
    cx.push(MaxPool { x, y, winners, windows, pieces, lanes });
    true
}
