//! The data set in memory: questions, answers, and the digests that name them.

use base::{Digest, DigestWriter};
use tensor::{Data, Tensor};

use crate::TargetForm;

/// Checked examples in memory.
///
/// Row `i` of `input`, entry `i` of the target, of `keys` and of the digests belong together.
/// There is at least one row, and all numbers are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// A short name for people: the built-in name or the file's.
    pub name: String,
    /// The questions: `u8` [rows, channels, height, width] for images, `f32` [rows, features] for
    /// tables, `f32` [rows, window, features] for series.
    pub input: Tensor,
    /// What the dimensions of `input` mean.
    pub layout: Layout,
    /// Names of the channels or features.
    pub feature_names: Vec<String>,
    /// The answers.
    pub target: Target,
    /// First row of the test part that the source itself gives; it reaches to the last row.
    pub test_from: Option<u32>,
    /// The order column's text in each example's *target* row, when the source is ordered; ascending.
    pub keys: Option<Vec<String>>,
    /// Whether neighbouring examples share rows of the table, so that a split must keep the order.
    pub overlapping: bool,
    /// Digest of each question: shape and values.
    pub input_digests: Vec<Digest>,
    /// Digest of each example: question and answer (class by *name*).
    pub digests: Vec<Digest>,
}

/// What the dimensions of the input mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// [rows, channels, height, width]
    Image,
    /// [rows, features]
    Table,
    /// [rows, window, features]
    Series,
}

/// The answers of a data set.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// One class per row.
    Classes {
        /// The number of the row's class.
        labels: Vec<u32>,
        /// The name of each class.
        names: Vec<String>,
    },
    /// One number per row.
    Values {
        /// The target column's name.
        name: String,
        /// What is to be learned, in the source's `target_form`.
        values: Vec<f32>,
        /// What a forecast is measured by; present when the answer lies in a later row.
        forecast: Option<Forecast>,
    },
}

/// The target column around each forecast, in its own unit (adjusted where the source says so).
///
/// A prediction `p` in form `Return` means `last * (1 + p)`, in form `Value` it means `p`. The naive
/// forecast of the row is `last`.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// How the learned values relate to the column.
    pub form: TargetForm,
    /// Rows between the question's last row and the answer's.
    pub horizon: usize,
    /// `y[t]`: the column in the question's last row.
    pub last: Vec<f64>,
    /// `y[t + horizon]`: what came.
    pub actual: Vec<f64>,
}

impl Dataset {
    /// Number of examples.
    pub fn rows(&self) -> usize {
        self.digests.len()
    }

    /// Lengths of one example's dimensions, such as [channels, height, width].
    pub fn example_shape(&self) -> &[usize] {
        &self.input.shape()[1..]
    }

    /// The class names, if the answers are classes.
    pub fn class_names(&self) -> Option<&[String]> {
        match &self.target {
            Target::Classes { names, .. } => Some(names),
            Target::Values { .. } => None,
        }
    }

    /// How many of `rows` belong to each class; empty if the answers are numbers.
    pub fn class_counts(&self, rows: impl IntoIterator<Item = u32>) -> Vec<usize> {
        let Target::Classes { labels, names } = &self.target else { return Vec::new() };
        let mut counts = vec![0; names.len()];
        rows.into_iter().for_each(|row| counts[labels[row as usize] as usize] += 1);
        counts
    }

    /// The digest of the whole: all examples in their order, names, and where the test part starts.
    pub fn digest(&self) -> Digest {
        let mut writer = DigestWriter::new("heirloom.dataset.1");
        for name in &self.feature_names {
            writer.field(name.as_bytes());
        }
        writer.field(b"classes");
        for name in self.class_names().unwrap_or_default() {
            writer.field(name.as_bytes());
        }
        writer.field(b"test").field(&self.test_from.unwrap_or(u32::MAX).to_le_bytes());
        for digest in &self.digests {
            writer.field(&digest.0);
        }
        writer.finish()
    }

    /// Digests every row. Called once, when the source has been read.
    pub(crate) fn with_digests(mut self) -> Self {
        self.input_digests = input_digests(&self.input);
        let mut start = DigestWriter::new("heirloom.example.1");
        self.digests = match &self.target {
            Target::Classes { labels, names } => {
                start.field(b"class");
                let each = self.input_digests.iter().zip(labels);
                each.map(|(input, &label)| example(&start, input, names[label as usize].as_bytes())).collect()
            }
            Target::Values { values, .. } => {
                start.field(b"value");
                let each = self.input_digests.iter().zip(values);
                each.map(|(input, value)| example(&start, input, &value.to_le_bytes())).collect()
            }
        };
        self
    }
}

fn example(start: &DigestWriter, input: &Digest, target: &[u8]) -> Digest {
    start.clone().field(&input.0).field(target).finish()
}

/// The digest of each row of `input`, u8 or f32 [rows, ..], whatever its target is.
pub fn input_digests(input: &Tensor) -> Vec<Digest> {
    let rows = input.shape()[0];
    let length = input.shape()[1..].iter().product::<usize>();
    let mut start = DigestWriter::new("heirloom.input.1");
    start.field(input.dtype().name().as_bytes());
    for &dim in &input.shape()[1..] {
        start.field(&(dim as u64).to_le_bytes());
    }
    let mut bytes = Vec::new();
    let digest = |row: usize| {
        let range = row * length..(row + 1) * length;
        match input.data() {
            Data::U8(values) => start.clone().field(&values[range]).finish(),
            Data::F32(values) => {
                bytes.clear();
                bytes.extend(values[range].iter().flat_map(|value| value.to_le_bytes()));
                start.clone().field(&bytes).finish()
            }
            _ => unreachable!("inputs are u8 or f32, found {}", input.dtype()),
        }
    };
    (0..rows).map(digest).collect()
}

/// The rows `rows` of `input`, in that order: [rows.len(), ..]. Panics if a row is out of range or
/// `input` is neither `u8` nor `f32`.
pub fn gather(input: &Tensor, rows: &[u32]) -> Tensor {
    let mut shape = input.shape().to_vec();
    let length = shape[1..].iter().product::<usize>();
    shape[0] = rows.len();
    match input.data() {
        Data::U8(values) => Tensor::new(shape, copy_rows(values, length, rows)),
        Data::F32(values) => Tensor::new(shape, copy_rows(values, length, rows)),
        _ => panic!("inputs are u8 or f32, found {}", input.dtype()),
    }
}

fn copy_rows<T: Copy>(values: &[T], length: usize, rows: &[u32]) -> Vec<T> {
    let mut copied = Vec::with_capacity(rows.len() * length);
    for &row in rows {
        copied.extend_from_slice(&values[row as usize * length..][..length]);
    }
    copied
}
