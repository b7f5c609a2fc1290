//! The gradient of maximum pooling, with that of the ReLU in front of it.

use graph::{Node, NodeId};

use super::memory::Slot;
use super::pool_windows::{Table, Windows};
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `dx[c][place][lane] = sum of dy[c][window][lane] over the windows that hold the place and that it won`.
struct WonGradient {
    dy: Slot,
    /// For each window and lane, 1 + the place that won, or 0.
    winners: Slot,
    dx: Slot,
    relu: bool,
    /// For each place, the windows that hold it.
    holders: Table,
    outputs: usize,
    pieces: Pieces,
    lanes: usize,
}

impl Step for WonGradient {
    fn name(&self) -> String {
        let relu = if self.relu { " + relu gradient" } else { "" };
        format!("max pool gradient {}{relu}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.dy, &self.pieces, self.outputs * self.lanes),
            Access::read_own(self.winners, &self.pieces, self.outputs * self.lanes),
            Access::write_own(self.dx, &self.pieces, self.holders.len() * self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let (holders, lanes) = (&self.holders, self.lanes);
        for channel in self.pieces.range(piece) {
            // SAFETY: the channel of all buffers belongs to this piece; the table was made for these maps.
            unsafe {
                let output = channel * self.outputs * lanes;
                let dy = cx.memory.at(self.dy).add(output).cast_const();
                let winners = cx.memory.at(self.winners).add(output).cast_const();
                let dx = cx.memory.at(self.dx).add(channel * holders.len() * lanes);
                let all = (0, holders.len());
                dispatch!(cx.level => gather::<S>(holders: &Table, all: (usize, usize), dy: *const f32,
                    winners: *const f32, dx: *mut f32, lanes: usize));
            }
        }
    }
}

/// The gradient at the places `from..to` of a map of vectors.
///
/// # Safety
///
/// The maps hold `lanes` numbers, whole vectors, for each place and for each of the windows that hold it.
#[inline(always)]
pub(super) unsafe fn gather<S: Simd>(
    holders: &Table,
    (from, to): (usize, usize),
    dy: *const f32,
    winners: *const f32,
    dx: *mut f32,
    lanes: usize,
) {
    for place in from..to {
        let windows = holders.row(place);
        for lane in (0..lanes).step_by(S::WIDTH) {
            // SAFETY: the caller's.
            unsafe {
                let (own, mut sum) = (S::splat((place + 1) as f32), S::splat(0.0));
                for &window in windows {
                    let at = window as usize * lanes + lane;
                    let won = S::equal(S::load(winners.add(at)), own);
                    sum = S::add(sum, S::keep(won, S::load(dy.add(at))));
                }
                S::store(dx.add(place * lanes + lane), sum);
            }
        }
    }
}

/// The way back through a pooling whose forward step keeps the winners.
pub(super) struct Back {
    pub(super) gradient: NodeId,
    /// The gradient of a ReLU that is computed with it.
    pub(super) relu: Option<NodeId>,
}

impl Back {
    /// Finds `MaxPoolGrad` of the pooling `pool`, and the gradient of the ReLU that makes the pooling's input.
    pub(super) fn find(cx: &Lowering<'_>, pool: &Node, windows: &Windows, input: &[usize]) -> Option<Self> {
        let (x, y) = (pool.inputs[0], pool.outputs[0]);
        let gradient = cx.users(y).iter().copied().find(|&user| {
            let node = cx.graph.node(user);
            node.op_name() == "MaxPoolGrad"
                && node.inputs[1..] == [x, Some(y)]
                && cx.is_lanes(node.inputs[0].expect("required"))
                && Windows::of(node, input).is_some_and(|own| own.taps == windows.taps)
        })?;
        let relu = cx.only_user(cx.graph.node(gradient).outputs[0]).filter(|&user| {
            let node = cx.graph.node(user);
            node.op_name() == "ReluGrad" && node.inputs[0] != x && node.inputs[1] == x
        });
        Some(Back { gradient, relu })
    }

    /// Settles that the gradient is computed from the winners in `winners`.
    pub(super) fn remember(self, cx: &mut Lowering<'_>, winners: Slot, channels: usize, windows: &Windows) {
        let (holders, outputs) = (windows.taps.inverse(windows.inputs), windows.outputs());
        let work = channels * windows.taps.items() * cx.lanes * 4;
        cx.remember(self.gradient, move |cx, id| {
            let last = self.relu.unwrap_or(id);
            let (dy, dx) = (cx.graph.node(id).inputs[0].expect("required"), cx.graph.node(last).outputs[0]);
            let (pieces, lanes) = (Pieces::of(channels, work), cx.lanes);
            cx.set_cut(dx, pieces.scaled(holders.len()));
            let (dy, dx) = (cx.slot(dy), cx.slot(dx));
            let relu = self.relu.is_some();
            cx.push(WonGradient { dy, winners, dx, relu, holders, outputs, pieces, lanes });
            self.relu.into_iter().for_each(|relu| cx.done(relu));
            true
        });
    }
}

/// `dx[c][place][lane] = sum of dy[c][window][lane] over the windows whose first maximum is at the place`,
/// without the winners.
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

/// What the gradient without winners reads and writes.
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

/// Lowers `MaxPoolGrad(dy, x, y)`.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
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
