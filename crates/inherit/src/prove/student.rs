//! Student's t distribution, and the mean of a few numbers with its interval.

use super::CONFIDENCE;
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// A mean with its interval of [`CONFIDENCE`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Lower end; `None` for a single number, whose spread nobody knows.
    pub low: Option<f64>,
    /// Upper end; `None` for a single number.
    pub high: Option<f64>,
}

impl Estimate {
    /// The mean of `values`, which are not empty: `mean +- t s / sqrt(n)`, `s` the sample's standard
    /// deviation, `t` Student's quantile at `n - 1` degrees of freedom.
    pub(super) fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        if values.len() < 2 {
            return Estimate { mean, low: None, high: None };
        }
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let half = student_quantile(CONFIDENCE, values.len() as u64 - 1) * (variance / n).sqrt();
        Estimate { mean, low: Some(mean - half), high: Some(mean + half) }
    }

    /// The same with the ends cut off at 0 and 1, for an accuracy.
    pub(super) fn clipped(self) -> Self {
        let clip = |end: Option<f64>| end.map(|end| end.clamp(0.0, 1.0));
        Estimate { mean: self.mean, low: clip(self.low), high: clip(self.high) }
    }
}

/// The `t` with `P(|T| <= t) = confidence` for Student's `T` with `degrees` of freedom.
///
/// Formula the distribution's finite series in `theta = atan(t / sqrt(degrees))`, for odd and even
///         degrees, solved for `theta` in `(0, pi/2)` by bisection down to the last bit.
/// Units   `confidence` in `(0, 1)`, `degrees` from 1; relative error about `1e-10` up to 0.999.
///         Beyond 1000 degrees those of 1000 are taken, less than 0.2 % too wide.
/// Source  Abramowitz, Stegun 1964, formulas 26.7.3 and 26.7.4.
pub fn student_quantile(confidence: f64, degrees: u64) -> f64 {
    let degrees = degrees.clamp(1, 1000);
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    for _ in 0..64 {
        let middle = (low + high) / 2.0;
        if within(middle, degrees) < confidence { low = middle } else { high = middle }
    }
    ((low + high) / 2.0).tan() * (degrees as f64).sqrt()
}

/// `P(|T| <= t)` at `t = sqrt(degrees) tan(theta)`.
fn within(theta: f64, degrees: u64) -> f64 {
    let (sine, cosine) = theta.sin_cos();
    // Even: 1 + 1/2 cos^2 + 1 3/(2 4) cos^4 + ... + cos^(degrees - 2);
    // odd: cos + 2/3 cos^3 + 2 4/(3 5) cos^5 + ... + cos^(degrees - 2), empty for one degree.
    let odd = degrees % 2;
    let mut power = odd; // of the cosine in `term`
    let mut term = if odd == 1 { cosine } else { 1.0 };
    let mut sum = 0.0;
    while power + 2 <= degrees {
        sum += term;
        term *= (power + 1) as f64 / (power + 2) as f64 * cosine * cosine;
        power += 2;
    }
    if odd == 1 { FRAC_2_PI * (theta + sine * sum) } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_scipy() {
        // scipy.stats.t.ppf((1 + confidence) / 2, degrees)
        for (confidence, degrees, expected) in [
            (0.95, 1, 12.706204736174694),
            (0.95, 2, 4.302652729749462),
            (0.95, 3, 3.1824463052837078),
            (0.95, 4, 2.7764451051977934),
            (0.95, 5, 2.5705818356363146),
            (0.95, 9, 2.262157162798205),
            (0.95, 10, 2.228138851986274),
            (0.95, 30, 2.0422724563012378),
            (0.95, 99, 1.9842169515864174),
            (0.5, 1, 1.0000000000000002),
            (0.5, 4, 0.7406970841126829),
            (0.5, 7, 0.7111417780817866),
            (0.99, 1, 63.656741162871526),
            (0.99, 4, 4.604094871349992),
            (0.99, 7, 3.4994832973504924),
        ] {
            let found = student_quantile(confidence, degrees);
            assert!((found - expected).abs() < 1e-9 * expected, "{confidence}, {degrees}: {found}");
        }
    }

    #[test]
    fn means_of_few_numbers() {
        // By hand: mean 3, s = 1, half = 4.302652729749462 / sqrt(3).
        let found = Estimate::of(&[2.0, 3.0, 4.0]);
        assert!((found.high.unwrap() - 3.0 - 4.302652729749462 / 3f64.sqrt()).abs() < 1e-12, "{found:?}");
        assert_eq!(Estimate::of(&[0.5]), Estimate { mean: 0.5, low: None, high: None });
        let clipped = Estimate::of(&[0.9, 1.0]).clipped();
        assert_eq!(clipped.high, Some(1.0));
    }
}
