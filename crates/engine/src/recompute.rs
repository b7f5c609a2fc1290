//! Which values a plan keeps for the way back, and which it computes again, so that it needs no more memory than it may.
//!
//! Everything that the way there makes and the way back reads is kept at first. Then, as long as the plan is too large, the
//! value is given up that lies idle where the plan is largest and frees most bytes for the work of making it again: first
//! what is normalised, rectified, pooled, added or transformed, at last what is convolved. Where that is not enough, the
//! network is cut into sections of nearly equal bytes of which only what crosses the cuts is kept (Chen et al. 2016,
//! "Training deep nets with sublinear memory cost"), into few sections and into many; of the smallest plan more is given up. At
//! last whatever there is room for is kept after all, the most work for its bytes first.
//!
//! What a choice comes to is not estimated: the graph is lowered with it and its buffers are placed. So a choice is a function
//! of graph, batch and limit alone, and what it comes to is what the plan takes.
//!
//! Plans for few examples compute nothing again: their values may lie in several forms, and are little beside the weights.

use std::collections::{BTreeMap, BTreeSet};

use graph::{Graph, ValueId};

use crate::arrangement::place;
use crate::costs::Choice;
use crate::error::EngineError;
use crate::kernels::memory::Slot;
use crate::lower::{Constants, Lowering, Memories, walk};
use crate::step::{Mode, Step};

/// Floating-point operations that take as long as reading or writing a byte, about, on processors of today.
const OPERATIONS_PER_BYTE: u64 = 4;
/// Into so many sections a network is cut at most.
const SECTIONS_MAX: usize = 16;

/// What lasts how long so that the plan of `graph` takes `limit` bytes at most; `None` if it does without computing anything
/// again.
///
/// Errors   no choice comes to so few bytes: [`EngineError::Memory`] with the fewest that one does.
pub(crate) fn memories_within(
    graph: &Graph,
    batch: usize,
    keep: &[ValueId],
    choice: Choice,
    limit: usize,
) -> Result<Option<Memories>, EngineError> {
    let lower = |memories: Option<&Memories>| -> Result<Draft, EngineError> {
        Ok(Draft::of(&walk(graph, batch, keep, Constants::Replaced, choice, memories)?))
    };
    let whole = lower(None)?;
    if whole.bytes <= limit {
        return Ok(None);
    }
    let mut search = Search { lower: &lower, limit, worths: whole.worths(), least: whole.bytes };
    let kept = whole.read_back();
    let mut best = search.give_up((Memories { kept, ..Memories::default() }, whole.clone()))?;
    if best.1.bytes > limit {
        let smallest = search.smallest_sections(&whole)?;
        best = search.give_up(smallest)?;
    }
    if best.1.bytes > limit {
        return Err(EngineError::Memory { limit, least: search.least });
    }
    search.keep_what_fits(best.0, &whole).map(Some)
}

/// What lasts how long, and what it comes to.
type Tried = (Memories, Draft);

/// The search for a choice: what is tried, and what it has come to.
struct Search<'a> {
    lower: &'a dyn Fn(Option<&Memories>) -> Result<Draft, EngineError>,
    limit: usize,
    /// What the buffers of the way there are worth.
    worths: BTreeMap<Slot, Worth>,
    /// The fewest bytes of all tries.
    least: usize,
}

impl Search<'_> {
    fn draft(&mut self, memories: Memories) -> Result<Tried, EngineError> {
        let draft = (self.lower)(Some(&memories))?;
        self.least = self.least.min(draft.bytes);
        Ok((memories, draft))
    }

    /// Gives up values one by one until the plan is small enough or nothing helps any more.
    fn give_up(&mut self, mut best: Tried) -> Result<Tried, EngineError> {
        let mut tried = BTreeSet::new();
        while best.1.bytes > self.limit {
            let idle = best.1.idle_at_peak(&best.0).filter(|change| !tried.contains(change));
            let worth = |change: &Change| self.worths[&change.slot()];
            let Some(change) = idle.max_by(|a, b| worth(a).order(&worth(b))) else { break };
            tried.insert(change);
            let next = self.draft(change.applied(&best.0))?;
            if next.1.bytes <= best.1.bytes {
                best = next;
            }
        }
        Ok(best)
    }

    /// Of the cuts into sections that are small enough the one with least work; if none is, the smallest.
    fn smallest_sections(&mut self, whole: &Draft) -> Result<Tried, EngineError> {
        let mut best = None::<Tried>;
        for sections in 1..=SECTIONS_MAX {
            let kept = whole.crossing(sections);
            let next = self.draft(Memories { kept, ..Memories::default() })?;
            let rank = |draft: &Draft| match draft.bytes <= self.limit {
                true => (0, u128::from(draft.work)),
                false => (1, draft.bytes as u128),
            };
            if best.as_ref().is_none_or(|best| rank(&next.1) < rank(&best.1)) {
                best = Some(next);
            }
        }
        Ok(best.expect("there is at least one section"))
    }

    /// Keeps of the rest what there is room for, the most work for its bytes first.
    fn keep_what_fits(&mut self, mut memories: Memories, whole: &Draft) -> Result<Memories, EngineError> {
        let mut changes: Vec<Change> =
            whole.read_back().difference(&memories.kept).map(|&slot| Change::Lasts(slot)).collect();
        changes.extend(memories.brief.iter().map(|&slot| Change::Stays(slot)));
        changes.sort_by(|a, b| self.worths[&a.slot()].order(&self.worths[&b.slot()]).then(a.cmp(b)));
        for change in changes {
            let (more, draft) = self.draft(change.applied(&memories))?;
            if draft.bytes <= self.limit {
                memories = more;
            }
        }
        Ok(memories)
    }
}

/// One step from a choice to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// What was kept is not any more.
    Ends(Slot),
    /// What is made again on the way to something else does not stay.
    Passes(Slot),
    /// It does stay.
    Stays(Slot),
    /// It is kept.
    Lasts(Slot),
}

impl Change {
    fn slot(self) -> Slot {
        let (Change::Ends(slot) | Change::Passes(slot) | Change::Stays(slot) | Change::Lasts(slot)) = self;
        slot
    }

    fn applied(self, memories: &Memories) -> Memories {
        let mut memories = memories.clone();
        match self {
            Change::Ends(slot) => memories.kept.remove(&slot),
            Change::Passes(slot) => memories.brief.insert(slot),
            Change::Stays(slot) => memories.brief.remove(&slot),
            Change::Lasts(slot) => memories.kept.insert(slot),
        };
        memories
    }
}

/// What giving up a value frees, and what making it again takes.
#[derive(Debug, Clone, Copy)]
struct Worth {
    bytes: usize,
    work: u64,
}

impl Worth {
    /// By bytes for each operation.
    fn order(&self, other: &Worth) -> std::cmp::Ordering {
        let product = |bytes: usize, work: u64| bytes as u128 * u128::from(work.max(1));
        product(self.bytes, other.work).cmp(&product(other.bytes, self.work))
    }
}

/// What matters of a lowering.
#[derive(Clone)]
struct Draft {
    /// Of the arena.
    bytes: usize,
    /// Of all steps, in operations.
    work: u64,
    steps: Vec<Footprint>,
    /// Number of steps before the way back.
    turn: usize,
    /// The step at which most bytes are in use.
    peak: usize,
    /// Bytes of the buffers that others may have the place of.
    shared: BTreeMap<Slot, usize>,
    /// The buffers of values, and of what is derived of weights: what can be kept or not.
    named: BTreeSet<Slot>,
    /// For each buffer that holds what was made again, the one that held it before.
    remade: BTreeMap<Slot, Slot>,
}

/// One step: what it takes, reads and writes.
#[derive(Clone)]
struct Footprint {
    work: u64,
    reads: Vec<Slot>,
    writes: Vec<Slot>,
}

impl Footprint {
    fn of(step: &dyn Step, cx: &Lowering<'_>) -> Self {
        let access = step.access();
        let slots =
            |mode: Mode| access.iter().filter(move |one| one.mode == mode).map(|one| one.slot).collect();
        let bytes: usize =
            access.iter().map(|one| cx.buffers()[one.slot.0 as usize].len * size_of::<f32>()).sum();
        Footprint {
            work: step.operations() + OPERATIONS_PER_BYTE * bytes as u64,
            reads: slots(Mode::Read),
            writes: slots(Mode::Write),
        }
    }

    fn touches(&self, slot: Slot) -> bool {
        self.reads.contains(&slot) || self.writes.contains(&slot)
    }
}

impl Draft {
    fn of(cx: &Lowering<'_>) -> Self {
        let steps: Vec<Footprint> = cx.steps().iter().map(|step| Footprint::of(step.as_ref(), cx)).collect();
        let len = place(cx.steps(), cx.buffers()).len;
        let slots = (0..).map(Slot).zip(cx.buffers());
        let shared = slots.filter(|(_, buffer)| buffer.is_shared());
        let shared: BTreeMap<Slot, usize> =
            shared.map(|(slot, buffer)| (slot, buffer.len * size_of::<f32>())).collect();
        let peak = peak(&steps, &shared);
        Draft {
            bytes: len * size_of::<f32>(),
            work: steps.iter().map(|step| step.work).sum(),
            steps,
            turn: cx.turn(),
            peak,
            shared,
            named: cx.named().clone(),
            remade: cx.remade().clone(),
        }
    }

    /// What the way there makes and the way back reads.
    fn read_back(&self) -> BTreeSet<Slot> {
        let read: BTreeSet<Slot> =
            self.steps[self.turn..].iter().flat_map(|step| &step.reads).copied().collect();
        self.named.intersection(&read).copied().collect()
    }

    /// What the buffers of the way there are worth.
    fn worths(&self) -> BTreeMap<Slot, Worth> {
        let worth = |slot: &Slot| {
            let makers = self.steps[..self.turn].iter().filter(|step| step.writes.contains(slot));
            Worth { bytes: self.shared[slot], work: makers.map(|step| self.work_of(step)).sum() }
        };
        self.named.iter().map(|slot| (*slot, worth(slot))).collect()
    }

    /// What a step takes, with those that make what it reads and nobody has a name for.
    fn work_of(&self, step: &Footprint) -> u64 {
        let parts =
            step.reads.iter().filter(|slot| self.shared.contains_key(slot) && !self.named.contains(slot));
        let makers = parts.flat_map(|slot| self.steps.iter().filter(|step| step.writes.contains(slot)));
        step.work + makers.map(|maker| maker.work).sum::<u64>()
    }

    /// What could be done without that lies idle where most is in use: what waits for the way back, and what was made again.
    fn idle_at_peak<'a>(&'a self, memories: &'a Memories) -> impl Iterator<Item = Change> + 'a {
        let kept = memories.kept.iter().filter(|&&slot| self.is_idle_at_peak(slot, self.turn));
        let remade = self.remade.iter().filter(|(_, before)| !memories.brief.contains(before));
        let remade =
            remade.filter(|&(&slot, _)| self.peak >= self.turn && self.is_idle_at_peak(slot, self.peak));
        kept.map(|&slot| Change::Ends(slot)).chain(remade.map(|(_, &before)| Change::Passes(before)))
    }

    /// Whether steps before step `from` touch a buffer, and steps from there on, but none between that includes the one where most is in use.
    fn is_idle_at_peak(&self, slot: Slot, from: usize) -> bool {
        let (before, after) = self.steps.split_at(from);
        let last = before.iter().rposition(|step| step.touches(slot));
        let first = after.iter().position(|step| step.touches(slot));
        match (last, first) {
            (Some(last), Some(first)) => last < self.peak && self.peak < from + first,
            _ => false,
        }
    }

    /// The buffers that cross the borders of `sections` sections of the way there, of nearly equal bytes each.
    fn crossing(&self, sections: usize) -> BTreeSet<Slot> {
        let there = &self.steps[..self.turn];
        let bytes = |slots: &BTreeSet<Slot>| slots.iter().map(|slot| self.shared[slot]).sum::<usize>();
        let (mut made, mut borders): (Vec<usize>, Vec<BTreeSet<Slot>>) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for (index, step) in there.iter().enumerate() {
            let fresh =
                step.writes.iter().copied().filter(|slot| self.named.contains(slot) && seen.insert(*slot));
            made.push(bytes(&fresh.collect()));
            let later = &there[index + 1..];
            let crosses = |slot: &Slot| later.iter().any(|step| step.touches(*slot));
            borders.push(seen.iter().copied().filter(crosses).collect());
        }
        let whole: usize = made.iter().sum();
        let (mut kept, mut start, mut sum) = (BTreeSet::new(), 0, 0);
        for index in 0..there.len() {
            sum += made[index];
            if sum * sections < whole || index + 1 == there.len() {
                continue;
            }
            // The narrowest border of the section, and of equal ones the last.
            let narrowest = (start..=index).rev().min_by_key(|&border| bytes(&borders[border]));
            let border = narrowest.unwrap_or(index);
            kept.extend(&borders[border]);
            start = border + 1;
            sum = made[start..=index].iter().sum();
        }
        kept
    }
}

/// The step at which most bytes of `shared` buffers are in use; the first of equal ones.
fn peak(steps: &[Footprint], shared: &BTreeMap<Slot, usize>) -> usize {
    let mut lives: BTreeMap<Slot, (usize, usize)> = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        for slot in step.reads.iter().chain(&step.writes).filter(|slot| shared.contains_key(slot)) {
            lives.entry(*slot).or_insert((index, index)).1 = index;
        }
    }
    let mut changes = vec![0i64; steps.len() + 1];
    for (slot, (first, last)) in lives {
        changes[first] += shared[&slot] as i64;
        changes[last + 1] -= shared[&slot] as i64;
    }
    let (mut used, mut most, mut peak) = (0, 0, 0);
    for (index, change) in changes.into_iter().enumerate() {
        used += change;
        if used > most {
            (most, peak) = (used, index);
        }
    }
    peak
}
