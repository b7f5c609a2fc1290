//! Mean pooling of any window, and its gradient: both are weighted sums over a table.

use graph::NodeId;

use super::memory::Slot;
use super::pool_windows::{Table, Windows};
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Where the share that an element is multiplied by stands: at the row it is added to, or at the element itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Row,
    Item,
}

/// `y[c][row][lane] = sum over the row's items of share * x[c][item][lane]`.
struct TableSum {
    name: &'static str,
    x: Slot,
    y: Slot,
    table: Table,
    /// One share per row of the table or per item.
    shares: Vec<f32>,
    share: Share,
    /// Elements of a map of `x`.
    inputs: usize,
    pieces: Pieces,
    lanes: usize,
}

impl Step for TableSum {
    fn name(&self) -> String {
        format!("{} {}", self.name, self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.x, &self.pieces, self.inputs * self.lanes),
            Access::write_own(self.y, &self.pieces, self.table.len() * self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start, range.end);
        let x: *const f32 = cx.memory.at(self.x);
        let y = cx.memory.at(self.y);
        let step = self;
        // SAFETY: channels `from..to` of both buffers belong to this piece; the table was made for these maps.
        unsafe {
            dispatch!(cx.level => table_sum::<S>(step: &TableSum, x: *const f32, y: *mut f32, from: usize, to: usize));
        }
    }
}

#[inline(always)]
unsafe fn table_sum<S: Simd>(step: &TableSum, x: *const f32, y: *mut f32, from: usize, to: usize) {
    let (rows, lanes) = (step.table.len(), step.lanes);
    for channel in from..to {
        for row in 0..rows {
            let items = step.table.row(row);
            for lane in (0..lanes).step_by(S::WIDTH) {
                // SAFETY: the caller's; there is a share for each row or item.
                unsafe {
                    let x = x.add(channel * step.inputs * lanes + lane);
                    let mut sum = S::splat(0.0);
                    for &item in items {
                        let value = S::load(x.add(item as usize * lanes));
                        sum = match step.share {
                            Share::Row => S::add(sum, value),
                            Share::Item => {
                                S::mul_add(value, S::splat(*step.shares.get_unchecked(item as usize)), sum)
                            }
                        };
                    }
                    if step.share == Share::Row {
                        sum = S::mul(sum, S::splat(*step.shares.get_unchecked(row)));
                    }
                    S::store(y.add((channel * rows + row) * lanes + lane), sum);
                }
            }
        }
    }
}

/// Lowers `AveragePool` and `GlobalAveragePool`.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (x, output) = (node.inputs[0].expect("required"), node.outputs[0]);
    let Some(dims) = cx.feature_dims(x) else { return false };
    let Some(windows) = Windows::of(node, &dims[1..]) else { return false };
    let lanes = cx.lanes;
    let pieces = Pieces::of(dims[0], dims[0] * windows.taps.items() * lanes * 2);
    cx.set_cut(output, pieces.scaled(windows.outputs()));
    let (x, y) = (cx.slot(x), cx.slot(output));
    let Windows { inputs, taps, shares } = windows;
    let (name, share) = ("average pool", Share::Row);
    cx.push(TableSum { name, x, y, table: taps, shares, share, inputs, pieces, lanes });
    true
}

/// Lowers `AveragePoolGrad(dy)`: each place gathers its share of the windows that hold it.
pub(crate) fn lower_gradient(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (dy, output) = (node.inputs[0].expect("required"), node.outputs[0]);
    let Some(dims) = cx.feature_dims(output) else { return false };
    let Some(windows) = Windows::of(node, &dims[1..]) else { return false };
    let lanes = cx.lanes;
    let pieces = Pieces::of(dims[0], dims[0] * windows.taps.items() * lanes * 2);
    cx.set_cut(output, pieces.scaled(windows.inputs));
    let (x, y) = (cx.slot(dy), cx.slot(output));
    let (table, inputs) = (windows.taps.inverse(windows.inputs), windows.outputs());
    let (name, share) = ("average pool gradient", Share::Item);
    cx.push(TableSum { name, x, y, table, shares: windows.shares, share, inputs, pieces, lanes });
    true
}
