//! What a slice takes: shared by Slice and its gradient.

use tensor::{Dim, Shape, Tensor};

use crate::operator::axis_of;
use crate::ops::{movement, settings};
use crate::{Call, Formal, Inference, OpError};

/// Starts, ends, axes and steps as given, the inputs of a slice from `FIRST` on.
pub(crate) struct Slices {
    starts: Vec<i64>,
    ends: Vec<i64>,
    axes: Option<Vec<i64>>,
    steps: Option<Vec<i64>>,
}

/// The formal inputs that say what a slice takes.
pub(crate) const FORMALS: [Formal; 4] = [
    Formal::required("starts", "int64 constant, first index per axis, negative from the end"),
    Formal::required("ends", "int64 constant, index after the last one, negative from the end"),
    Formal::optional("axes", "int64 constant, negative from the end; the first ones if absent"),
    Formal::optional("steps", "int64 constant, not 0, negative backwards; 1 if absent"),
];

/// One axis of a slice.
pub(crate) struct Run {
    start: usize,
    count: usize,
    step: i64,
}

impl Slices {
    /// Reads the constant inputs from input `first` on.
    pub(crate) fn infer(cx: &Inference<'_>, first: usize) -> Result<Self, OpError> {
        let required = |index| settings::integers(cx, index).map(Option::unwrap_or_default);
        Ok(Slices {
            starts: required(first)?,
            ends: required(first + 1)?,
            axes: settings::integers(cx, first + 2)?,
            steps: settings::integers(cx, first + 3)?,
        })
    }

    /// Reads the inputs from input `first` on when the graph runs.
    pub(crate) fn given(cx: &Call<'_>, first: usize) -> Self {
        Slices {
            starts: settings::given(cx, first).unwrap_or_default(),
            ends: settings::given(cx, first + 1).unwrap_or_default(),
            axes: settings::given(cx, first + 2),
            steps: settings::given(cx, first + 3),
        }
    }

    /// What is taken along each axis of `shape`; `None` where all of it is.
    fn runs(&self, shape: &Shape) -> Result<Vec<Option<Run>>, OpError> {
        let count = self.starts.len();
        let axes = self.axes.clone().unwrap_or_else(|| (0..count as i64).collect());
        let steps = self.steps.clone().unwrap_or_else(|| vec![1; count]);
        if [self.ends.len(), axes.len(), steps.len()] != [count; 3] {
            return Err(OpError::new(format!(
                "starts, ends, axes and steps should be equally many, found {count}, {}, {} and {}",
                self.ends.len(),
                axes.len(),
                steps.len()
            )));
        }
        settings::axes(&axes, shape.rank())?;
        let mut runs: Vec<Option<Run>> = (0..shape.rank()).map(|_| None).collect();
        for (index, &axis) in axes.iter().enumerate() {
            let axis = axis_of(axis, shape.rank())?;
            runs[axis] = run(&shape.0[axis], self.starts[index], self.ends[index], steps[index])?;
        }
        Ok(runs)
    }

    /// The shape that is taken from `shape`.
    pub(crate) fn shape(&self, shape: &Shape) -> Result<Shape, OpError> {
        let runs = self.runs(shape)?;
        let dims = runs.iter().zip(&shape.0);
        Ok(Shape(
            dims.map(|(run, dim)| run.as_ref().map_or(dim.clone(), |run| Dim::Known(run.count))).collect(),
        ))
    }

    /// The shape that is taken from an array of `shape`, and the offsets of its elements there.
    pub(crate) fn offsets(&self, shape: &[usize]) -> Result<(Vec<usize>, Vec<usize>), OpError> {
        let runs = self.runs(&Shape::known(shape))?;
        let strides = movement::strides(shape);
        let (mut start, mut lengths, mut steps) = (0, Vec::new(), Vec::new());
        for (axis, run) in runs.into_iter().enumerate() {
            let run = run.unwrap_or(Run { start: 0, count: shape[axis], step: 1 });
            start += run.start * strides[axis];
            lengths.push(run.count);
            // A single element needs no step; more than one bound the step by the length.
            steps.push(if run.count > 1 { run.step as isize * strides[axis] as isize } else { 0 });
        }
        let offsets = movement::walk(start, &lengths, &steps);
        Ok((lengths, offsets))
    }
}

/// What is taken along an axis of length `dim`; `None` if all of it.
fn run(dim: &Dim, start: i64, end: i64, step: i64) -> Result<Option<Run>, OpError> {
    if step == 0 {
        return Err(OpError::new("a step of 0 leads nowhere"));
    }
    let Some(length) = dim.known() else {
        return match (start, step) {
            (0, 1) if end >= i32::MAX as i64 => Ok(None),
            _ => Err(OpError::new(format!("length {dim} is not known, so only all of it can be taken"))),
        };
    };
    let length = length as i64;
    let from_end = |index: i64| if index < 0 { index + length } else { index };
    let (start, end) = (from_end(start), from_end(end));
    let (start, distance) = if step > 0 {
        let start = start.clamp(0, length);
        (start, end.clamp(0, length) - start)
    } else {
        let start = start.clamp(0, (length - 1).max(0));
        (start, start - end.clamp(-1, length - 1))
    };
    let count =
        if distance <= 0 || length == 0 { 0 } else { (distance as u64 - 1) / step.unsigned_abs() + 1 };
    Ok(Some(Run { start: start as usize, count: count as usize, step }))
}

/// `values` put at `offsets` of zeros in `shape`, added where they meet.
pub(crate) fn scatter(like: &Tensor, offsets: &[usize], values: &[f64]) -> Tensor {
    let mut sums = vec![0.0; like.len()];
    offsets.iter().zip(values).for_each(|(&at, value)| sums[at] += value);
    Tensor::from_f64(like.dtype(), like.shape(), &sums)
}
