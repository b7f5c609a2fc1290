//! Calibration: is a model right as often as it says?

use serde::{Deserialize, Serialize};

/// How many bins of equal width the confidences are sorted into.
pub const BINS: usize = 15;

/// How far confidence and accuracy are apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Expected calibration error, in `[0, 1]`.
    pub ece: f64,
    /// The bins that hold a case, ascending: the points of a reliability diagram.
    pub bins: Vec<CalibrationBin>,
}

/// The cases whose confidence lies in `(low, high]`; the first bin includes 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Lower end of the confidence, excluded.
    pub low: f64,
    /// Upper end of the confidence, included.
    pub high: f64,
    /// How many cases.
    pub cases: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that is right.
    pub accuracy: f64,
}

/// The expected calibration error of answers `(confidence, right)` over [`BINS`] bins.
///
/// Formula `ECE = sum_b n_b / n |accuracy_b - confidence_b|`, bins `((b - 1)/15, b/15]`.
/// Units   confidences are probabilities of the answered class in `[0, 1]`; `None` without answers.
/// Source  Guo, Pleiss, Sun, Weinberger 2017, "On calibration of modern neural networks".
pub fn calibration(answers: impl IntoIterator<Item = (f64, bool)>) -> Option<Calibration> {
    let mut sums = [(0u64, 0.0f64, 0u64); BINS]; // cases, sum of confidences, right
    for (confidence, right) in answers {
        let bin = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        sums[bin].0 += 1;
        sums[bin].1 += confidence;
        sums[bin].2 += u64::from(right);
    }
    let total: u64 = sums.iter().map(|sum| sum.0).sum();
    let bins: Vec<CalibrationBin> = (0..BINS)
        .filter(|&bin| sums[bin].0 > 0)
        .map(|bin| CalibrationBin {
            low: bin as f64 / BINS as f64,
            high: (bin + 1) as f64 / BINS as f64,
            cases: sums[bin].0,
            confidence: sums[bin].1 / sums[bin].0 as f64,
            accuracy: sums[bin].2 as f64 / sums[bin].0 as f64,
        })
        .collect();
    let weighted =
        bins.iter().map(|bin| bin.cases as f64 * (bin.accuracy - bin.confidence).abs()).sum::<f64>();
    (total > 0).then(|| Calibration { ece: weighted / total as f64, bins })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Bin 15 holds 0.95 and 0.99 (one right): |0.5 - 0.97| = 0.47 for 2 of 4; bin 9 holds 0.6
        // exactly on its upper edge (right): 0.4 for 1 of 4; bin 1 holds 0 (wrong): 0.
        let found = calibration([(0.95, true), (0.99, false), (0.6, true), (0.0, false)]).unwrap();
        assert!((found.ece - (0.47 * 2.0 + 0.4) / 4.0).abs() < 1e-12, "{found:?}");
        assert_eq!(found.bins.iter().map(|bin| bin.cases).collect::<Vec<_>>(), [1, 1, 2]);
        assert!((found.bins[1].high - 0.6).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn the_edges() {
        assert_eq!(calibration([]), None);
        assert_eq!(calibration([(1.0, true), (1.0, true)]).unwrap().ece, 0.0);
        assert_eq!(calibration([(1.0, false)]).unwrap().ece, 1.0);
    }
}
