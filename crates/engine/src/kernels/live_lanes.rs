//! Lanes without an example, for kernels that sum over all lanes.

use graph::ValueId;

use super::memory::Slot;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y = x` in the lanes of examples, zero in the others.
struct LiveLanes {
    x: Slot,
    y: Slot,
    pieces: Pieces,
    lanes: usize,
}

impl Step for LiveLanes {
    fn name(&self) -> String {
        format!("live lanes {}", self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![
            Access::read_own(self.x, &self.pieces, self.lanes),
            Access::write_own(self.y, &self.pieces, self.lanes),
        ]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        for feature in self.pieces.range(piece) {
            // SAFETY: the feature of both buffers belongs to this piece.
            let (x, y) = unsafe {
                let (x, y) = (cx.memory.at(self.x), cx.memory.at(self.y));
                (
                    std::slice::from_raw_parts(x.add(feature * self.lanes), self.lanes),
                    std::slice::from_raw_parts_mut(y.add(feature * self.lanes), self.lanes),
                )
            };
            let (live, rest) = y.split_at_mut(cx.live());
            live.copy_from_slice(&x[..cx.live()]);
            rest.fill(0.0);
        }
    }
}

/// The memory of `value` with zeros in the lanes without an example: its own, if it is a gradient, else a copy's.
pub(crate) fn zero_beyond(cx: &mut Lowering<'_>, value: ValueId) -> Slot {
    let x = cx.slot(value);
    if cx.is_gradient(value) {
        return x;
    }
    let features = cx.features(value).expect("only values per example have lanes");
    let lanes = cx.lanes;
    let y = cx.temporary(features * lanes);
    let pieces = cx.cut(value, features, features * lanes * 8);
    cx.push(LiveLanes { x, y, pieces, lanes });
    y
}
