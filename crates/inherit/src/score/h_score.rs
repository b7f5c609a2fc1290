//! H-score: how far the classes' means lie apart, in units of the spread of the features.

use super::Spectrum;

/// The shrunk H-score, with `X` the centred features, `m_c` their mean over the `n_c` examples of class `c`:
///
/// ```text
/// H = trace( C^-1 (1 - a) B )
/// B = sum_c n_c/n m_c m_c^T                   between the classes
/// S = X^T X / n                               all together
/// C = (1 - a) S + a trace(S)/d I              shrunk by Ledoit and Wolf's a in [0, 1]
/// ```
///
/// Units    none; in `[0, classes - 1]`, higher is better; 0 for constant features.
/// Sources  Bao et al. 2019, "An Information-Theoretic Approach to Transferability in Task Transfer
///          Learning", for `a = 0`; Ibrahim et al. 2022, "Newer is not always better: Rethinking
///          transferability metrics, their peculiarities, stability and performance", for the rest: without
///          it `S` has no inverse below `d` examples, and the score grows with `d` alone.
pub fn h_score(spectrum: &Spectrum<'_>) -> f64 {
    let rank = spectrum.rank();
    if rank == 0 {
        return 0.0;
    }
    let examples = spectrum.examples;
    let count = examples.count() as f64;
    let shrinkage = ledoit_wolf(spectrum);
    let target = spectrum.variances.iter().sum::<f64>() / count / examples.width() as f64;

    // Along direction k, m_c has the length sqrt(s_k) u_kc / n_c with u_kc the sum of U over class c.
    let mut between = vec![0.0; rank];
    for (sums, members) in spectrum.targets().chunks_exact(rank).zip(examples.class_counts()) {
        if members == 0 {
            continue;
        }
        for ((between, sum), variance) in between.iter_mut().zip(sums).zip(&spectrum.variances) {
            *between += variance * sum * sum / (members as f64 * count);
        }
    }
    between
        .iter()
        .zip(&spectrum.variances)
        .map(|(between, variance)| {
            (1.0 - shrinkage) * between / ((1.0 - shrinkage) * variance / count + shrinkage * target)
        })
        .sum()
}

/// The share of `trace(S)/d I` that brings `S` nearest to the covariance which the examples were drawn with:
///
/// ```text
/// a = min(b, e) / e      e = |S - trace(S)/d I|^2      b = (sum_i |x_i|^4 / n - |S|^2) / n
/// ```
///
/// Units    none, in `[0, 1]`; 0 where `S` is a multiple of `I` already.
/// Source   Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices".
fn ledoit_wolf(spectrum: &Spectrum<'_>) -> f64 {
    let (count, width) = (spectrum.examples.count() as f64, spectrum.examples.width());
    let trace: f64 = spectrum.variances.iter().map(|variance| variance / count).sum();
    let squares: f64 = spectrum.variances.iter().map(|variance| (variance / count).powi(2)).sum();
    let fourth: f64 = spectrum
        .centred
        .chunks_exact(width)
        .map(|x| x.iter().map(|value| value * value).sum::<f64>().powi(2))
        .sum();
    let distance = squares - trace * trace / width as f64;
    let error = ((fourth / count - squares) / count).max(0.0);
    if distance <= squares * f64::EPSILON * width as f64 {
        return 0.0; // one feature, or as many equal variances as features
    }
    error.min(distance) / distance
}
