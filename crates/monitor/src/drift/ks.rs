//! Kolmogorov and Smirnov's test of two samples.

/// Up to this product of the samples' sizes the exact distribution is computed: some hundred microseconds.
const EXACT_MAX: u64 = 100_000;

/// The greatest distance between the two distribution functions, at the borders of bins. `before` and `after` count the
/// same bins; neither is empty.
///
/// Seen at the borders only, the distance is at most the one of the samples themselves, so that the test errs on the side
/// of no alarm.
pub(super) fn distance(before: &[u32], after: &[u32]) -> f64 {
    let [all_before, all_after] = [before, after].map(|counts| super::sum(counts).max(1) as f64);
    let (mut below_before, mut below_after, mut greatest) = (0u64, 0u64, 0.0f64);
    for (&before, &after) in before.iter().zip(after) {
        below_before += u64::from(before);
        below_after += u64::from(after);
        let apart = (below_before as f64 / all_before - below_after as f64 / all_after).abs();
        greatest = greatest.max(apart);
    }
    greatest
}

/// What the distance is on average where nothing has changed: `sqrt(pi / 2) ln 2 / sqrt(n m / (n + m))`.
pub(super) fn expected(n: u64, m: u64) -> f64 {
    0.868_731_160_636_16 / effective(n, m).sqrt()
}

/// How likely a distance of at least `distance` is between samples of `n` and `m` values from one distribution: exact where
/// `n m` is at most 100,000, else Kolmogorov's limit with Stephens's correction. Ties make it greater than the truth.
///
/// Source  Kim, Jennrich 1973 (the recursion); Stephens 1970, "Use of the Kolmogorov-Smirnov, Cramer-von Mises and related
///         statistics without extensive tables".
pub(super) fn p_value(distance: f64, n: u64, m: u64) -> f64 {
    match n.saturating_mul(m) <= EXACT_MAX {
        true => exact(distance, n.min(m) as usize, n.max(m) as usize),
        false => {
            let root = effective(n, m).sqrt();
            limit(distance * (root + 0.12 + 0.11 / root))
        }
    }
}

fn effective(n: u64, m: u64) -> f64 {
    n as f64 * m as f64 / (n as f64 + m as f64)
}

/// One less the share of lattice paths from (0, 0) to (m, n) that stay closer to the diagonal.
fn exact(distance: f64, m: usize, n: usize) -> f64 {
    let (rows, columns) = (m as f64, n as f64);
    // Half a lattice step below the distance, so that rounding does not decide.
    let bound = (0.5 + (distance * rows * columns - 1e-7).floor()) / (rows * columns);
    let mut inside: Vec<f64> = (0..=n).map(|j| if j as f64 / columns > bound { 0.0 } else { 1.0 }).collect();
    for i in 1..=m {
        let weight = i as f64 / (i + n) as f64;
        let at = i as f64 / rows;
        inside[0] = if at > bound { 0.0 } else { weight * inside[0] };
        for j in 1..=n {
            inside[j] = match (at - j as f64 / columns).abs() > bound {
                true => 0.0,
                false => weight * inside[j] + inside[j - 1],
            };
        }
    }
    (1.0 - inside[n]).clamp(0.0, 1.0)
}

/// Kolmogorov's limit: `2 sum_k (-1)^(k - 1) exp(-2 k^2 x^2)`.
fn limit(x: f64) -> f64 {
    // Below, it is 1 to more digits than there are.
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| f64::from(1 - 2 * ((k - 1) % 2)) * (-2.0 * f64::from(k * k) * x * x).exp();
    (2.0 * (1..=50).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_scipy() {
        // scipy.stats.ks_2samp on samples of these sizes with this distance, method="exact"
        for (distance, n, m, p) in KNOWN {
            let found = p_value(distance, n, m);
            assert!((found - p).abs() < 1e-9 + 1e-6 * p, "D = {distance}, {n}, {m}: {found}, not {p}");
        }
        // scipy.stats.kstwobign.sf
        for (x, p) in [(0.5, 0.9639452436648751), (1.0, 0.26999967167735456), (2.5, 7.453306e-6)] {
            assert!((limit(x) - p).abs() < 1e-6 * p, "{x}: {}", limit(x));
        }
        assert_eq!((p_value(0.0, 10, 10), p_value(1.0, 5000, 5000)), (1.0, 0.0));
    }

    const KNOWN: [(f64, u64, u64, f64); 3] = [
        (0.5, 10, 10, 0.16782134274394334),
        (0.3, 20, 30, 0.20235672077103806),
        (0.2, 100, 200, 0.009074485602610392),
    ];

    #[test]
    fn exact_and_limit_meet() {
        let (n, m) = (1000, 500);
        let root = effective(n, m).sqrt();
        for distance in [0.04, 0.06, 0.09] {
            let (exact, limit) =
                (exact(distance, n as usize, m as usize), limit(distance * (root + 0.12 + 0.11 / root)));
            assert!((exact / limit - 1.0).abs() < 0.1, "{distance}: {exact} {limit}");
        }
    }

    #[test]
    fn distances() {
        assert_eq!(distance(&[5, 5, 0], &[0, 5, 5]), 0.5);
        assert_eq!(distance(&[1, 2, 3], &[10, 20, 30]), 0.0);
    }
}
