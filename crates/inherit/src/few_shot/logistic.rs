//! Multinomial logistic regression: the linear head whose probabilities suit the examples best.

use super::head::{HeadError, Intake, LinearHead, check_classes};
use super::lbfgs::{Limits, minimise};
use crate::score::{Examples, dot};

/// A head and how the search for it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// The head.
    pub head: LinearHead,
    /// Steps of L-BFGS that were taken.
    pub iterations: u32,
    /// Whether the gradient became as small as asked for. Where not, the head is the best that was found.
    pub converged: bool,
    /// `J` at the end, the penalty included: nats an example.
    pub loss: f64,
}

/// Fits `p(c | f) = softmax(f W + b)_c` to the examples by the least of
///
/// ```text
/// J(W, b) = 1/n sum_i -log p(y_i | f_i) + strength/2 q |W|^2      q = 1/n sum_i |f_i - mean f|^2
/// ```
///
/// from `W = 0, b = 0` by L-BFGS. With the scale `q` in the penalty, a strength means the same whatever
/// the unit and the width of the features; the bias has no penalty, so that a shift of the features
/// changes nothing either.
///
/// Shapes   `W: [d, classes]`, `b: [classes]`. The rows of `W` add up to 0.
/// Units    `strength`: none, above 0; between `1e-4` (many examples) and 1 (a few).
/// Errors   a class without examples; a strength that is none; weights beyond `f32`.
/// Source   Bishop 2006, "Pattern Recognition and Machine Learning", section 4.3.4.
pub fn logistic(examples: &Examples<'_>, strength: f64, limits: Limits) -> Result<Logistic, HeadError> {
    if !(strength > 0.0 && strength.is_finite()) {
        return Err(HeadError::Strength(strength));
    }
    check_classes(examples)?;
    let problem = Problem::of(examples, strength);
    let found = minimise(
        |point, gradient| problem.loss(point, gradient),
        vec![0.0; problem.classes * (problem.width + 1)],
        limits,
    );
    // Back from (f - mean) / sqrt(q) to f.
    let (scaled, bias) = found.point.split_at(problem.classes * problem.width);
    let weight: Vec<f64> = scaled.iter().map(|value| value * problem.scale).collect();
    let bias: Vec<f64> = weight
        .chunks_exact(problem.width)
        .zip(bias)
        .map(|(weight, bias)| bias - dot(weight, &problem.mean))
        .collect();
    let head = LinearHead::of(&weight, &bias, Intake::Plain)?;
    Ok(Logistic { head, iterations: found.iterations, converged: found.converged, loss: found.value })
}

/// The examples, centred and with `q = 1`.
struct Problem<'a> {
    /// `[n, d]`.
    rows: Vec<f64>,
    labels: &'a [u32],
    width: usize,
    classes: usize,
    mean: Vec<f64>,
    /// `1 / sqrt(q)`; 1 where all examples are the same.
    scale: f64,
    strength: f64,
}

impl<'a> Problem<'a> {
    fn of(examples: &'a Examples<'_>, strength: f64) -> Self {
        let mean = examples.mean();
        let mut rows = Vec::with_capacity(examples.count() * examples.width());
        for row in examples.rows() {
            rows.extend(row.iter().zip(&mean).map(|(&value, mean)| value as f64 - mean));
        }
        let square = rows.iter().map(|value| value * value).sum::<f64>() / examples.count() as f64;
        let scale = if square > 0.0 { 1.0 / square.sqrt() } else { 1.0 };
        rows.iter_mut().for_each(|value| *value *= scale);
        let (width, classes) = (examples.width(), examples.classes() as usize);
        Problem { rows, labels: examples.labels(), width, classes, mean, scale, strength }
    }

    /// `J` and its gradient at `point`: the weights `[classes, d]`, then the biases `[classes]`.
    ///
    /// With `g_ic = (p_ic - [y_i = c]) / n`: `dJ/dw_c = sum_i g_ic f_i + strength w_c`, `dJ/db_c = sum_i g_ic`.
    fn loss(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
        let (weights, bias) = point.split_at(self.classes * self.width);
        let (weight_slopes, bias_slopes) = gradient.split_at_mut(self.classes * self.width);
        let count = self.labels.len() as f64;
        let mut penalty = 0.0;
        for (slope, weight) in weight_slopes.iter_mut().zip(weights) {
            *slope = self.strength * weight;
            penalty += weight * weight;
        }
        bias_slopes.fill(0.0);
        let mut loss = 0.0;
        let mut scores = vec![0.0; self.classes];
        for (row, &label) in self.rows.chunks_exact(self.width).zip(self.labels) {
            for ((score, weight), bias) in scores.iter_mut().zip(weights.chunks_exact(self.width)).zip(bias) {
                *score = bias + dot(weight, row);
            }
            loss += cross_entropy(&mut scores, label as usize);
            for ((slope, slopes), chance) in
                bias_slopes.iter_mut().zip(weight_slopes.chunks_exact_mut(self.width)).zip(&scores)
            {
                let share = chance / count;
                *slope += share;
                slopes.iter_mut().zip(row).for_each(|(slope, value)| *slope += share * value);
            }
        }
        loss / count + self.strength / 2.0 * penalty
    }
}

/// `-log softmax(scores)_label`; `scores` becomes its gradient, `softmax(scores) - [c = label]`.
pub(super) fn cross_entropy(scores: &mut [f64], label: usize) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let own = scores[label] - largest;
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
    scores[label] -= 1.0;
    sum.ln() - own
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::Random;

    fn drawn(count: usize, width: usize, classes: u32) -> (Vec<f32>, Vec<u32>) {
        let random = Random::new(5, "test");
        let labels: Vec<u32> = (0..count as u32).map(|row| row % classes).collect();
        let values = (0..count * width)
            .map(|at| random.normal(0, at as u64) + labels[at / width] as f32 * ((at % width) as f32 - 1.0))
            .collect();
        (values, labels)
    }

    #[test]
    fn the_gradient_is_that_of_central_differences() {
        let (values, labels) = drawn(12, 4, 3);
        let examples = Examples::new(&values, 4, &labels, 3).unwrap();
        let problem = Problem::of(&examples, 0.3);
        let value = |point: &[f64]| problem.loss(point, &mut [0.0; 15]);
        let random = Random::new(6, "test");
        let point: Vec<f64> = (0..15).map(|at| random.normal(0, at) as f64).collect();
        let mut gradient = [0.0; 15];
        problem.loss(&point, &mut gradient);
        for at in 0..15 {
            let moved = |by: f64| {
                let mut point = point.clone();
                point[at] += by;
                value(&point)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - gradient[at]).abs() < 1e-8, "{slope} is not {}", gradient[at]);
        }
    }
}
