//! Maximum pooling of any window, and its gradient.

use graph::NodeId;

use super::memory::Slot;
use super::pool_windows::Windows;
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y[c][window][lane] = max over the window's places of x[c][place][lane]`; NaN if one of them is.
struct MaxPool {
    x: Slot,
    y: Slot,
    windows: Windows,
    pieces: Pieces,
    lanes: usize,
}

impl Step for MaxPool {
    fn name(&self) -> String {
        format!("max pool {}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.x, &self.pieces, self.windows.inputs * self.lanes),
            Access::write_own(self.y, &self.pieces, self.windows.outputs() * self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to, lanes, windows) = (range.start, range.end, self.lanes, &self.windows);
        let x: *const f32 = cx.memory.at(self.x);
        let y = cx.memory.at(self.y);
        // SAFETY: channels `from..to` of both buffers belong to this piece; the table was made for these maps.
        unsafe {
            dispatch!(cx.level => forward::<S>(windows: &Windows, x: *const f32, y: *mut f32, from: usize, to: usize,
                lanes: usize));
        }
    }
}

#[inline(always)]
unsafe fn forward<S: Simd>(
    windows: &Windows,
    x: *const f32,
    y: *mut f32,
    from: usize,
    to: usize,
    lanes: usize,
) {
    for channel in from..to {
        for window in 0..windows.outputs() {
            let taps = windows.taps.row(window);
            for lane in (0..lanes).step_by(S::WIDTH) {
                // SAFETY: the caller's.
                unsafe {
                    let x = x.add(channel * windows.inputs * lanes + lane);
                    let mut best = S::splat(f32::NEG_INFINITY);
                    for &tap in taps {
                        let value = S::load(x.add(tap as usize * lanes));
                        // The maximum keeps `best` where it is NaN, and where `value` is.
                        best = S::select(S::is_nan(value), value, S::max(value, best));
                    }
                    S::store(y.add((channel * windows.outputs() + window) * lanes + lane), best);
                }
            }
        }
    }
}

/// `dx[c][place][lane] = sum of dy[c][window][lane] over the windows whose first maximum is at the place`.
struct MaxPoolGradient {
    dy: Slot,
    x: Slot,
    y: Slot,
    dx: Slot,
    windows: Windows,
    pieces: Pieces,
    lanes: usize,
}

impl Step for MaxPoolGradient {
    fn name(&self) -> String {
        format!("max pool gradient {}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let (input, output) = (self.windows.inputs * self.lanes, self.windows.outputs() * self.lanes);
        vec![
            Access::read_own(self.dy, &self.pieces, output),
            Access::read_own(self.x, &self.pieces, input),
            Access::read_own(self.y, &self.pieces, output),
            Access::write_own(self.dx, &self.pieces, input),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to, lanes, windows) = (range.start, range.end, self.lanes, &self.windows);
        let maps = Maps {
            dy: cx.memory.at(self.dy),
            x: cx.memory.at(self.x),
            y: cx.memory.at(self.y),
            dx: cx.memory.at(self.dx),
        };
        // SAFETY: channels `from..to` of all buffers belong to this piece; the table was made for these maps.
        unsafe {
            dispatch!(cx.level => backward::<S>(windows: &Windows, maps: Maps, from: usize, to: usize, lanes: usize));
        }
    }
}

/// What the gradient reads and writes.
#[derive(Clone, Copy)]
struct Maps {
    dy: *const f32,
    x: *const f32,
    y: *const f32,
    dx: *mut f32,
}

#[inline(always)]
unsafe fn backward<S: Simd>(windows: &Windows, maps: Maps, from: usize, to: usize, lanes: usize) {
    for channel in from..to {
        let plane = windows.inputs * lanes;
        // SAFETY: the caller's; the channel's plane is this piece's own.
        unsafe { std::slice::from_raw_parts_mut(maps.dx.add(channel * plane), plane).fill(0.0) };
        for window in 0..windows.outputs() {
            let at = (channel * windows.outputs() + window) * lanes;
            for lane in (0..lanes).step_by(S::WIDTH) {
                // SAFETY: the caller's.
                unsafe {
                    let place = channel * plane + lane;
                    spread::<S>(windows.taps.row(window), maps, at + lane, place, lanes);
                }
            }
        }
    }
}

/// Adds the gradient of one window to its first place whose number is the maximum, example by example.
#[inline(always)]
unsafe fn spread<S: Simd>(taps: &[u32], maps: Maps, at: usize, place: usize, lanes: usize) {
    // SAFETY: the caller's.
    unsafe {
        let (y, dy) = (S::load(maps.y.add(at)), S::load(maps.dy.add(at)));
        let mut open = u16::MAX >> (16 - S::WIDTH);
        for &tap in taps {
            let place = place + tap as usize * lanes;
            let found = open & !S::bits(S::greater(y, S::load(maps.x.add(place))));
            if found != 0 {
                let dx = maps.dx.add(place);
                S::store(dx, S::add(S::load(dx), S::keep(S::mask(found), dy)));
                open &= !found;
                if open == 0 {
                    break;
                }
            }
        }
    }
}

/// Lowers `MaxPool` and `GlobalMaxPool`.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (x, output) = (node.inputs[0].expect("required"), node.outputs[0]);
    let Some(dims) = cx.feature_dims(x) else { return false };
    let Some(windows) = Windows::of(node, &dims[1..]) else { return false };
    let lanes = cx.lanes;
    let pieces = Pieces::of(dims[0], dims[0] * windows.taps.items() * lanes * 2);
    cx.set_cut(output, pieces.scaled(windows.outputs()));
    let (x, y) = (cx.slot(x), cx.slot(output));
    cx.push(MaxPool { x, y, windows, pieces, lanes });
    true
}

/// Lowers `MaxPoolGrad(dy, x, y)`.
pub(crate) fn lower_gradient(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let [dy, x, y] = [0, 1, 2].map(|index| node.inputs[index].expect("required"));
    let output = node.outputs[0];
    if [dy, y].iter().any(|&value| !cx.is_lanes(value)) {
        return false;
    }
    let Some(dims) = cx.feature_dims(x) else { return false };
    let Some(windows) = Windows::of(node, &dims[1..]) else { return false };
    let lanes = cx.lanes;
    let pieces = Pieces::of(dims[0], dims[0] * windows.taps.items() * lanes * 3);
    cx.set_cut(output, pieces.scaled(windows.inputs));
    let [dy, x, y, dx] = [dy, x, y, output].map(|value| cx.slot(value));
    cx.push(MaxPoolGradient { dy, x, y, dx, windows, pieces, lanes });
    true
}
