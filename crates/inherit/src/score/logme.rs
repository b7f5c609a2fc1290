//! LogME: how probable the labels are under a linear model of the features whose weights are unknown.

use super::{Spectrum, dot};

/// Noise is at least this much of a target in 0 or 1, as a variance: without a bound the evidence of
/// features that tell the classes exactly is infinite.
const NOISE_MIN: f64 = 1e-6;

/// Ratios of prior to noise that are tried first: this many a factor of ten, in both directions from the
/// largest variance of a direction.
const STEPS_PER_DECADE: i32 = 4;
const DECADES: i32 = 9;

/// Steps of the golden section between two of these ratios; each leaves 0.618 of the interval.
const REFINEMENTS: u32 = 40;

/// LogME: the logarithm of the largest evidence, for each class against the rest, averaged over the classes
/// that have examples, and for each example:
///
/// ```text
/// y = b + X w + e,   w ~ N(0, I / alpha),   e ~ N(0, I / beta),   every b equally probable
/// logme = mean over classes of max over alpha, beta of log p(y | X, alpha, beta) / (n - 1)
/// ```
///
/// where `y` is 1 for examples of the class and 0 for others. With `t = alpha / beta`, `s_k` the eigenvalues
/// of `X^T X`, `x = U^T y` and `r` what is left of the centred `y` outside `U`, the density is
///
/// ```text
/// log p = (n-1)/2 log(beta / 2 pi) - 1/2 sum_k log(1 + s_k / t) - beta/2 E(t)
/// E(t)  = r + sum_k x_k^2 / (1 + s_k / t)
/// ```
///
/// whose best `beta` is `(n-1) / E(t)`; the best `t` is found on a grid and then by golden section.
///
/// Units    nats an example; higher is better. About `-1/2 log(2 pi e v)` for features that tell nothing,
///          with `v` the variance of `y`; bounded above by `1/2 log(1e6 / 2 pi)` (see below).
/// Source   You et al. 2021, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning".
///
/// Where it departs from the paper: (1) a bias `b` is integrated out, which leaves `n - 1` contrasts of
/// examples in place of `n`, because a share of ones in `y` is no merit of the features, and positive features
/// (after a ReLU) would else have it over centred inputs; (2) the maximum is searched for in one dimension
/// where the paper iterates two equations from `alpha = beta = 1`, whose fixed points are this
/// maximum's but which need not end at the highest; (3) `beta <= 1e6` where the paper adds `1e-5`.
pub fn log_me(spectrum: &Spectrum<'_>) -> f64 {
    let examples = spectrum.examples;
    let (count, rank) = (examples.count() as f64, spectrum.rank());
    let targets = spectrum.targets(); // [classes, k]
    let (mut sum, mut classes) = (0.0, 0.0);
    for (class, members) in examples.class_counts().into_iter().enumerate() {
        if members == 0 {
            continue;
        }
        let members = members as f64;
        let x = &targets[class * rank..][..rank];
        let left = (members * (1.0 - members / count) - dot(x, x)).max(0.0);
        sum += evidence_max(&spectrum.variances, x, left, count - 1.0);
        classes += 1.0;
    }
    sum / classes // a spectrum has examples of two classes
}

/// The largest evidence over both strengths, for each of `contrasts`.
fn evidence_max(variances: &[f64], x: &[f64], left: f64, contrasts: f64) -> f64 {
    let at = |log_ratio: f64| evidence(variances, x, left, contrasts, log_ratio);
    let Some(largest) = variances.iter().copied().reduce(f64::max) else {
        return at(0.0); // without directions, no ratio matters
    };
    let step = std::f64::consts::LN_10 / STEPS_PER_DECADE as f64;
    let grid = |index: i32| largest.ln() + index as f64 * step;
    let end = DECADES * STEPS_PER_DECADE;
    let mut best = (f64::NEG_INFINITY, 0);
    for index in -end..=end {
        let value = at(grid(index));
        if value > best.0 {
            best = (value, index);
        }
    }
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (grid(best.1 - 1), grid(best.1 + 1));
    for _ in 0..REFINEMENTS {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if at(a) < at(b) { low = a } else { high = b }
    }
    best.0.max(at((low + high) / 2.0))
}

/// `log p(y | X)` for each of `contrasts`, at `t = e^log_ratio` and the `beta` that is best there.
fn evidence(variances: &[f64], x: &[f64], left: f64, contrasts: f64, log_ratio: f64) -> f64 {
    let ratio = log_ratio.exp();
    let (mut energy, mut log_determinant) = (left, 0.0);
    for (variance, x) in variances.iter().zip(x) {
        energy += x * x / (1.0 + variance / ratio);
        log_determinant += (variance / ratio).ln_1p();
    }
    let noise = (energy / contrasts).max(NOISE_MIN); // 1 / beta
    -0.5 * ((std::f64::consts::TAU * noise).ln() + (log_determinant + energy / noise) / contrasts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Examples;

    fn logme(values: &[f32], width: usize, labels: &[u32]) -> f64 {
        let classes = labels.iter().max().unwrap() + 1;
        let examples = Examples::new(values, width, labels, classes).unwrap();
        log_me(&Spectrum::of(&examples).unwrap())
    }

    /// What the paper does: both strengths from one another until they stay.
    fn fixed_point(variances: &[f64], x: &[f64], left: f64, contrasts: f64) -> f64 {
        let (mut alpha, mut beta) = (1.0, 1.0);
        for _ in 0..20_000 {
            let t: f64 = alpha / beta;
            let gamma: f64 = variances.iter().map(|s| s / (s + t)).sum();
            let squares: f64 = variances.iter().zip(x).map(|(s, x)| s * x * x / (t + s).powi(2)).sum();
            let errors: f64 =
                left + variances.iter().zip(x).map(|(s, x)| x * x / (1.0 + s / t).powi(2)).sum::<f64>();
            (alpha, beta) = (gamma / squares, (contrasts - gamma) / errors);
        }
        evidence(variances, x, left, contrasts, (alpha / beta).ln())
    }

    #[test]
    fn the_fixed_point_of_the_paper_is_this_maximum() {
        let (variances, x) = ([9.0, 4.0, 0.5, 0.01], [2.0, -1.0, 0.3, 0.2]);
        let expected = fixed_point(&variances, &x, 1.5, 19.0);
        let found = evidence_max(&variances, &x, 1.5, 19.0);
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn constant_features_leave_the_evidence_of_noise() {
        // Four of ten: v = 0.4 * 0.6 * 10 / 9 a contrast, and -1/2 (log(2 pi v) + 1) for both classes.
        let labels = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1];
        let expected = -0.5 * ((std::f64::consts::TAU * 2.4 / 9.0).ln() + 1.0);
        let found = logme(&[2.0; 10], 1, &labels);
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn features_that_tell_exactly_stay_finite() {
        let labels = [0, 0, 0, 1, 1, 1];
        let told = logme(&[0.0, 0.0, 0.0, 1.0, 1.0, 1.0], 1, &labels);
        let half = logme(&[0.0, 0.1, 0.6, 0.5, 0.9, 1.0], 1, &labels);
        let noise = logme(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 1, &labels);
        assert!(told.is_finite() && told > half && half > noise, "{told} > {half} > {noise}");
    }
}
