//! Ridge regression on one-hot targets, its strength chosen by generalised cross-validation.

use super::{Examples, Spectrum, dot};

/// Strengths that are tried, as multiples of the mean variance of a direction.
const STRENGTHS: [f64; 8] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3];

/// `W = (X^T X + l I)^-1 X^T Y` over centred features and targets, the bias being without a penalty.
#[derive(Debug, Clone)]
pub(super) struct Ridge {
    /// `[classes, d]`, over centred and scaled features.
    weight: Vec<f64>,
    /// `[classes]`: the share of each class.
    bias: Vec<f64>,
}

/// The best of [`STRENGTHS`] by generalised cross-validation, which needs no examples to be held out:
///
/// ```text
/// GCV(l) = n RSS(l) / (n - 1 - sum_k s_k / (s_k + l))^2
/// RSS(l) = sum over classes of (r + sum_k x_k^2 (l / (s_k + l))^2)
/// ```
///
/// with `s`, `x` and `r` as for LogME, and the 1 for the bias. Of equals, the larger strength.
///
/// Source   Golub, Heath and Wahba 1979, "Generalized Cross-Validation as a Method for Choosing a Good Ridge
///          Parameter".
fn strength(spectrum: &Spectrum<'_>, targets: &[f64]) -> f64 {
    let rank = spectrum.rank();
    let count = spectrum.examples.count() as f64;
    let mean = spectrum.variances.iter().sum::<f64>() / rank as f64;
    let shares = spectrum.examples.class_counts().into_iter().map(|members| members as f64 / count);
    let total: f64 = shares.map(|share| share * (1.0 - share) * count).sum();
    let left = (total - dot(targets, targets)).max(0.0);
    let score = |strength: f64| {
        let kept = |variance: &f64| strength / (variance + strength);
        let mut errors = left;
        for x in targets.chunks_exact(rank) {
            errors += x.iter().zip(&spectrum.variances).map(|(x, s)| (x * kept(s)).powi(2)).sum::<f64>();
        }
        // sum_k s/(s + l) = k - sum_k l/(s + l), without the loss of digits where both are near k.
        let freedom = count - 1.0 - rank as f64 + spectrum.variances.iter().map(kept).sum::<f64>();
        errors / (freedom * freedom)
    };
    let mut best = (f64::INFINITY, 0.0);
    for factor in STRENGTHS.iter().rev() {
        let found = score(factor * mean);
        if found < best.0 {
            best = (found, factor * mean);
        }
    }
    best.1
}

/// Fits ridge regression of the classes on the features. `W = X^T U (S^2 + l)^-1 U^T Y`, so that wide
/// features cost no more than long ones.
pub(super) fn ridge(spectrum: &Spectrum<'_>) -> Ridge {
    let examples = spectrum.examples;
    let (count, width, rank) = (examples.count(), examples.width(), spectrum.rank());
    let bias = examples.class_counts().into_iter().map(|members| members as f64 / count as f64).collect();
    let mut weight = vec![0.0; examples.classes() as usize * width];
    if rank > 0 {
        let mut targets = spectrum.targets(); // [classes, k]
        let strength = strength(spectrum, &targets);
        for x in targets.chunks_exact_mut(rank) {
            x.iter_mut().zip(&spectrum.variances).for_each(|(x, variance)| *x /= variance + strength);
        }
        for (x, left) in spectrum.centred.chunks_exact(width).zip(spectrum.left.chunks_exact(rank)) {
            for (weight, target) in weight.chunks_exact_mut(width).zip(targets.chunks_exact(rank)) {
                let factor = dot(left, target);
                weight.iter_mut().zip(x).for_each(|(weight, x)| *weight += factor * x);
            }
        }
    }
    Ridge { weight, bias }
}

impl Ridge {
    /// What the regression says for each example, `[n, classes]`: near 1 for its class, near 0 for others.
    /// `spectrum` is the one that it was fitted to.
    pub(super) fn scores(&self, spectrum: &Spectrum<'_>, examples: &Examples<'_>) -> Vec<f64> {
        let mut scores = Vec::with_capacity(examples.count() * self.bias.len());
        for row in examples.rows() {
            let x = spectrum.place(row);
            let weights = self.weight.chunks_exact(x.len());
            scores.extend(weights.zip(&self.bias).map(|(weight, bias)| bias + dot(weight, &x)));
        }
        scores
    }
}
