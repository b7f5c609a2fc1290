//! Maximum pooling of maps in training, and its gradient with that of the ReLU in front of it, by which place of each window won.

use graph::NodeId;

use super::form::{self, Form, Lengths};
use crate::kernels::max_pool::winners;
use crate::kernels::max_pool_gradient::{Back, gather};
use crate::kernels::memory::Slot;
use crate::kernels::pool_windows::{Table, Windows};
use crate::kernels::simd::dispatch;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y[window][channel] = max over the window's places of x[place][channel]`, with 1 + the place of the first maximum.
struct MaxPool {
    x: Slot,
    y: Slot,
    winners: Slot,
    /// Whether 0 is kept where the maximum is not positive, because a ReLU in front lets no gradient through there.
    positive: bool,
    windows: Windows,
    /// Windows of all examples, as the convolution in front cuts what it makes.
    pieces: Pieces,
    lengths: Lengths,
}

impl Step for MaxPool {
    fn name(&self) -> String {
        format!("max pool {}", self.lengths.channels)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.x), Access::write(self.y), Access::write(self.winners)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let (range, lanes, windows, positive) =
            (self.pieces.range(piece), self.lengths.padded(), &self.windows, self.positive);
        for (example, some) in form::by_example(range, windows.outputs(), cx.live()) {
            let output = example * windows.outputs() * lanes;
            // SAFETY: these windows of the example belong to this piece; the table was made for these maps.
            unsafe {
                let x = cx.memory.at(self.x).add(example * windows.inputs * lanes).cast_const();
                let to = [self.y, self.winners].map(|slot| cx.memory.at(slot).add(output));
                dispatch!(cx.level => winners::<S>(windows: &Windows, some: (usize, usize), x: *const f32,
                    to: [*mut f32; 2], positive: bool, lanes: usize));
            }
        }
    }
}

/// `dx[place][channel] = sum of dy[window][channel] over the windows that hold the place and that it won`.
struct MaxPoolGradient {
    dy: Slot,
    winners: Slot,
    dx: Slot,
    relu: bool,
    /// For each place, the windows that hold it.
    holders: Table,
    outputs: usize,
    /// Places of all examples.
    pieces: Pieces,
    lengths: Lengths,
}

impl Step for MaxPoolGradient {
    fn name(&self) -> String {
        let relu = if self.relu { " + relu gradient" } else { "" };
        format!("max pool gradient {}{relu}", self.lengths.channels)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.dy), Access::read(self.winners), Access::write(self.dx)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let (range, lanes, holders) = (self.pieces.range(piece), self.lengths.padded(), &self.holders);
        for (example, some) in form::by_example(range, holders.len(), cx.live()) {
            // SAFETY: these places of the example belong to this piece; the table was made for these maps.
            unsafe {
                let output = example * self.outputs * lanes;
                let dy = cx.memory.at(self.dy).add(output).cast_const();
                let winners = cx.memory.at(self.winners).add(output).cast_const();
                let dx = cx.memory.at(self.dx).add(example * holders.len() * lanes);
                dispatch!(cx.level => gather::<S>(holders: &Table, some: (usize, usize), dy: *const f32,
                    winners: *const f32, dx: *mut f32, lanes: usize));
            }
        }
    }
}

/// Lowers `MaxPool` and `GlobalMaxPool` of maps with the way back through them: `MaxPoolGrad`, and `ReluGrad` behind it.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(x), output) = (node.inputs[0], node.outputs[0]) else { return false };
    let (Some(dims), Some(lengths)) = (cx.feature_dims(x), Lengths::of(cx, x)) else { return false };
    if !form::is_map(cx, x) {
        return false;
    }
    let Some(windows) = Windows::of(node, &dims[1..]) else { return false };
    let Some(back) = Back::find(cx, node, &windows, &dims[1..]) else { return false };
    let (outputs, positive) = (windows.outputs(), back.relu.is_some());
    let winners = form::temporary(cx, outputs * lengths.padded());
    let work = windows.taps.items() * lengths.padded() * form::batch(cx) * 2;
    remember(cx, back, winners, lengths, &windows, 2 * work);
    let x = form::have(cx, x, Form::Maps);
    let y = form::make(cx, output, Form::Maps);
    let pieces = Pieces::of(outputs * form::batch(cx), work);
    cx.push(MaxPool { x, y, winners, positive, windows, pieces, lengths });
    true
}

/// Settles that the gradient is computed from the winners.
fn remember(
    cx: &mut Lowering<'_>,
    back: Back,
    winners: Slot,
    lengths: Lengths,
    windows: &Windows,
    work: usize,
) {
    let (holders, outputs) = (windows.taps.inverse(windows.inputs), windows.outputs());
    let Back { gradient, relu } = back;
    cx.remember(gradient, move |cx, id| {
        let last = relu.unwrap_or(id);
        let (dy, dx) = (cx.graph.node(id).inputs[0].expect("required"), cx.graph.node(last).outputs[0]);
        let dy = form::have(cx, dy, Form::Maps);
        let dx = form::make(cx, dx, Form::Maps);
        let (pieces, after) = (Pieces::of(holders.len() * form::batch(cx), work), relu.is_some());
        cx.push(MaxPoolGradient { dy, winners, dx, relu: after, holders, outputs, pieces, lengths });
        relu.into_iter().for_each(|relu| cx.done(relu));
        true
    });
}
