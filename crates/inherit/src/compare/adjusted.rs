//! An interval of a paired difference of shares that stays honest where hardly anything changed.

use super::{Counts, Interval, normal::two_sided_quantile};

/// The interval of the accuracy difference (after less before) by Agresti and Min: half a case is
/// added to each cell of the two-by-two table, then the normal approximation is used.
///
/// Formula `d +- z sqrt((b + f - (f - b)^2/n)) / n` with `b = broken + 1/2`, `f = fixed + 1/2`,
///         `n = cases + 2`, `d = (f - b)/n`; `z` for the two-sided `confidence` in `(0, 1)`.
/// Units   difference of shares, clipped to `[-1, 1]`.
/// Why     a bootstrap of cases of which none changed says "exactly zero" even for three cases;
///         this one is as wide as three cases deserve.
/// Source  Agresti, Min 2005, "Simple improved confidence intervals for comparing matched
///         proportions", Statistics in Medicine 24.
pub fn adjusted_interval(counts: Counts, confidence: f64) -> Interval {
    let (b, f, n) = (counts.broken as f64 + 0.5, counts.fixed as f64 + 0.5, counts.cases as f64 + 2.0);
    let difference = (f - b) / n;
    let half = two_sided_quantile(confidence) * (b + f - (f - b).powi(2) / n).max(0.0).sqrt() / n;
    Interval { low: (difference - half).max(-1.0), high: (difference + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // b = 2.5, f = 8.5, n = 102: d = 6/102, half = 1.959964 sqrt(11 - 36/102) / 102, in Python.
        let found = adjusted_interval(Counts { cases: 100, broken: 2, fixed: 8 }, 0.95);
        assert!(
            (found.low - -0.0038757783528776957).abs() < 1e-10
                && (found.high - 0.1215228371764071).abs() < 1e-10,
            "{found:?}"
        );
        // Three cases and no change: 1.959964 * sqrt(1) / 5.
        let few = adjusted_interval(Counts { cases: 3, broken: 0, fixed: 0 }, 0.95);
        assert!((few.high - 0.3919927969080108).abs() < 1e-10 && few.low == -few.high, "{few:?}");
    }
}
