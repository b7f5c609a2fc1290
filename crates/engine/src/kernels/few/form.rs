//! The forms in which a value lies.

use std::collections::BTreeMap;
use std::ops::Range;

use graph::ValueId;

use super::convert;
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::lower::Lowering;
use crate::step::{Access, Pieces};

/// How the numbers of a value with one row per example lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// `[channel][position][example]`, the examples padded to whole vectors: as every other kernel has it.
    Lanes,
    /// `[example][channel][position]`: as examples come in.
    Rows,
    /// `[example][position][channel]`: the few channels of an image, side by side.
    Pixels,
    /// `[example][position][channel]`, the channels padded to whole vectors; what lies in the padding is undefined.
    Maps,
}

/// What a plan for few examples is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Its constants stay as they are.
    Inference,
    /// They change from step to step, or may.
    Learning,
}

/// The values of a plan for few examples that lie in rows or maps.
pub(crate) struct Forms {
    batch: usize,
    purpose: Purpose,
    slots: BTreeMap<(ValueId, Form), Slot>,
}

/// The lengths of a value per example: its first dimension, and the product of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub(crate) channels: usize,
    pub(crate) positions: usize,
}

impl Lengths {
    /// Those of a value; `None` unless it has a row per example.
    pub(crate) fn of(cx: &Lowering<'_>, value: ValueId) -> Option<Self> {
        let dims = cx.feature_dims(value)?;
        let channels = dims.first().copied().unwrap_or(1);
        Some(Lengths { channels, positions: dims.iter().skip(1).product() })
    }

    /// Whether rows and maps of these lengths are one.
    fn is_row(self) -> bool {
        self.positions == 1 && self.padded() == self.channels
    }

    /// Vectors of channels.
    pub(super) fn vectors(self) -> usize {
        self.channels.div_ceil(ALIGNMENT)
    }

    /// Channels rounded up to whole vectors.
    pub(in crate::kernels) fn padded(self) -> usize {
        self.channels.next_multiple_of(ALIGNMENT)
    }
}

/// Distances between neighbours, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strides {
    pub(super) example: usize,
    pub(super) channel: usize,
    pub(super) position: usize,
}

impl Form {
    pub(super) fn strides(self, lengths: Lengths, lanes: usize) -> Strides {
        let Lengths { channels, positions } = lengths;
        match self {
            Form::Lanes => Strides { example: 1, channel: positions * lanes, position: lanes },
            Form::Rows => Strides { example: channels * positions, channel: positions, position: 1 },
            Form::Pixels => Strides { example: channels * positions, channel: 1, position: channels },
            Form::Maps => {
                let padded = lengths.padded();
                Strides { example: positions * padded, channel: 1, position: padded }
            }
        }
    }
}

impl Forms {
    /// No values yet, in a plan for up to `batch` examples.
    pub(super) fn new(batch: usize, purpose: Purpose) -> Self {
        Forms { batch, purpose, slots: BTreeMap::new() }
    }

    /// What the plan is for.
    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// A form that the value lies in, if it does: the source of its lanes.
    pub(crate) fn any(&self, value: ValueId) -> Option<(Form, Slot)> {
        [Form::Rows, Form::Maps].into_iter().find_map(|form| Some((form, *self.slots.get(&(value, form))?)))
    }

    fn len(&self, form: Form, lengths: Lengths) -> usize {
        match form {
            Form::Lanes => panic!("the lowering knows the lengths of lanes"),
            Form::Rows | Form::Pixels => self.batch * lengths.channels * lengths.positions,
            Form::Maps => self.batch * lengths.positions * lengths.padded(),
        }
    }
}

/// The most examples of a batch.
pub(in crate::kernels) fn batch(cx: &Lowering<'_>) -> usize {
    cx.few.as_ref().map_or(0, |forms| forms.batch)
}

/// Gives `value`, of as many numbers per example, the memory of `of` in a form.
pub(super) fn alias(cx: &mut Lowering<'_>, value: ValueId, of: ValueId, form: Form) {
    let slot = have(cx, of, form);
    forms(cx).slots.insert((value, form), slot);
}

/// Whether a value lies in maps already.
pub(in crate::kernels) fn is_map(cx: &Lowering<'_>, value: ValueId) -> bool {
    cx.few.as_ref().is_some_and(|forms| forms.slots.contains_key(&(value, Form::Maps)))
}

/// Whether a value lies in rows and not in maps.
pub(super) fn is_row(cx: &Lowering<'_>, value: ValueId) -> bool {
    let rows = cx.few.as_ref().is_some_and(|forms| forms.slots.contains_key(&(value, Form::Rows)));
    rows && !is_map(cx, value)
}

/// Whether a value has been computed where the walk stands.
pub(super) fn is_made(cx: &Lowering<'_>, value: ValueId) -> bool {
    cx.few.as_ref().is_some_and(|forms| forms.any(value).is_some()) || cx.has_slot(value)
}

/// The memory that a value is made in, in rows or maps.
pub(in crate::kernels) fn make(cx: &mut Lowering<'_>, value: ValueId, form: Form) -> Slot {
    let lengths = Lengths::of(cx, value).expect("only values with a row per example are made here");
    let len = forms(cx).len(form, lengths);
    let slot = cx.temporary(len);
    forms(cx).slots.insert((value, form), slot);
    slot
}

/// The memory of a value in rows or maps, converted if it lies otherwise. The value has been computed.
pub(in crate::kernels) fn have(cx: &mut Lowering<'_>, value: ValueId, form: Form) -> Slot {
    if let Some(&slot) = forms(cx).slots.get(&(value, form)) {
        return slot;
    }
    let from = match forms(cx).any(value) {
        // Whole vectors of numbers at one position lie alike in both.
        Some((_, slot)) if form != Form::Pixels && Lengths::of(cx, value).is_some_and(Lengths::is_row) => {
            forms(cx).slots.insert((value, form), slot);
            return slot;
        }
        Some(from) => from,
        None => (Form::Lanes, cx.slot(value)),
    };
    let to = make(cx, value, form);
    convert::push(cx, value, from, (form, to));
    to
}

/// A value of one number per feature with the features of an example side by side, in maps if it lies there.
pub(super) fn side_by_side(cx: &mut Lowering<'_>, value: ValueId) -> (Slot, Strides) {
    let form = if is_map(cx, value) { Form::Maps } else { Form::Rows };
    let strides = form.strides(Lengths::of(cx, value).expect("a value per example"), cx.lanes);
    (have(cx, value, form), strides)
}

/// Of items that are as many for `each` example, one example after the other: the examples of a range, without those that are not
/// there, and which of their items are in it.
pub(super) fn by_example(
    range: Range<usize>,
    each: usize,
    live: usize,
) -> impl Iterator<Item = (usize, (usize, usize))> {
    let each = each.max(1);
    let examples = range.start / each..live.min(range.end.div_ceil(each));
    let inside =
        move |item: usize, example: usize| item.clamp(example * each, (example + 1) * each) - example * each;
    examples.map(move |example| (example, (inside(range.start, example), inside(range.end, example))))
}

/// The access of a step whose pieces read their own features of each example of a value as [`side_by_side`] gives it.
pub(super) fn read_own_row(x: Slot, strides: Strides, features: &Pieces, batch: usize) -> Access {
    match strides.channel {
        1 => Access::read_own(x, features, 1).of_rows(batch),
        _ => Access::read(x),
    }
}

/// Memory for `len` elements of each example, for the course of one batch.
pub(super) fn temporary(cx: &mut Lowering<'_>, len: usize) -> Slot {
    let batch = forms(cx).batch;
    cx.temporary(batch * len)
}

/// Adds the step that fills the lanes of `value`, just made, from another form, if the value lies in one.
pub(crate) fn fill_lanes(cx: &mut Lowering<'_>, value: ValueId, lanes: Slot) {
    if let Some(from) = cx.few.as_ref().and_then(|forms| forms.any(value)) {
        convert::push(cx, value, from, (Form::Lanes, lanes));
    }
}

fn forms<'a>(cx: &'a mut Lowering<'_>) -> &'a mut Forms {
    cx.few.as_mut().expect("only plans for few examples come here")
}
