//! Where the buffers of a program lie, where its threads meet, and which of its steps go through the caches together.

use std::ops::Range;

use crate::kernels::memory::{ALIGNMENT, Places, Slot};
use crate::program::{BufferSpec, Made};
use crate::step::{Access, Mode, Part, Step};

/// From which step to which a buffer is needed; `None` where no step touches it.
type Life = Option<(usize, usize)>;

/// A place for every buffer: persistent ones side by side, those first that no step writes, the others reusing the room of those
/// whose last reader has run, and behind which the threads meet anyway.
pub(crate) fn place(steps: &[Box<dyn Step>], buffers: &[BufferSpec]) -> Places {
    let Places { len: start, fixed, buffers: mut places } = side_by_side(steps, buffers);
    let mut lives = lives(steps, buffers);
    let owners = join(steps, buffers, &mut lives);
    let clash = last_for_phases(steps, buffers, &mut lives);
    let mut order: Vec<usize> =
        (0..buffers.len()).filter(|&index| buffers[index].is_shared() && owners[index] == index).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(buffers[index].len));
    let (mut placed, mut end): (Vec<usize>, usize) = (Vec::new(), start);
    for index in order {
        let Some(life) = lives[index] else { continue };
        let len = buffers[index].len.next_multiple_of(ALIGNMENT);
        let beside = |other: &&usize| lives[**other].is_some_and(|other| clash(life, other));
        let mut taken: Vec<(usize, usize)> =
            placed.iter().filter(beside).map(|&other| places[other]).collect();
        taken.sort_unstable();
        let mut offset = start;
        for (from, size) in taken {
            if from >= offset + len {
                break;
            }
            offset = offset.max(from + size.next_multiple_of(ALIGNMENT));
        }
        places[index] = (offset, buffers[index].len);
        end = end.max(offset + len);
        placed.push(index);
    }
    for index in (0..buffers.len()).filter(|&index| buffers[index].is_shared()) {
        places[index] = places[owners[index]];
    }
    Places { len: end, fixed, buffers: places }
}

/// Places for the buffers that share none with others.
fn side_by_side(steps: &[Box<dyn Step>], buffers: &[BufferSpec]) -> Places {
    let mut written = vec![false; buffers.len()];
    for access in steps.iter().flat_map(|step| step.access()).filter(|access| access.mode == Mode::Write) {
        written[access.slot.0 as usize] = true;
    }
    let mut places = Places { len: 0, fixed: 0, buffers: vec![(0, 0); buffers.len()] };
    for changes in [false, true] {
        for index in (0..buffers.len()).filter(|&index| written[index] == changes) {
            if !buffers[index].is_shared() {
                places.buffers[index] = (places.len, buffers[index].len);
                places.len += buffers[index].len.next_multiple_of(ALIGNMENT);
            }
        }
        if !changes {
            places.fixed = places.len;
        }
    }
    places
}

/// Makes lives as long as the phases in which they begin and end, and gives whether two of them overlap.
fn last_for_phases(
    steps: &[Box<dyn Step>],
    buffers: &[BufferSpec],
    lives: &mut [Life],
) -> impl Fn((usize, usize), (usize, usize)) -> bool + use<> {
    let barriers = find_barriers(steps, &apart(buffers));
    lives.iter_mut().flatten().for_each(|life| {
        *life = (phase(steps, &barriers, life.0).start, phase(steps, &barriers, life.1).end - 1);
    });
    // Where the threads do not meet before the first step, the last phase goes on with the next batch.
    let (first, last) = (barriers.iter().position(|&meets| meets), barriers.iter().rposition(|&meets| meets));
    let around = first.zip(last).filter(|&(first, _)| first > 0);
    move |a, b| {
        let wraps = |a: (usize, usize), b: (usize, usize)| {
            around.is_some_and(|(first, last)| a.0 < first && b.1 >= last)
        };
        a.0 <= b.1 && b.0 <= a.1 || wraps(a, b) || wraps(b, a)
    }
}

/// Places of which none is shared.
fn apart(buffers: &[BufferSpec]) -> Vec<(usize, usize)> {
    let starts = buffers.iter().scan(0, |end, buffer| {
        *end += buffer.len;
        Some(*end - buffer.len)
    });
    starts.zip(buffers).map(|(start, buffer)| (start, buffer.len)).collect()
}

/// The steps that other threads may be at while one is at `step`: those up to the meetings before and behind it. A step that one
/// thread computes is done before that thread goes on.
fn phase(steps: &[Box<dyn Step>], barriers: &[bool], step: usize) -> Range<usize> {
    if steps[step].pieces().is_serial() {
        return step..step + 1;
    }
    let start = (0..=step).rev().find(|&step| barriers[step]).unwrap_or(0);
    let end = (step + 1..steps.len()).find(|&step| barriers[step]).unwrap_or(steps.len());
    start..end
}

fn lives(steps: &[Box<dyn Step>], buffers: &[BufferSpec]) -> Vec<Life> {
    let mut lives: Vec<Life> = vec![None; buffers.len()];
    for (index, step) in steps.iter().enumerate() {
        for access in step.access() {
            let life = lives[access.slot.0 as usize].get_or_insert((index, index));
            life.1 = index;
        }
    }
    lives
}

/// Lets steps write over what nobody reads any more: returns for each buffer the one whose place it has, mostly its own,
/// and makes that one's life as long as those of all that have its place.
fn join(steps: &[Box<dyn Step>], buffers: &[BufferSpec], lives: &mut [Life]) -> Vec<usize> {
    let own = lives.to_vec();
    let mut owners: Vec<usize> = (0..buffers.len()).collect();
    for (index, step) in steps.iter().enumerate() {
        for (written, read) in step.in_place() {
            let (written, read) = (written.0 as usize, read.0 as usize);
            let (Some((first, last)), Some((_, read_last))) = (own[written], own[read]) else { continue };
            let owner = owners[read];
            // The end of the place's life tells whether another buffer has taken it over already.
            let free =
                first == index && read_last == index && lives[owner].is_some_and(|life| life.1 == index);
            let alike = buffers[written].len == buffers[read].len;
            let shared = buffers[written].is_shared() && buffers[read].is_shared();
            if free && alike && shared && owners[written] == written && written != owner {
                owners[written] = owner;
                lives[owner] = lives[owner].map(|life| (life.0, last));
            }
        }
    }
    owners
}

/// Before which steps the threads must meet: where a step touches what another thread may still be writing or
/// reading since the last meeting. The program runs batch after batch, so the walk goes round twice.
pub(crate) fn find_barriers(steps: &[Box<dyn Step>], places: &[(usize, usize)]) -> Vec<bool> {
    let mut barriers = vec![false; steps.len()];
    let mut since: Vec<(Access, bool)> = Vec::new();
    for _round in 0..2 {
        for (index, step) in steps.iter().enumerate() {
            let serial = step.pieces().is_serial();
            let accesses = step.access();
            let clash = accesses.iter().any(|new| {
                since.iter().any(|(old, old_serial)| !(serial && *old_serial) && clashes(new, old, places))
            });
            if clash || barriers[index] {
                barriers[index] = true;
                since.clear();
            }
            since.extend(accesses.into_iter().map(|access| (access, serial)));
        }
    }
    barriers
}

/// Runs of steps that are computed piece by piece: all steps of a run for one piece, then all for the next, so that
/// what one step has made is still in the cache when the next one reads it. The steps of a run are cut into equally many
/// pieces and no thread has to meet another between them, which is to say that no piece touches what another has.
pub(crate) fn find_groups(steps: &[Box<dyn Step>], barriers: &[bool]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let pieces = step.pieces();
        match groups.last_mut() {
            Some(group)
                if !barriers[index]
                    && !pieces.is_serial()
                    && !step.stays_together()
                    && !steps[group.start].stays_together()
                    && steps[group.start].pieces().count() == pieces.count() =>
            {
                group.end = index + 1;
            }
            _ => groups.push(index..index + 1),
        }
    }
    groups
}

/// Moves steps so that those which [`find_groups`] can compute together follow each other. A step that one thread computes, and
/// that has nothing to do with the steps before it that are cut alike, goes ahead of them. A step whose pieces work on what those of
/// an earlier one have made goes right behind it, ahead of one that the threads must meet for. None passes the step at `turn`, and
/// the last stays the last.
pub(crate) fn bring_together(steps: &mut Vec<Box<dyn Step>>, made: &mut Vec<Made>, turn: usize) {
    let order = order_of(steps, turn);
    let mut all: Vec<_> = std::mem::take(steps).into_iter().zip(std::mem::take(made)).map(Some).collect();
    let all = order.into_iter().map(|index| all[index].take().expect("each is named once"));
    (*steps, *made) = all.unzip();
}

/// The order that [`bring_together`] brings steps into.
fn order_of(steps: &[Box<dyn Step>], turn: usize) -> Vec<usize> {
    let access: Vec<Vec<Access>> = steps.iter().map(|step| step.access()).collect();
    let mut order: Vec<usize> = Vec::with_capacity(steps.len());
    // Where the steps begin that are cut as the last one is.
    let mut first = 0;
    for index in 0..steps.len() {
        if index == turn {
            first = index;
        }
        if steps[index].pieces().is_serial() && index + 1 < steps.len() {
            if order[first..].iter().any(|&before| touches(&access, before, index, false)) {
                first = order.len();
            }
            order.insert(first, index);
            first += 1;
            continue;
        }
        let alike = order
            .last()
            .is_some_and(|&last: &usize| steps[last].pieces().count() == steps[index].pieces().count());
        match behind(steps, &access, &order[first..], index) {
            Some(place) => order.insert(first + place, index),
            None => {
                if !alike {
                    first = order.len();
                }
                order.push(index);
            }
        }
    }
    order
}

/// How far a step looks back for one to follow.
const NEAR: usize = 8;

/// The place among `others`, which are before it and cut alike, at which a step follows those that have made what it reads, if the one
/// that stands there makes the threads meet.
fn behind(steps: &[Box<dyn Step>], access: &[Vec<Access>], others: &[usize], index: usize) -> Option<usize> {
    let (count, from) = (steps[index].pieces().count(), others.len().saturating_sub(NEAR));
    let alike = |&other: &usize| steps[other].pieces().count() == count;
    let place = 1 + from + others[from..].iter().rposition(|&other| touches(access, other, index, false))?;
    let ahead = &others[from..place];
    let waits = |&other: &usize| ahead.iter().any(|&before| touches(access, before, other, true));
    let follows = !ahead.iter().any(|&before| touches(access, before, index, true));
    (follows && others[from..].iter().all(alike) && others.get(place).is_some_and(waits)).then_some(place)
}

/// Whether one step writes what another one reads or writes; `across` pieces, if only that counts.
fn touches(access: &[Vec<Access>], a: usize, b: usize, across: bool) -> bool {
    let both = access[a].iter().flat_map(|a| access[b].iter().map(move |b| (a, b)));
    let shared = |(a, b): (&Access, &Access)| {
        let own = a.part == b.part && a.part != Part::Whole;
        a.slot == b.slot && (a.mode, b.mode) != (Mode::Read, Mode::Read) && !(across && own)
    };
    both.into_iter().any(shared)
}

fn clashes(a: &Access, b: &Access, places: &[(usize, usize)]) -> bool {
    if a.mode == Mode::Read && b.mode == Mode::Read {
        return false;
    }
    let range = |slot: Slot| places[slot.0 as usize];
    let ((a_start, a_len), (b_start, b_len)) = (range(a.slot), range(b.slot));
    if a_start + a_len <= b_start || b_start + b_len <= a_start {
        return false;
    }
    match (&a.part, &b.part) {
        // Shares of one place are the same where they are cut alike, whatever buffer has the place meanwhile.
        (Part::Own { .. }, Part::Own { .. }) => (a_start, a_len) != (b_start, b_len) || a.part != b.part,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::SHARED_LEN_MIN;
    use crate::step::{Context, Pieces};

    struct Fake(Pieces, Vec<Access>, Vec<(Slot, Slot)>);

    impl Step for Fake {
        fn name(&self) -> String {
            "fake".to_owned()
        }
        fn pieces(&self) -> &Pieces {
            &self.0
        }
        fn access(&self) -> Vec<Access> {
            self.1.clone()
        }
        fn in_place(&self) -> Vec<(Slot, Slot)> {
            self.2.clone()
        }
        fn run(&self, _: usize, _: &Context<'_>) {}
    }

    fn fake(pieces: &Pieces, access: &[Access]) -> Box<dyn Step> {
        Box::new(Fake(pieces.clone(), access.to_vec(), Vec::new()))
    }

    #[test]
    fn own_shares_need_no_meeting_and_whole_reads_do() {
        let cut = Pieces::of(16, usize::MAX);
        let (a, b) = (Slot(0), Slot(1));
        let steps = vec![
            fake(&cut, &[Access::write_own(a, &cut, 4)]),
            fake(&cut, &[Access::read_own(a, &cut, 4), Access::write_own(b, &cut, 1)]),
            fake(&cut, &[Access::read(b)]),
        ];
        let buffers = [BufferSpec { len: 64, persistent: false }, BufferSpec { len: 16, persistent: false }];
        let places = place(&steps, &buffers).buffers;
        // The third step reads all of `b`; the second writes it again in the next round, behind the first's lack
        // of a clash, so a meeting stands before the second or the third in each direction.
        let barriers = find_barriers(&steps, &places);
        assert_eq!(barriers, [false, true, true]);
        assert_eq!(find_groups(&steps, &barriers), [0..1, 1..2, 2..3]);
    }

    #[test]
    fn steps_of_equal_cuts_go_through_the_cache_together() {
        let (cut, other, serial) = (Pieces::of(16, usize::MAX), Pieces::each(3), Pieces::serial(1));
        let (a, b) = (Slot(0), Slot(1));
        let steps = vec![
            fake(&cut, &[Access::write_own(a, &cut, 4)]),
            fake(&cut, &[Access::read_own(a, &cut, 4)]),
            fake(&cut, &[]),
            fake(&other, &[]),
            fake(&serial, &[Access::write(b)]),
            fake(&serial, &[Access::read(b)]),
        ];
        let buffers = [BufferSpec { len: 64, persistent: false }, BufferSpec { len: 16, persistent: false }];
        let places = place(&steps, &buffers).buffers;
        let barriers = find_barriers(&steps, &places);
        assert_eq!(find_groups(&steps, &barriers), [0..3, 3..4, 4..5, 5..6]);
    }

    #[test]
    fn a_serial_step_goes_ahead_of_steps_that_it_has_nothing_to_do_with() {
        let (cut, serial) = (Pieces::of(16, usize::MAX), Pieces::serial(1));
        let [a, b, c] = [0, 1, 2].map(Slot);
        let steps = vec![
            fake(&serial, &[Access::write(a)]),
            fake(&cut, &[Access::read(a), Access::write_own(b, &cut, 4)]),
            fake(&serial, &[Access::read(a), Access::write(c)]),
            fake(&cut, &[Access::read_own(b, &cut, 4)]),
            fake(&serial, &[Access::read(b)]),
            fake(&serial, &[Access::write(b)]),
            fake(&cut, &[]),
        ];
        assert_eq!(order_of(&steps, usize::MAX), [0, 2, 1, 3, 4, 5, 6]);
        assert_eq!(order_of(&steps, 2), [0, 1, 2, 4, 3, 5, 6]);
    }

    #[test]
    fn a_step_follows_what_it_reads_ahead_of_a_meeting() {
        let (cut, serial) = (Pieces::of(16, usize::MAX), Pieces::serial(1));
        let [a, b, c] = [0, 1, 2].map(Slot);
        let own = |mode: fn(Slot, &Pieces, usize) -> Access, slot: Slot| mode(slot, &cut, 4).of_rows(2);
        let steps = |third: Access| {
            vec![
                fake(&cut, &[own(Access::write_own, a)]),
                fake(&cut, &[Access::read(a), own(Access::write_own, b)]),
                fake(&cut, &[third, own(Access::write_own, c)]),
                fake(&serial, &[Access::read(c)]),
                fake(&serial, &[Access::read(b)]),
            ]
        };
        assert_eq!(order_of(&steps(own(Access::read_own, a)), usize::MAX), [0, 2, 1, 3, 4]);
        // Neither what reads more than its own, nor what has to do with both.
        assert_eq!(order_of(&steps(Access::read_own(a, &cut, 4)), usize::MAX), [0, 1, 2, 3, 4]);
        assert_eq!(order_of(&steps(own(Access::read_own, b)), usize::MAX), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn buffers_of_a_phase_share_no_room() {
        let cut = Pieces::of(16, usize::MAX);
        let [a, b, c] = [0, 1, 2].map(Slot);
        let share = SHARED_LEN_MIN / 16;
        let steps = vec![
            fake(&cut, &[Access::read(b), Access::write_own(a, &cut, share)]),
            fake(&cut, &[Access::read_own(a, &cut, share), Access::write_own(c, &cut, share / 2)]),
            fake(&cut, &[Access::read(c), Access::write_own(b, &cut, share)]),
        ];
        let buffers = [1, 1, 2].map(|size| BufferSpec { len: SHARED_LEN_MIN * size, persistent: false });
        let Places { len, buffers: places, .. } = place(&steps, &buffers);
        // In the room of `a`, `b` would have the threads meet before the third step as well as before it is read.
        assert_eq!(len, 4 * SHARED_LEN_MIN);
        assert_eq!(find_barriers(&steps, &places), [true, false, true]);
    }

    #[test]
    fn serial_steps_follow_each_other_without_meeting() {
        let (serial, a) = (Pieces::serial(4), Slot(0));
        let steps = vec![fake(&serial, &[Access::write(a)]), fake(&serial, &[Access::read(a)])];
        let buffers = [BufferSpec { len: 64, persistent: false }];
        let places = place(&steps, &buffers).buffers;
        assert_eq!(find_barriers(&steps, &places), [false, false]);
    }

    #[test]
    fn buffers_share_room_only_when_their_lives_are_apart() {
        let serial = Pieces::serial(1);
        let slots = [Slot(0), Slot(1), Slot(2)];
        let steps = vec![
            fake(&serial, &[Access::write(slots[0])]),
            fake(&serial, &[Access::read(slots[0]), Access::write(slots[1])]),
            fake(&serial, &[Access::read(slots[1]), Access::write(slots[2])]),
        ];
        let buffers = vec![BufferSpec { len: SHARED_LEN_MIN, persistent: false }; 3];
        let Places { len, buffers: places, .. } = place(&steps, &buffers);
        assert_eq!(len, 2 * SHARED_LEN_MIN);
        assert_ne!(places[0].0, places[1].0);
        assert_ne!(places[1].0, places[2].0);
    }

    #[test]
    fn a_buffer_is_written_over_the_last_of_what_is_read() {
        let cut = Pieces::of(16, usize::MAX);
        let [a, b, c, d] = [0, 1, 2, 3].map(Slot);
        let share = SHARED_LEN_MIN / 16;
        let step = |reads: &[Slot], writes: Slot, over: &[Slot]| -> Box<dyn Step> {
            let reads = reads.iter().map(|&slot| Access::read_own(slot, &cut, share));
            let access = reads.chain([Access::write_own(writes, &cut, share)]).collect();
            Box::new(Fake(cut.clone(), access, over.iter().map(|&read| (writes, read)).collect()))
        };
        let steps =
            vec![step(&[], a, &[]), step(&[], b, &[]), step(&[a, b], c, &[a, b]), step(&[a, c], d, &[c])];
        let buffers = vec![BufferSpec { len: SHARED_LEN_MIN, persistent: false }; 4];
        let Places { len, buffers: places, .. } = place(&steps, &buffers);
        // `a` is read later, so `c` lies over `b`, and `d` over both.
        assert_eq!(len, 2 * SHARED_LEN_MIN);
        assert_eq!(places[1..], [places[1]; 3]);
        let barriers = find_barriers(&steps, &places);
        assert_eq!(barriers, [false; 4]);
    }
}
