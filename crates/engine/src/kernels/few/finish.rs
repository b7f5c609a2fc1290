//! Batch normalisation, addition and ReLU of maps where no kernel in front of them takes them along.

use graph::NodeId;

use super::epilogue::{Chain, Epilogue, Finish};
use super::form::{self, Form, Lengths};
use crate::kernels::memory::Slot;
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y = epilogue(x)`, position by position.
struct Finished {
    x: Slot,
    y: Slot,
    epilogue: Epilogue,
    /// Positions of a map.
    pieces: Pieces,
    channels: usize,
}

impl Step for Finished {
    fn name(&self) -> String {
        format!("maps {}x{}{}", self.channels, self.pieces.total(), self.epilogue.name())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let mut access = vec![Access::read(self.x), Access::write(self.y)];
        access.extend(self.epilogue.access());
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let finish = self.epilogue.at(cx.memory);
        let channels = self.channels;
        for example in 0..cx.live() {
            let first = example * self.pieces.total() + range.start;
            let (at, positions) = (first * channels, range.len());
            let (x, y) = (cx.memory.at(self.x).cast_const(), cx.memory.at(self.y));
            // SAFETY: these positions of the maps, all of the same lengths, belong to this piece.
            unsafe {
                dispatch!(cx.level => finish_all::<S>(finish: Finish, x: *const f32, y: *mut f32, at: usize,
                    positions: usize, channels: usize));
            }
        }
    }
}

#[inline(always)]
unsafe fn finish_all<S: Simd>(
    finish: Finish,
    x: *const f32,
    y: *mut f32,
    at: usize,
    positions: usize,
    channels: usize,
) {
    for position in 0..positions {
        for channel in (0..channels).step_by(S::WIDTH) {
            let at = at + position * channels + channel;
            // SAFETY: the caller's.
            unsafe { S::store(y.add(at), finish.apply::<S>(S::load(x.add(at)), channel, at)) };
        }
    }
}

/// Lowers a node on maps, with those behind it.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let operands = node.inputs.iter().take(2).flatten().copied();
    let Some(x) = operands.into_iter().find(|&value| form::is_map(cx, value)) else { return false };
    let mut chain = Chain::none(x);
    if !chain.take(cx, id) {
        return false;
    }
    chain.extend(cx);
    let lengths = Lengths::of(cx, x).expect("a map");
    let (output, channels) = (chain.output, lengths.padded());
    let x = form::have(cx, x, Form::Maps);
    let epilogue = chain.lower(cx, None);
    let y = form::make(cx, output, Form::Maps);
    let pieces = Pieces::of(lengths.positions, lengths.positions * channels * 8);
    cx.push(Finished { x, y, epilogue, pieces, channels });
    true
}
