//! Which values a plan keeps for the way back, and which it computes again, so that it needs no more memory than it may.
//!
//! Everything that the way there makes and the way back reads is kept at first. Then, as long as the plan is too large, the
//! value is given up that lies idle where the plan is largest and frees most bytes for the work of making it again: first
//! what is normalised, rectified, pooled, added or transformed, at last what is convolved. Where that is not enough, the
//! network is cut into sections of nearly equal bytes of which only what crosses the cuts is kept (Chen et al. 2016,
//! "Training deep nets with sublinear memory cost"), into few sections and into many. At last whatever there is room for is
//! kept after all, the most work for its bytes first.
//!
//! What a choice comes to is not estimated: the graph is lowered with it and its buffers are placed. So a choice is a function
//! of graph, batch and limit alone, and what it comes to is what the plan takes.

use std::collections::{BTreeMap, BTreeSet};

use graph::{Graph, ValueId};

use crate::arrangement::place;
use crate::error::EngineError;
use crate::kernels::memory::Slot;
use crate::lower::{Constants, Lowering, walk};
use crate::step::{Mode, Step};

/// Floating-point operations that take as long as reading or writing a byte, about, on processors of today.
const OPERATIONS_PER_BYTE: u64 = 4;
/// Into so many sections a network is cut at most.
const SECTIONS_MAX: usize = 16;

/// The buffers that are kept so that the plan of `graph` takes `limit` bytes at most; `None` if it does without computing
/// anything again.
///
/// Errors   no choice comes to so few bytes: [`EngineError::Memory`] with the fewest that one does.
pub(crate) fn kept_within(
    graph: &Graph,
    batch: usize,
    keep: &[ValueId],
    limit: usize,
) -> Result<Option<BTreeSet<Slot>>, EngineError> {
    let attempt = |kept: Option<&BTreeSet<Slot>>| -> Result<Draft, EngineError> {
        Ok(Draft::of(&walk(graph, batch, keep, Constants::Replaced, kept)?))
    };
    let whole = attempt(None)?;
    if whole.bytes <= limit {
        return Ok(None);
    }
    let candidates = whole.candidates();
    let mut search = Search { attempt: &attempt, limit, candidates, least: whole.bytes };
    let mut best = search.give_up(whole.clone())?;
    if best.1.bytes > limit {
        for sections in 1..=SECTIONS_MAX {
            let kept = whole.crossing(sections);
            let draft = search.try_keeping(&kept)?;
            let better = match (best.1.bytes <= limit, draft.bytes <= limit) {
                (true, true) => draft.work < best.1.work,
                (fits, also) => also && !fits,
            };
            if better {
                best = (kept, draft);
            }
        }
    }
    if best.1.bytes > limit {
        return Err(EngineError::Memory { limit, least: search.least });
    }
    search.keep_what_fits(best.0).map(Some)
}

/// A lowering tried with one choice, and the search for a better one.
struct Search<'a> {
    attempt: &'a dyn Fn(Option<&BTreeSet<Slot>>) -> Result<Draft, EngineError>,
    limit: usize,
    /// What the way back reads, with what it is worth.
    candidates: BTreeMap<Slot, Worth>,
    /// The fewest bytes of all tries.
    least: usize,
}

impl Search<'_> {
    fn try_keeping(&mut self, kept: &BTreeSet<Slot>) -> Result<Draft, EngineError> {
        let draft = (self.attempt)(Some(kept))?;
        self.least = self.least.min(draft.bytes);
        Ok(draft)
    }

    /// Gives up values one by one until the plan is small enough or nothing helps any more.
    fn give_up(&mut self, whole: Draft) -> Result<(BTreeSet<Slot>, Draft), EngineError> {
        let mut kept: BTreeSet<Slot> = self.candidates.keys().copied().collect();
        let (mut draft, mut open) = (whole, kept.clone());
        while draft.bytes > self.limit {
            let idle = open.iter().filter(|&&slot| draft.is_idle_at_peak(slot));
            let Some(&slot) = idle.max_by(|a, b| self.candidates[*a].order(&self.candidates[*b])) else {
                break;
            };
            open.remove(&slot);
            let mut fewer = kept.clone();
            fewer.remove(&slot);
            let next = self.try_keeping(&fewer)?;
            if next.bytes <= draft.bytes {
                (kept, draft) = (fewer, next);
            }
        }
        Ok((kept, draft))
    }

    /// Keeps of the rest what there is room for, the most work for its bytes first.
    fn keep_what_fits(&mut self, mut kept: BTreeSet<Slot>) -> Result<BTreeSet<Slot>, EngineError> {
        let mut rest: Vec<(Slot, Worth)> =
            self.candidates.iter().map(|(&slot, &worth)| (slot, worth)).collect();
        rest.retain(|(slot, _)| !kept.contains(slot));
        rest.sort_by(|a, b| a.1.order(&b.1));
        for (slot, _) in rest {
            let mut more = kept.clone();
            more.insert(slot);
            if self.try_keeping(&more)?.bytes <= self.limit {
                kept = more;
            }
        }
        Ok(kept)
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
        let (len, _) = place(cx.steps(), cx.buffers());
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
        }
    }

    /// What the way there makes and the way back reads.
    fn candidates(&self) -> BTreeMap<Slot, Worth> {
        let (there, back) = self.steps.split_at(self.turn);
        let read: BTreeSet<Slot> = back.iter().flat_map(|step| &step.reads).copied().collect();
        let made = self.named.iter().filter(|slot| read.contains(slot));
        let worth = made.map(|&slot| {
            let makers = there.iter().filter(|step| step.writes.contains(&slot));
            (slot, Worth { bytes: self.shared[&slot], work: makers.map(|step| self.work_of(step)).sum() })
        });
        worth.collect()
    }

    /// What a step takes, with those that make what it reads and nobody has a name for.
    fn work_of(&self, step: &Footprint) -> u64 {
        let parts =
            step.reads.iter().filter(|slot| self.shared.contains_key(slot) && !self.named.contains(slot));
        let makers = parts.flat_map(|slot| self.steps.iter().filter(|step| step.writes.contains(slot)));
        step.work + makers.map(|maker| maker.work).sum::<u64>()
    }

    /// Whether a buffer of the way there waits for the way back where most is in use.
    fn is_idle_at_peak(&self, slot: Slot) -> bool {
        let (there, back) = self.steps.split_at(self.turn);
        let last = there.iter().rposition(|step| step.touches(slot));
        let first = back.iter().position(|step| step.touches(slot));
        match (last, first) {
            (Some(last), Some(first)) => last < self.peak && self.peak < self.turn + first,
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
