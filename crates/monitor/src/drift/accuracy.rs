//! Shares of right answers.

use statrs::distribution::{Beta, ContinuousCDF, DiscreteCDF, Hypergeometric};

/// How likely so few right answers are after, or fewer, where they are as frequent as before. Each side is how many are right,
/// and of how many.
///
/// Source  Fisher's exact test, one-sided: the right ones among the requests have the hypergeometric distribution.
pub(super) fn fewer_right(before: [u64; 2], after: [u64; 2]) -> f64 {
    let distribution = Hypergeometric::new(before[1] + after[1], before[0] + after[0], after[1]);
    distribution.map_or(1.0, |distribution| distribution.cdf(after[0]).clamp(0.0, 1.0))
}

/// The interval in which the share lies that `right` of `of` estimate, with at least the `confidence` in (0, 1).
///
/// Source  Clopper, Pearson 1934: quantiles of beta distributions.
pub(crate) fn exact_interval(right: u64, of: u64, confidence: f64) -> [f64; 2] {
    let tail = (1.0 - confidence) / 2.0;
    let (hit, missed) = (right as f64, of.saturating_sub(right) as f64);
    let quantile = |a, b, at| Beta::new(a, b).map(|beta| beta.inverse_cdf(at));
    let low = if right == 0 { 0.0 } else { quantile(hit, missed + 1.0, tail).unwrap_or(0.0) };
    let high = if right >= of { 1.0 } else { quantile(hit + 1.0, missed, 1.0 - tail).unwrap_or(1.0) };
    [low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_scipy() {
        // scipy.stats.fisher_exact([[980, 20], [180, 20]], "greater")[1]
        let found = fewer_right([980, 1000], [180, 200]);
        assert!((found / 7.080302471467959e-07 - 1.0).abs() < 1e-6, "{found}");
        assert_eq!(fewer_right([50, 50], [10, 10]), 1.0);
        // scipy.stats.binomtest(right, of).proportion_ci(0.95, "exact")
        for (right, of, low, high) in [
            (0, 10, 0.0, 0.30849710781876083),
            (10, 10, 0.6915028921812392, 1.0),
            (97, 100, 0.9148239470257197, 0.9937700284616938),
        ] {
            let [found_low, found_high] = exact_interval(right, of, 0.95);
            assert!(
                (found_low - low).abs() < 1e-6 && (found_high - high).abs() < 1e-6,
                "{right} {of}: {found_low} {found_high}"
            );
        }
        assert_eq!(exact_interval(0, 0, 0.95), [0.0, 1.0]);
    }
}
