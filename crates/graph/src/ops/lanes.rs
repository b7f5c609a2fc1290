//! Lanes: the elements along one axis, all other indices fixed.

use crate::ops::movement;

/// For each lane along `axis` of an array of `shape`, the offsets of its elements; lanes in row-major order of the
/// other indices.
pub(crate) fn lanes(shape: &[usize], axis: usize) -> Vec<Vec<usize>> {
    let stride = movement::strides(shape)[axis];
    let outer: usize = shape[..axis].iter().product();
    let starts = (0..outer).flat_map(|row| (0..stride).map(move |at| row * shape[axis] * stride + at));
    starts.map(|start| (0..shape[axis]).map(|index| start + index * stride).collect()).collect()
}

/// `f` of each lane along `axis`, put back in place. `f` keeps the length.
pub(crate) fn map(x: &[f64], shape: &[usize], axis: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for lane in lanes(shape, axis) {
        let values: Vec<f64> = lane.iter().map(|&at| x[at]).collect();
        lane.iter().zip(f(&values)).for_each(|(&at, value)| y[at] = value);
    }
    y
}

/// `ln softmax` of a lane: `x_i - max x - ln sum_j e^{x_j - max x}`.
pub(crate) fn log_softmax(x: &[f64]) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = x.iter().map(|x| (x - max).exp()).sum();
    x.iter().map(|x| x - max - sum.ln()).collect()
}
