//! Several tests at once.

/// Holm's correction: the probability that any of the true null hypotheses is rejected is at most the level, however the
/// tests depend on each other.
///
/// Formula the `i`-th smallest of `k` p-values becomes the greatest of `min(1, (k - j + 1) p_j)` over `j <= i`.
/// Source  Holm 1979, "A simple sequentially rejective multiple test procedure".
pub(super) fn corrected(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&left, &right| p[left].total_cmp(&p[right]));
    let (mut corrected, mut greatest) = (vec![0.0; p.len()], 0.0f64);
    for (rank, &place) in order.iter().enumerate() {
        greatest = greatest.max((p.len() - rank) as f64 * p[place]).min(1.0);
        corrected[place] = greatest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_statsmodels() {
        // statsmodels.stats.multitest.multipletests(p, method="holm")[1]
        let found = corrected(&[0.01, 0.04, 0.03, 0.005, 0.9]);
        for (found, expect) in found.iter().zip([0.04, 0.09, 0.09, 0.025, 0.9]) {
            assert!((found - expect).abs() < 1e-12, "{found} {expect}");
        }
        assert_eq!(corrected(&[]), Vec::<f64>::new());
    }
}
