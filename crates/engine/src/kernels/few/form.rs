//! The forms in which a value lies, and the step that turns one into another.

use std::collections::BTreeMap;

use graph::ValueId;

use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::layout::repeat_first;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

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
pub(super) struct Lengths {
    pub(super) channels: usize,
    pub(super) positions: usize,
}

impl Lengths {
    /// Those of a value; `None` unless it has a row per example.
    pub(super) fn of(cx: &Lowering<'_>, value: ValueId) -> Option<Self> {
        let dims = cx.feature_dims(value)?;
        let channels = dims.first().copied().unwrap_or(1);
        Some(Lengths { channels, positions: dims.iter().skip(1).product() })
    }

    /// Whether rows and maps of these lengths are one.
    fn is_row(self) -> bool {
        self.positions == 1 && self.padded() == self.channels
    }

    /// Channels rounded up to whole vectors.
    pub(super) fn padded(self) -> usize {
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
pub(super) fn batch(cx: &Lowering<'_>) -> usize {
    cx.few.as_ref().map_or(0, |forms| forms.batch)
}

/// Gives `value`, of as many numbers per example, the memory of `of` in a form.
pub(super) fn alias(cx: &mut Lowering<'_>, value: ValueId, of: ValueId, form: Form) {
    let slot = have(cx, of, form);
    forms(cx).slots.insert((value, form), slot);
}

/// Whether a value lies in maps already.
pub(super) fn is_map(cx: &Lowering<'_>, value: ValueId) -> bool {
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
pub(super) fn make(cx: &mut Lowering<'_>, value: ValueId, form: Form) -> Slot {
    let lengths = Lengths::of(cx, value).expect("only values with a row per example are made here");
    let len = forms(cx).len(form, lengths);
    let slot = cx.temporary(len);
    forms(cx).slots.insert((value, form), slot);
    slot
}

/// The memory of a value in rows or maps, converted if it lies otherwise. The value has been computed.
pub(super) fn have(cx: &mut Lowering<'_>, value: ValueId, form: Form) -> Slot {
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
    convert(cx, value, from, (form, to));
    to
}

/// A value of one number per feature with the features of an example side by side, in maps if it lies there.
pub(super) fn side_by_side(cx: &mut Lowering<'_>, value: ValueId) -> (Slot, Strides) {
    let form = if is_map(cx, value) { Form::Maps } else { Form::Rows };
    let strides = form.strides(Lengths::of(cx, value).expect("a value per example"), cx.lanes);
    (have(cx, value, form), strides)
}

/// Memory for `len` elements of each example, for the course of one batch.
pub(super) fn temporary(cx: &mut Lowering<'_>, len: usize) -> Slot {
    let batch = forms(cx).batch;
    cx.temporary(batch * len)
}

/// Adds the step that fills the lanes of `value`, just made, from another form, if the value lies in one.
pub(crate) fn fill_lanes(cx: &mut Lowering<'_>, value: ValueId, lanes: Slot) {
    if let Some(from) = cx.few.as_ref().and_then(|forms| forms.any(value)) {
        convert(cx, value, from, (Form::Lanes, lanes));
    }
}

fn forms<'a>(cx: &'a mut Lowering<'_>) -> &'a mut Forms {
    cx.few.as_mut().expect("only plans for few examples come here")
}

fn convert(cx: &mut Lowering<'_>, value: ValueId, from: (Form, Slot), to: (Form, Slot)) {
    let lengths = Lengths::of(cx, value).expect("only values with a row per example have forms");
    let lanes = cx.lanes;
    let elements = lengths.channels * lengths.positions * forms(cx).batch;
    let pieces = Pieces::of(lengths.channels, elements * 64);
    let gradient = cx.is_gradient(value);
    cx.push(Convert { from, to, lengths, lanes, gradient, pieces });
}

/// Copies a value from one form to another; lanes without an example repeat the first one, or are zero in a gradient.
struct Convert {
    from: (Form, Slot),
    to: (Form, Slot),
    lengths: Lengths,
    lanes: usize,
    gradient: bool,
    pieces: Pieces,
}

impl Step for Convert {
    fn name(&self) -> String {
        let Lengths { channels, positions } = self.lengths;
        format!("{:?} to {:?} {channels}x{positions}", self.from.0, self.to.0)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read(self.from.1), Access::write(self.to.1)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let (from, to) =
            (self.from.0.strides(self.lengths, self.lanes), self.to.0.strides(self.lengths, self.lanes));
        let (x, y) = (cx.memory.at(self.from.1).cast_const(), cx.memory.at(self.to.1));
        for channel in self.pieces.range(piece) {
            for example in 0..cx.live() {
                // SAFETY: both buffers hold this channel of this example; the channel belongs to this piece.
                unsafe {
                    let mut x = x.add(example * from.example + channel * from.channel);
                    let mut y = y.add(example * to.example + channel * to.channel);
                    for _ in 0..self.lengths.positions {
                        *y = *x;
                        x = x.wrapping_add(from.position);
                        y = y.wrapping_add(to.position);
                    }
                }
            }
            if self.to.0 == Form::Lanes {
                // SAFETY: the lanes of this channel belong to this piece.
                let lanes = unsafe {
                    let len = self.lengths.positions * self.lanes;
                    std::slice::from_raw_parts_mut(y.add(channel * to.channel), len)
                };
                lanes.chunks_exact_mut(self.lanes).for_each(|feature| match self.gradient {
                    true => feature[cx.live()..].fill(0.0),
                    false => repeat_first(feature, cx.live()),
                });
            }
        }
    }
}
