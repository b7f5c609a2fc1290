//! How values are cut by the steps that make them: a reader that cuts alike finds its share where the same thread has made it, and need
//! not meet the others.

use graph::ValueId;

use super::Lowering;
use crate::kernels::memory::Slot;
use crate::step::Pieces;

impl Lowering<'_> {
    /// Notes how the maker of a value cut its features.
    pub(crate) fn set_cut(&mut self, value: ValueId, pieces: Pieces) {
        let slot = self.slot(value);
        self.set_cut_at(slot, pieces);
    }

    /// As [`Lowering::set_cut`], of what lies at `slot`.
    pub(crate) fn set_cut_at(&mut self, slot: Slot, pieces: Pieces) {
        self.cuts.insert(slot, pieces);
    }

    /// A cut of `count` items of a value: its maker's, if that cut whole items, else an even one.
    pub(crate) fn cut(&mut self, value: ValueId, count: usize, work: usize) -> Pieces {
        self.slot(value);
        self.cut_of(value, count, work)
    }

    /// As [`Lowering::cut`], of a value that need not have memory yet.
    pub(crate) fn cut_of(&self, value: ValueId, count: usize, work: usize) -> Pieces {
        let maker = self.slots[value.0 as usize].and_then(|slot| self.made_cut(slot, count));
        maker.unwrap_or_else(|| Pieces::of(count, work))
    }

    /// How the maker of what lies at `slot` cut its `count` items, if it did. Little work too is cut so: whoever follows the maker's cut
    /// waits for nobody.
    pub(crate) fn made_cut(&self, slot: Slot, count: usize) -> Option<Pieces> {
        self.cuts.get(&slot).filter(|cut| cut.total() == count && !cut.is_serial()).cloned()
    }
}
