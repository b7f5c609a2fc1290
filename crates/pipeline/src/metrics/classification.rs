//! Measures of a classifier.

use serde::{Deserialize, Serialize};

/// Bins of the expected calibration error.
pub const ECE_BINS: usize = 15;

/// Measures of a classifier on one part of the data. All sums run in `f64` in the rows' order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassificationMetrics {
    /// Number of examples, `n`.
    pub examples: usize,
    /// `right answers / n`; the answer is the class of the greatest probability, the first of equal ones.
    pub accuracy: f64,
    /// Log loss `-1/n sum_i ln p_i[class_i]`, in nats; without `l1` and `l2`. Source: Good 1952.
    pub loss: f64,
    /// Mean of the classes' precisions.
    pub precision_macro: f64,
    /// Mean of the classes' recalls.
    pub recall_macro: f64,
    /// Mean of the classes' F1. Source: Opitz and Burst 2019 (the averaged form).
    pub f1_macro: f64,
    /// Expected calibration error; see [`Calibration`].
    pub ece: f64,
    /// One row per class, in the order of their numbers.
    pub per_class: Vec<ClassMetrics>,
    /// `confusion[i][j]`: examples of class `i` answered with class `j`.
    pub confusion: Vec<Vec<u64>>,
}

/// Measures of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// The class's name.
    pub class: String,
    /// `right / answered so`; 0 if it was never the answer. Source: van Rijsbergen 1979.
    pub precision: f64,
    /// `right / are so`; 0 if there is none. Source: van Rijsbergen 1979.
    pub recall: f64,
    /// `2 precision recall / (precision + recall)`; 0 if both are. Source: van Rijsbergen 1979.
    pub f1: f64,
    /// Examples of the class.
    pub support: u64,
}

/// Expected calibration error: `sum_b (n_b / n) |accuracy_b - confidence_b|` over [`ECE_BINS`] equal bins of the
/// confidence, which is the greatest probability; bin `b` holds `(b / 15, (b + 1) / 15]`.
///
/// Source: Guo et al. 2017, arXiv:1706.04599.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calibration {
    bins: [Bin; ECE_BINS],
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Bin {
    count: u64,
    right: u64,
    confidence: f64,
}

impl Calibration {
    /// Adds one example.
    pub fn add(&mut self, confidence: f64, right: bool) {
        let place = (confidence * ECE_BINS as f64).ceil() as usize;
        let bin = &mut self.bins[place.clamp(1, ECE_BINS) - 1];
        bin.count += 1;
        bin.right += u64::from(right);
        bin.confidence += confidence;
    }

    /// The error; 0 without examples.
    pub fn error(&self) -> f64 {
        let total: u64 = self.bins.iter().map(|bin| bin.count).sum();
        let gaps = self.bins.iter().map(|bin| (bin.right as f64 - bin.confidence).abs());
        gaps.sum::<f64>() / (total as f64).max(1.0)
    }
}

/// The greatest of `scores`, the first of equal ones.
pub fn greatest(scores: &[f32]) -> usize {
    (1..scores.len()).fold(0, |best, class| if scores[class] > scores[best] { class } else { best })
}

/// `-ln softmax(logits)[class]` in `f64`.
pub(crate) fn log_loss(logits: &[f32], class: usize) -> f64 {
    let top = logits.iter().fold(f64::NEG_INFINITY, |top, &logit| top.max(f64::from(logit)));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - top).exp()).sum();
    sum.ln() + top - f64::from(logits[class])
}

/// The probability of the greatest of `logits`: `1 / sum_j exp(x_j - max x)`.
fn confidence(logits: &[f32]) -> f64 {
    let top = logits.iter().fold(f64::NEG_INFINITY, |top, &logit| top.max(f64::from(logit)));
    1.0 / logits.iter().map(|&logit| (f64::from(logit) - top).exp()).sum::<f64>()
}

impl ClassificationMetrics {
    /// From the logits of each example, one row per example, and its class.
    pub(crate) fn measure(names: &[String], logits: &[f32], classes: impl Iterator<Item = u32>) -> Self {
        let count = names.len();
        let mut confusion = vec![vec![0u64; count]; count];
        let mut calibration = Calibration::default();
        let (mut examples, mut loss) = (0, 0.0);
        for (row, class) in logits.chunks_exact(count).zip(classes) {
            let (class, answer) = (class as usize, greatest(row));
            examples += 1;
            loss += log_loss(row, class);
            confusion[class][answer] += 1;
            calibration.add(confidence(row), answer == class);
        }
        let loss = loss / (examples as f64).max(1.0);
        ClassificationMetrics { loss, ece: calibration.error(), ..from_confusion(names, examples, confusion) }
    }
}

/// All measures that follow from the confusion matrix.
fn from_confusion(names: &[String], examples: usize, confusion: Vec<Vec<u64>>) -> ClassificationMetrics {
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let per_class: Vec<ClassMetrics> = names
        .iter()
        .enumerate()
        .map(|(class, name)| {
            let right = confusion[class][class];
            let support = confusion[class].iter().sum();
            let precision = share(right, confusion.iter().map(|row| row[class]).sum());
            let recall = share(right, support);
            let sum = precision + recall;
            let f1 = if sum == 0.0 { 0.0 } else { 2.0 * precision * recall / sum };
            ClassMetrics { class: name.clone(), precision, recall, f1, support }
        })
        .collect();
    let mean = |value: fn(&ClassMetrics) -> f64| {
        per_class.iter().map(value).sum::<f64>() / (per_class.len() as f64).max(1.0)
    };
    let right: u64 = (0..names.len()).map(|class| confusion[class][class]).sum();
    ClassificationMetrics {
        examples,
        accuracy: share(right, examples as u64),
        loss: 0.0,
        precision_macro: mean(|class| class.precision),
        recall_macro: mean(|class| class.recall),
        f1_macro: mean(|class| class.f1),
        ece: 0.0,
        per_class,
        confusion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expect: f64) {
        assert!((found - expect).abs() < 1e-12, "{found} instead of {expect}");
    }

    #[test]
    fn measures_follow_from_the_confusion_matrix() {
        let names = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let metrics = from_confusion(&names, 10, vec![vec![3, 1, 0], vec![1, 4, 0], vec![0, 1, 0]]);
        close(metrics.accuracy, 0.7);
        let [a, b, c] = &metrics.per_class[..] else { panic!("three classes") };
        for (class, precision, recall, f1, support) in
            [(a, 0.75, 0.75, 0.75, 4), (b, 4.0 / 6.0, 0.8, 8.0 / 11.0, 5), (c, 0.0, 0.0, 0.0, 1)]
        {
            close(class.precision, precision);
            close(class.recall, recall);
            close(class.f1, f1);
            assert_eq!(class.support, support);
        }
        close(metrics.precision_macro, (0.75 + 4.0 / 6.0) / 3.0);
        close(metrics.recall_macro, 1.55 / 3.0);
        close(metrics.f1_macro, (0.75 + 8.0 / 11.0) / 3.0);
    }

    #[test]
    fn loss_and_calibration_come_from_the_logits() {
        let names = ["a".to_owned(), "b".to_owned()];
        // Probabilities 0.5 and 0.5, then 0.75 and 0.25.
        let logits = [0.0, 0.0, 3f32.ln(), 0.0];
        let metrics = ClassificationMetrics::measure(&names, &logits, [1, 0].into_iter());
        close((metrics.loss * 1e6).round(), ((2f64.ln() - 0.75f64.ln()) / 2.0 * 1e6).round());
        assert_eq!(metrics.confusion, [[1, 0], [1, 0]]);
        // Half is wrong at confidence 0.5, half is right at confidence 0.75.
        close((metrics.ece * 1e6).round(), 375_000.0);
    }

    #[test]
    fn calibration_bins_are_open_below_and_closed_above() {
        let mut calibration = Calibration::default();
        calibration.add(1.0, true);
        calibration.add(1.0 / 15.0, false);
        calibration.add(2.0 / 15.0, true);
        close(calibration.error(), (0.0 + 1.0 / 15.0 + 13.0 / 15.0) / 3.0);
        close(Calibration::default().error(), 0.0);
    }

    #[test]
    fn great_logits_do_not_overflow() {
        close(log_loss(&[3000.0, -3000.0], 1), 6000.0);
        close(log_loss(&[3000.0, -3000.0], 0), 0.0);
    }
}
