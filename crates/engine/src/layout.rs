//! How values lie in memory.

use tensor::{DType, Dim, Shape, Tensor};

use crate::kernels::memory::ALIGNMENT;

/// The dimension whose length is the number of examples.
pub(crate) const BATCH: &str = "batch";

/// Rows whose starts are a multiple of this many elements apart meet in few sets of the first-level cache. Kernels of convolutions
/// walk down the rows, so theirs are kept apart.
const CROWDED: usize = 128;

/// How a value lies in memory; every element is an `f32`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One value per example: `[feature...][lane]`, the batch innermost.
    Lanes {
        /// The dimensions behind the batch.
        features: Vec<usize>,
    },
    /// A value of its own, such as a weight: rows that start at vector boundaries.
    Plain(Plain),
}

/// Rows of `cols` elements, `stride` apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) shape: Vec<usize>,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) stride: usize,
    /// Whether a matrix lies with its columns as rows.
    pub(crate) transposed: bool,
}

impl Layout {
    /// The layout of a value of `shape`, or the dimension that stands in the way.
    pub(crate) fn of(shape: &Shape, transposed: bool) -> Result<Self, Dim> {
        let known = |dims: &[Dim]| {
            dims.iter().map(|dim| dim.known().ok_or_else(|| dim.clone())).collect::<Result<Vec<_>, _>>()
        };
        match shape.0.first() {
            Some(Dim::Symbol(name)) if name == BATCH => Ok(Layout::Lanes { features: known(&shape.0[1..])? }),
            _ => Ok(Layout::Plain(Plain::of(known(&shape.0)?, transposed))),
        }
    }

    /// Elements of memory, with `lanes` lanes.
    pub(crate) fn len(&self, lanes: usize) -> usize {
        match self {
            Layout::Lanes { features } => features.iter().product::<usize>() * lanes,
            Layout::Plain(plain) => plain.rows * plain.stride,
        }
    }
}

impl Plain {
    fn of(shape: Vec<usize>, transposed: bool) -> Self {
        let (rows, cols) = match shape.as_slice() {
            [] => (1, 1),
            [cols] => (1, *cols),
            [rows, rest @ ..] => (*rows, rest.iter().product()),
        };
        let (rows, cols) = if transposed { (cols, rows) } else { (rows, cols) };
        let mut stride = cols.next_multiple_of(ALIGNMENT);
        if shape.len() > 2 && stride.is_multiple_of(CROWDED) {
            stride += ALIGNMENT;
        }
        Plain { shape, rows, cols, stride, transposed }
    }

    /// Writes `tensor` to `memory`; the padding of the rows becomes zero.
    pub(crate) fn write(&self, tensor: &Tensor, memory: &mut [f32]) {
        let tensor = tensor.cast(DType::F32);
        let values = tensor.values::<f32>();
        memory.fill(0.0);
        for row in 0..self.rows {
            for col in 0..self.cols {
                memory[row * self.stride + col] = values[self.index(row, col)];
            }
        }
    }

    /// The tensor in `memory`.
    pub(crate) fn read(&self, memory: &[f32]) -> Tensor {
        let mut values = vec![0.0f32; self.rows * self.cols];
        for row in 0..self.rows {
            for col in 0..self.cols {
                values[self.index(row, col)] = memory[row * self.stride + col];
            }
        }
        Tensor::new(self.shape.clone(), values)
    }

    fn index(&self, row: usize, col: usize) -> usize {
        if self.transposed { col * self.rows + row } else { row * self.cols + col }
    }
}

/// The tensor of the first `live` examples in `memory`.
pub(crate) fn read_lanes(features: &[usize], lanes: usize, live: usize, memory: &[f32]) -> Tensor {
    let count: usize = features.iter().product();
    let mut shape = vec![live];
    shape.extend(features);
    let values =
        (0..live).flat_map(|lane| (0..count).map(move |feature| memory[feature * lanes + lane])).collect();
    Tensor::new(shape, values)
}

/// Writes a tensor of `live` examples to `memory`; the other lanes become zero.
pub(crate) fn write_lanes(tensor: &Tensor, lanes: usize, live: usize, memory: &mut [f32]) {
    let tensor = tensor.cast(DType::F32);
    let values = tensor.values::<f32>();
    let count = values.len() / live.max(1);
    for feature in 0..count {
        for lane in 0..lanes {
            memory[feature * lanes + lane] = if lane < live { values[lane * count + feature] } else { 0.0 };
        }
    }
}

/// Fills the lanes of a feature behind the last of `live` examples with the first example's value.
pub(crate) fn repeat_first(feature: &mut [f32], live: usize) {
    let first = feature[0];
    feature[live..].fill(first);
}
