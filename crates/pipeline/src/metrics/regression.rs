//! Measures of a model that answers with a number.

use serde::{Deserialize, Serialize};

/// Measures on one part of the data, in the target's unit but for the loss. All sums run in `f64` in the rows' order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionMetrics {
    /// Number of examples, `n`.
    pub examples: usize,
    /// Mean squared error in standardised units of what is learnt; without `l1` and `l2`.
    pub loss: f64,
    /// `sqrt(1/n sum (answer - actual)^2)`.
    pub rmse: f64,
    /// `1/n sum |answer - actual|`.
    pub mae: f64,
    /// `1 - sum (answer - actual)^2 / sum (actual - mean actual)^2`; not defined if `actual` never varies.
    /// Source: Draper and Smith 1998.
    pub r2: Option<f64>,
    /// Of a forecast: share of examples for which `answer - last` has the sign of `actual - last`, among those that
    /// moved at all; not defined if none moved. Source: Pesaran and Timmermann 1992.
    pub directional_accuracy: Option<f64>,
}

/// Answers beside what came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    pub(crate) answers: Vec<f64>,
    pub(crate) actual: Vec<f64>,
    /// The target before; of forecasts.
    pub(crate) last: Option<Vec<f64>>,
}

impl Answers {
    /// Everything but the loss, which is `loss`.
    pub(crate) fn measure(&self, loss: f64) -> RegressionMetrics {
        let count = (self.actual.len() as f64).max(1.0);
        let errors = || self.answers.iter().zip(&self.actual).map(|(answer, actual)| answer - actual);
        let squares: f64 = errors().map(|error| error * error).sum();
        let mean = self.actual.iter().sum::<f64>() / count;
        let spread: f64 = self.actual.iter().map(|actual| (actual - mean).powi(2)).sum();
        RegressionMetrics {
            examples: self.actual.len(),
            loss,
            rmse: (squares / count).sqrt(),
            mae: errors().map(f64::abs).sum::<f64>() / count,
            r2: (spread > 0.0).then(|| 1.0 - squares / spread),
            directional_accuracy: self.last.as_deref().and_then(|last| self.directional_accuracy(last)),
        }
    }

    fn directional_accuracy(&self, last: &[f64]) -> Option<f64> {
        let sign = |change: f64| if change == 0.0 { 0.0 } else { change.signum() };
        let rows = self.answers.iter().zip(&self.actual).zip(last);
        let moved = rows.filter(|((_, actual), last)| actual != last);
        let (right, count) = moved.fold((0u64, 0u64), |(right, count), ((answer, actual), last)| {
            (right + u64::from(sign(answer - last) == sign(actual - last)), count + 1)
        });
        (count > 0).then(|| right as f64 / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_numbers() {
        let answers = Answers {
            answers: vec![1.0, 3.0, 5.0],
            actual: vec![2.0, 3.0, 4.0],
            last: Some(vec![1.5, 3.0, 4.5]),
        };
        let metrics = answers.measure(0.25);
        assert_eq!((metrics.examples, metrics.loss), (3, 0.25));
        assert!((metrics.rmse - (2.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((metrics.mae - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(metrics.r2, Some(0.0));
        // 1.5 -> 2 forecast down, 4.5 -> 4 forecast up; the second did not move.
        assert_eq!(metrics.directional_accuracy, Some(0.0));
        let right = Answers { answers: vec![2.5, 9.0, 4.0], ..answers };
        assert_eq!(right.measure(0.0).directional_accuracy, Some(1.0));
    }

    #[test]
    fn what_is_not_defined_is_absent() {
        let still = Answers { answers: vec![1.0, 2.0], actual: vec![3.0, 3.0], last: Some(vec![3.0, 3.0]) };
        let metrics = still.measure(0.0);
        assert_eq!((metrics.r2, metrics.directional_accuracy), (None, None));
        let plain = Answers { last: None, ..still };
        assert_eq!(plain.measure(0.0).directional_accuracy, None);
    }
}
