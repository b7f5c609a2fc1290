//! Loading: the rows of a batch, turned so that the batch lies innermost, and their targets.

use std::ops::Range;

use graph::ValueId;

use super::memory::{Lines, Slot};
use super::preprocessing::Preprocessing;
use super::simd::{Simd, dispatch};
use crate::feed::{Rows, Targets};
use crate::layout::repeat_first;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `x[feature][lane] = preprocessing(rows[lane][feature])`; lanes without an example repeat the first one.
struct LoadRows {
    x: Slot,
    preprocessing: Preprocessing,
    pieces: Pieces,
    lanes: usize,
}

impl Step for LoadRows {
    fn name(&self) -> String {
        format!("load {}{}", self.pieces.total(), self.preprocessing.name())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::write_own(self.x, &self.pieces, self.lanes)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    fn stays_together(&self) -> bool {
        true
    }

    /// All features of one thread together: what it reads of an example is one stretch of memory.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let range = self.pieces.span(pieces);
        assert_eq!(
            cx.batch.feed.row_len,
            self.pieces.total(),
            "rows have as many elements as the graph's input"
        );
        // SAFETY: features `range` of `x` belong to these pieces.
        let x = unsafe {
            let start = cx.memory.at(self.x).add(range.start * self.lanes);
            std::slice::from_raw_parts_mut(start, range.len() * self.lanes)
        };
        let job = Job {
            rows: cx.batch.rows,
            row_len: cx.batch.feed.row_len,
            range,
            lanes: self.lanes,
            preprocessing: &self.preprocessing,
        };
        // SAFETY: the level is the processor's.
        unsafe {
            match cx.batch.feed.rows {
                Rows::U8(values) => {
                    dispatch!(cx.level => load::<S, u8>(values: &[u8], job: Job<'_>, x: &mut [f32]));
                }
                Rows::F32(values) => {
                    dispatch!(cx.level => load::<S, f32>(values: &[f32], job: Job<'_>, x: &mut [f32]));
                }
            }
        }
        if cx.live() < self.lanes {
            x.chunks_exact_mut(self.lanes).for_each(|feature| repeat_first(feature, cx.live()));
        }
    }
}

/// What is loaded: the features `range` of the examples in `rows`.
struct Job<'a> {
    rows: &'a [u32],
    row_len: usize,
    range: Range<usize>,
    lanes: usize,
    preprocessing: &'a Preprocessing,
}

/// An element of a row.
trait Element: Copy {
    fn number(self) -> f32;
}

impl Element for u8 {
    #[inline(always)]
    fn number(self) -> f32 {
        f32::from(self)
    }
}

impl Element for f32 {
    #[inline(always)]
    fn number(self) -> f32 {
        self
    }
}

/// Features are taken in blocks that fill a cache line's worth of bytes of each row.
const FEATURE_BLOCK: usize = 64;

/// Examples that are turned together: the widest vector.
const EXAMPLES: usize = 16;

/// `x[feature][lane + example] = numbers[example][feature]` for `count` examples.
#[inline(always)]
unsafe fn turn_block<S: Simd>(
    numbers: &[f32],
    x: &mut [f32],
    features: usize,
    count: usize,
    lane: usize,
    lanes: usize,
) {
    assert!(
        numbers.len() == EXAMPLES * FEATURE_BLOCK && x.len() == features * lanes && features <= FEATURE_BLOCK
    );
    assert!(lane + count.next_multiple_of(S::WIDTH) <= lanes && count <= EXAMPLES);
    let whole = features / S::WIDTH * S::WIDTH;
    for example in (0..count).step_by(S::WIDTH) {
        for feature in (0..whole).step_by(S::WIDTH) {
            // SAFETY: both squares lie inside of the slices, as asserted above.
            unsafe {
                let from = numbers.as_ptr().add(example * FEATURE_BLOCK + feature);
                S::turn(from, FEATURE_BLOCK, x.as_mut_ptr().add(feature * lanes + lane + example), lanes);
            }
        }
    }
    for feature in whole..features {
        for example in 0..count {
            x[feature * lanes + lane + example] = numbers[example * FEATURE_BLOCK + feature];
        }
    }
}

/// Asks for the bytes `start..end` of the rows: they lie all over the data set, and it takes long until the first of a line comes.
#[inline(always)]
unsafe fn ask_for_rows<S: Simd>(first: *const u8, rows: &[u32], row_bytes: usize, start: usize, end: usize) {
    for &row in rows {
        for byte in (start..end + LINE).step_by(LINE) {
            // SAFETY: a hint reads nothing.
            unsafe { S::prefetch(first.wrapping_add(row as usize * row_bytes + byte.min(end)).cast()) };
        }
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for the features `range` of the rows of a batch.
pub(super) fn ask_for(cx: &Context<'_>, range: Range<usize>) {
    let (first, size) = match cx.batch.feed.rows {
        Rows::U8(values) => (values.as_ptr(), size_of::<u8>()),
        Rows::F32(values) => (values.as_ptr().cast(), size_of::<f32>()),
    };
    let (level, rows) = (cx.level, cx.batch.rows);
    let [row_bytes, start, end] = [cx.batch.feed.row_len, range.start, range.end].map(|count| count * size);
    // SAFETY: the level is the processor's; what is asked for is not read.
    unsafe {
        dispatch!(level => ask_for_rows::<S>(first: *const u8, rows: &[u32], row_bytes: usize, start: usize, end: usize));
    }
}

/// Loads a few examples at a time, block by block of features, with those that come next asked for meanwhile.
#[inline(always)]
unsafe fn load<S: Simd, T: Element>(values: &[T], job: Job<'_>, x: &mut [f32]) {
    let Job { rows, row_len, range, lanes, preprocessing } = job;
    let ask = |rows: &[u32], features: Range<usize>| {
        let [row, start, end] = [row_len, features.start, features.end].map(|at| at * size_of::<T>());
        let rows = &rows[..rows.len().min(EXAMPLES)];
        // SAFETY: the caller is compiled for the instruction set.
        unsafe { ask_for_rows::<S>(values.as_ptr().cast(), rows, row, start, end) };
    };
    ask(rows, range.clone());
    let mut numbers = Lines::<{ EXAMPLES * FEATURE_BLOCK }>::new();
    let numbers = numbers.zeroed();
    for lane in (0..rows.len()).step_by(EXAMPLES) {
        let (some, behind) = rows[lane..].split_at(EXAMPLES.min(rows.len() - lane));
        for block in range.clone().step_by(FEATURE_BLOCK) {
            let features = range.end.min(block + FEATURE_BLOCK) - block;
            ask(behind, block..block + features);
            for (numbers, &row) in numbers.chunks_exact_mut(FEATURE_BLOCK).zip(some) {
                let (numbers, at) = (&mut numbers[..features], row as usize * row_len + block);
                let values = &values[at..at + features];
                numbers.iter_mut().zip(values).for_each(|(to, value)| *to = value.number());
                // SAFETY: the caller is compiled for the instruction set.
                unsafe { preprocessing.apply::<S>(numbers, block) };
            }
            let x = &mut x[(block - range.start) * lanes..][..features * lanes];
            // SAFETY: as above.
            unsafe { turn_block::<S>(numbers, x, features, some.len(), lane, lanes) };
        }
    }
}

/// `target[lane]`: the class number or the value each example should be answered with.
struct LoadTargets {
    target: Slot,
    pieces: Pieces,
}

impl Step for LoadTargets {
    fn name(&self) -> String {
        "load targets".to_owned()
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::write(self.target)]
    }

    fn run(&self, _: usize, cx: &Context<'_>) {
        // SAFETY: serial, and nobody else touches the targets meanwhile.
        let target = unsafe { cx.memory.slice_mut(self.target) };
        target.fill(0.0);
        let rows = cx.batch.rows.iter().map(|&row| row as usize);
        match cx.batch.feed.targets {
            Targets::None => {}
            Targets::Classes(classes) | Targets::Taught { classes, .. } => {
                target.iter_mut().zip(rows).for_each(|(lane, row)| *lane = classes[row] as f32)
            }
            Targets::Values(values) => {
                target.iter_mut().zip(rows).for_each(|(lane, row)| *lane = values[row])
            }
        }
    }
}

/// `teacher[class][lane] = scores[row][class]`; lanes without an example repeat the first one.
struct LoadTeacher {
    teacher: Slot,
    pieces: Pieces,
    known: usize,
    lanes: usize,
}

impl Step for LoadTeacher {
    fn name(&self) -> String {
        format!("load teacher {}", self.known)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::write(self.teacher)]
    }

    fn run(&self, _: usize, cx: &Context<'_>) {
        let Targets::Taught { scores, known, .. } = cx.batch.feed.targets else {
            panic!("the graph takes a teacher's scores, and the feed has none")
        };
        assert_eq!(known, self.known, "the teacher knows as many classes as the graph takes");
        // SAFETY: serial, and nobody else touches the scores meanwhile.
        let teacher = unsafe { cx.memory.slice_mut(self.teacher) };
        for (class, lanes) in teacher.chunks_exact_mut(self.lanes).enumerate() {
            let rows = cx.batch.rows.iter().map(|&row| scores[row as usize * known + class]);
            lanes.iter_mut().zip(rows).for_each(|(lane, score)| *lane = score);
            repeat_first(lanes, cx.live());
        }
    }
}

/// Adds the loading steps: the graph's first input is the example (unless it is `loaded` already), its second, if there is one,
/// the target, its third a teacher's scores.
pub(crate) fn lower_inputs(cx: &mut Lowering<'_>, loaded: bool) {
    let inputs: Vec<ValueId> = cx.graph.inputs.iter().copied().filter(|&input| cx.is_lanes(input)).collect();
    let lanes = cx.lanes;
    if let Some(&input) = inputs.first().filter(|_| !loaded) {
        let features = cx.features(input).expect("has lanes");
        let (value, preprocessing) = Preprocessing::behind(cx, input);
        let x = cx.slot(value);
        let pieces = Pieces::of(features, features * lanes * 16);
        cx.set_cut(value, pieces.clone());
        cx.push(LoadRows { x, preprocessing, pieces, lanes });
    }
    if let Some(&target) = inputs.get(1) {
        let target = cx.slot(target);
        cx.push(LoadTargets { target, pieces: Pieces::serial(1) });
    }
    if let Some(&teacher) = inputs.get(2) {
        let known = cx.features(teacher).expect("has lanes");
        let teacher = cx.slot(teacher);
        cx.push(LoadTeacher { teacher, pieces: Pieces::serial(1), known, lanes });
    }
}
