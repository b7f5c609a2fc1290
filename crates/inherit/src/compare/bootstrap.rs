//! The paired bootstrap of an accuracy difference.

use super::{Counts, Interval, binomial};
use tensor::Random;

/// How many resampled test sets a bootstrap interval is made of.
pub const DRAWS: u32 = 10_000;

/// The percentile interval of the accuracy difference (after less before) under resampling of the
/// cases, [`DRAWS`] times.
///
/// Formula each draw takes `cases` cases with replacement and computes `(fixed - broken) / cases`;
///         the ends are the draws' quantiles `(1 -+ confidence)/2`, interpolated linearly. Only how
///         many broken and fixed cases a draw holds matters, and these counts are multinomial:
///         changed `~ Binomial(cases, (broken + fixed)/cases)`, of these broken
///         `~ Binomial(changed, broken/(broken + fixed))`. They are drawn directly, so the cost does
///         not grow with the number of cases.
/// Units   difference of shares. Of zero width where no case changed: see [`super::adjusted_interval`].
/// Random  `tensor::Random` by `seed` and the purpose `compare bootstrap`.
/// Source  Efron, Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
pub fn bootstrap_interval(counts: Counts, confidence: f64, seed: u64) -> Interval {
    if counts.cases == 0 {
        return Interval { low: -1.0, high: 1.0 };
    }
    let random = Random::new(seed, "compare bootstrap");
    let mut differences: Vec<f64> = (0..DRAWS).map(|draw| resampled(counts, random, draw)).collect();
    differences.sort_unstable_by(f64::total_cmp);
    Interval {
        low: quantile(&differences, (1.0 - confidence) / 2.0),
        high: quantile(&differences, (1.0 + confidence) / 2.0),
    }
}

/// The accuracy difference in resampled test set number `draw`.
fn resampled(counts: Counts, random: Random, draw: u32) -> f64 {
    let [a, b, c, d] = random.words([draw, 0, 0, 0]);
    let discordant = counts.broken + counts.fixed;
    let changed = binomial::draw(counts.cases, discordant as f64 / counts.cases as f64, uniform(a, b));
    let share = if discordant == 0 { 0.0 } else { counts.broken as f64 / discordant as f64 };
    let broken = binomial::draw(changed, share, uniform(c, d));
    ((changed - broken) as f64 - broken as f64) / counts.cases as f64
}

/// A number in `[0, 1)` with 53 random bits.
fn uniform(high: u32, low: u32) -> f64 {
    (((high as u64) << 32 | low as u64) >> 11) as f64 / (1u64 << 53) as f64
}

/// The quantile `share` of `sorted`, which is not empty, by linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let below = sorted[at.floor() as usize];
    let above = sorted[at.ceil() as usize];
    below + (above - below) * (at - at.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_resampling_the_cases_themselves() {
        // numpy: default_rng(7), 200,000 draws of the cases with replacement, np.quantile of the
        // differences. One case is 0.001; 10,000 draws place an end to within about two cases.
        let counts = Counts { cases: 1000, broken: 20, fixed: 50 };
        let found = bootstrap_interval(counts, 0.95, 1);
        assert!((found.low - 0.014).abs() < 1.5e-3 && (found.high - 0.046).abs() < 1.5e-3, "{found:?}");
        assert_eq!(found, bootstrap_interval(counts, 0.95, 1));
        let wide = bootstrap_interval(counts, 0.99, 1);
        assert!(wide.low < found.low && wide.high > found.high);
    }

    #[test]
    fn the_edges_are_what_resampling_gives() {
        let none = bootstrap_interval(Counts { cases: 10, broken: 0, fixed: 0 }, 0.95, 1);
        assert_eq!(none, Interval { low: 0.0, high: 0.0 });
        let all = bootstrap_interval(Counts { cases: 10, broken: 10, fixed: 0 }, 0.95, 1);
        assert_eq!(all, Interval { low: -1.0, high: -1.0 });
        let empty = bootstrap_interval(Counts { cases: 0, broken: 0, fixed: 0 }, 0.95, 1);
        assert_eq!(empty, Interval { low: -1.0, high: 1.0 });
    }
}
