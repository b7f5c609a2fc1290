//! The binomial distribution: its probabilities and draws from it, for counts of any size.

use std::f64::consts::TAU;

/// `ln(n!)`: summed below 16, above by Stirling's series to the term in `n^-7`, whose remainder is
/// under `1e-14` there. The result carries the relative error of `f64`, so a difference of such
/// numbers is good to about `1e-9` at `n = 10^6`.
pub(crate) fn ln_factorial(n: u64) -> f64 {
    if n < 16 {
        return (2..=n).map(|factor| (factor as f64).ln()).sum();
    }
    let x = n as f64;
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let tail = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (x + 0.5) * x.ln() - x + 0.5 * TAU.ln() + tail
}

/// `ln P(X = k)` for `X ~ Binomial(n, p)`, with `k <= n` and `0 < p < 1`.
pub(crate) fn ln_probability(n: u64, p: f64, k: u64) -> f64 {
    let ways = ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
    ways + k as f64 * p.ln() + (n - k) as f64 * (-p).ln_1p()
}

/// The draw from `Binomial(n, p)` that belongs to `uniform` in `[0, 1)`.
///
/// The unit interval is dealt out to the values in the order mode, mode + 1, mode - 1, mode + 2, ...,
/// to each as much as its probability, so a draw takes about `sqrt(n p (1 - p))` steps.
pub(crate) fn draw(n: u64, p: f64, uniform: f64) -> u64 {
    if n == 0 || p <= 0.0 {
        return 0;
    }
    if p >= 1.0 {
        return n;
    }
    let mode = (((n + 1) as f64 * p) as u64).min(n);
    let odds = p / (1.0 - p);
    let (mut above, mut below) = (mode, mode);
    let at_mode = ln_probability(n, p, mode).exp();
    let (mut up, mut down) = (at_mode, at_mode);
    let mut left = uniform - at_mode;
    while left >= 0.0 {
        // Neighbouring probabilities: P(k + 1) / P(k) = (n - k) / (k + 1) * p / (1 - p).
        up *= (n - above) as f64 / (above + 1) as f64 * odds;
        left -= up;
        if up > 0.0 {
            above += 1;
            if left < 0.0 {
                return above;
            }
        }
        down *= below as f64 / (n - below + 1) as f64 / odds;
        left -= down;
        if down > 0.0 {
            below -= 1;
            if left < 0.0 {
                return below;
            }
        }
        if up + down < 1e-20 {
            return mode; // what is left of the unit interval is rounding
        }
    }
    mode
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factorials_and_probabilities_agree_with_scipy() {
        // scipy.special.gammaln(n + 1), scipy.stats.binom.logpmf.
        for (n, expected) in [
            (0, 0.0),
            (1, 0.0),
            (15, 27.899271383840894),
            (16, 30.671860106080672),
            (100, 363.7393755555635),
            (1_000_000, 12815518.384658169),
        ] {
            let found = ln_factorial(n);
            assert!((found - expected).abs() <= 1e-14 * expected.max(1.0), "{n}: {found}");
        }
        assert!((ln_probability(1000, 0.3, 280) - -4.537438727302288).abs() < 1e-9);
        assert!((ln_probability(1_000_000, 0.5, 499_000) - -9.133546215482056).abs() < 1e-7);
    }

    #[test]
    fn draws_take_each_value_as_often_as_it_is_likely() {
        // A grid of the unit interval gives every value its probability to within the grid's step.
        let (n, p, grid) = (7, 0.3, 100_000);
        let mut counts = [0u32; 8];
        for step in 0..grid {
            counts[draw(n, p, (step as f64 + 0.5) / grid as f64) as usize] += 1;
        }
        for (k, &count) in counts.iter().enumerate() {
            let expected = ln_probability(n, p, k as u64).exp();
            assert!((count as f64 / grid as f64 - expected).abs() < 2e-5, "{k}: {count}");
        }
    }

    #[test]
    fn draws_at_the_edges_stay_in_range() {
        let last = 1.0 - f64::EPSILON / 2.0;
        assert_eq!(draw(0, 0.5, 0.3), 0);
        assert_eq!(draw(9, 0.0, last), 0);
        assert_eq!(draw(9, 1.0, 0.0), 9);
        for n in [1, 2, 3, 1_000_000_000] {
            for p in [1e-12, 1e-3, 0.5, 1.0 - 1e-9] {
                assert!(draw(n, p, last) <= n && draw(n, p, 0.0) <= n);
            }
        }
    }
}
