//! Statistics of the training split, for scaling and standardising.

use tensor::{Data, Tensor};

use crate::{Dataset, Layout, Target};

/// What was fitted on some rows of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// One per channel or feature, over all rows, pixels and window positions.
    pub features: Vec<FeatureStatistics>,
    /// Those of the answers, if they are numbers.
    pub target: Option<FeatureStatistics>,
    /// Number of rows they were fitted on.
    pub rows: usize,
}

/// Statistics of one feature, in its own unit.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureStatistics {
    /// The feature's name.
    pub name: String,
    /// `sum x / n`
    pub mean: f64,
    /// `sqrt(sum (x - mean)^2 / n)`, and 1 where the feature is constant, so that dividing by it is safe.
    pub std: f64,
    /// The smallest value.
    pub minimum: f64,
    /// The largest value.
    pub maximum: f64,
    /// Whether all values are equal: the feature tells nothing, and a report should say so.
    pub constant: bool,
}

/// Statistics over `rows`, which is the training split and nothing else.
///
/// Sums run in `f64`, in the rows' order, in two passes; so they are equal on every machine.
/// Panics if `rows` is empty or holds a row that is none.
pub fn fit(dataset: &Dataset, rows: &[u32]) -> Statistics {
    assert!(!rows.is_empty(), "statistics need at least one row");
    let feature = |(index, name): (usize, &String)| match dataset.input.data() {
        Data::U8(_) => of_pixels(name, &dataset.input, index, rows),
        Data::F32(values) => {
            let width = dataset.feature_names.len();
            let length = dataset.example_shape().iter().product::<usize>();
            let cells = || {
                let row =
                    |&row: &u32| values[row as usize * length..][..length].iter().skip(index).step_by(width);
                rows.iter().flat_map(row).map(|&value| value as f64)
            };
            of_numbers(name, cells)
        }
        _ => unreachable!("inputs are u8 or f32, found {}", dataset.input.dtype()),
    };
    debug_assert!(dataset.layout == Layout::Image || dataset.input.dtype() == tensor::DType::F32);
    let target = match &dataset.target {
        Target::Classes { .. } => None,
        Target::Values { name, values, .. } => {
            Some(of_numbers(name, || rows.iter().map(|&row| values[row as usize] as f64)))
        }
    };
    Statistics {
        features: dataset.feature_names.iter().enumerate().map(feature).collect(),
        target,
        rows: rows.len(),
    }
}

/// Of one channel of `u8` [rows, channels, height, width], exactly, by counting each of the 256 values.
fn of_pixels(name: &str, input: &Tensor, channel: usize, rows: &[u32]) -> FeatureStatistics {
    let area = input.shape()[2] * input.shape()[3];
    let length = input.shape()[1] * area;
    let pixels = input.values::<u8>();
    let mut counts = [0u64; 256];
    for &row in rows {
        pixels[row as usize * length + channel * area..][..area]
            .iter()
            .for_each(|&pixel| counts[pixel as usize] += 1);
    }
    let present = || counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let total = counts.iter().sum::<u64>() as f64;
    let mean = present().map(|(value, &count)| value as f64 * count as f64).sum::<f64>() / total;
    let variance =
        present().map(|(value, &count)| (value as f64 - mean).powi(2) * count as f64).sum::<f64>() / total;
    let minimum = present().next().map_or(0, |(value, _)| value) as f64;
    let maximum = present().next_back().map_or(0, |(value, _)| value) as f64;
    finish(name, mean, variance, minimum, maximum)
}

fn of_numbers<I: Iterator<Item = f64>>(name: &str, values: impl Fn() -> I) -> FeatureStatistics {
    let (mut sum, mut count, mut minimum, mut maximum) = (0.0, 0u64, f64::INFINITY, f64::NEG_INFINITY);
    for value in values() {
        sum += value;
        count += 1;
        minimum = value.min(minimum);
        maximum = value.max(maximum);
    }
    let mean = sum / count as f64;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64;
    finish(name, mean, variance, minimum, maximum)
}

fn finish(name: &str, mean: f64, variance: f64, minimum: f64, maximum: f64) -> FeatureStatistics {
    let constant = minimum == maximum;
    let (mean, std) = if constant { (minimum, 1.0) } else { (mean, variance.sqrt()) };
    FeatureStatistics { name: name.to_owned(), mean, std, minimum, maximum, constant }
}
