//! Wilson's score interval of a share.

use super::{Interval, normal::two_sided_quantile};

/// The interval of the share that `right` of `cases` independent cases estimate; `right <= cases`.
///
/// Formula `(p + z^2/2n +- z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n)` with `p = right / cases`,
///         `n = cases` and `z` the normal quantile of the two-sided `confidence` in `(0, 1)`.
/// Units   shares in `[0, 1]`; `0..1` where there are no cases. Sensible at 0 and at `cases`, too.
/// Source  Wilson 1927; Brown, Cai, DasGupta 2001, "Interval estimation for a binomial proportion".
pub fn wilson_interval(right: u64, cases: u64, confidence: f64) -> Interval {
    if cases == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let n = cases as f64;
    let p = right as f64 / n;
    let z = two_sided_quantile(confidence);
    let scale = 1.0 + z * z / n;
    let middle = (p + z * z / (2.0 * n)) / scale;
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    let low = if right == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if right == cases { 1.0 } else { (middle + half).min(1.0) };
    Interval { low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_scipy_proportion_ci() {
        // scipy.stats.binomtest(right, cases).proportion_ci(confidence, method="wilson")
        for (right, cases, confidence, low, high) in [
            (0, 10, 0.95, 0.0, 0.27753279986288926),
            (10, 10, 0.95, 0.7224672001371109, 1.0),
            (97, 100, 0.95, 0.9154806357094724, 0.9897454759759611),
            (9731, 10000, 0.99, 0.9686084350248009, 0.9769641873173996),
            (1, 3, 0.9, 0.07826572633372841, 0.7464661317187758),
        ] {
            let found = wilson_interval(right, cases, confidence);
            assert!((found.low - low).abs() < 1e-10 && (found.high - high).abs() < 1e-10, "{found:?}");
        }
        assert_eq!(wilson_interval(0, 0, 0.95), Interval { low: 0.0, high: 1.0 });
    }
}
