//! What is measured, with its formula and source.

mod classification;
mod leaks;
mod regression;

pub use classification::{Calibration, ClassMetrics, ClassificationMetrics, ECE_BINS};
pub use leaks::{Leaks, Resemblance};
pub use regression::RegressionMetrics;

pub use classification::greatest;
pub(crate) use classification::log_loss;
pub(crate) use regression::Answers;

use serde::{Deserialize, Serialize};

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The names that the scheme asks for, in the order of the report: `accuracy`, `loss`, ...
    pub selected: Vec<String>,
    /// On the validation part, if there is one.
    pub validation: Option<PartMetrics>,
    /// On the test part.
    pub test: PartMetrics,
    /// The forecast without a model, on the test part.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub baseline: Option<Baseline>,
    /// One sentence: whether the model beats the baseline.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<String>,
    /// Test cases that ancestors were trained on; there if there are ancestors, or repetitions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub leaks: Option<Leaks>,
}

/// What was measured on one part of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PartMetrics {
    /// Of a classifier.
    Classification(ClassificationMetrics),
    /// Of a model that answers with a number.
    Regression(RegressionMetrics),
}

impl PartMetrics {
    /// The metric called `name` in schemes; `None` if it is not defined here.
    pub fn value(&self, name: &str) -> Option<f64> {
        match (self, name) {
            (PartMetrics::Classification(metrics), "accuracy") => Some(metrics.accuracy),
            (PartMetrics::Classification(metrics), "loss") => Some(metrics.loss),
            (PartMetrics::Classification(metrics), "precision_macro") => Some(metrics.precision_macro),
            (PartMetrics::Classification(metrics), "recall_macro") => Some(metrics.recall_macro),
            (PartMetrics::Classification(metrics), "f1_macro") => Some(metrics.f1_macro),
            (PartMetrics::Classification(metrics), "ece") => Some(metrics.ece),
            (PartMetrics::Regression(metrics), "loss") => Some(metrics.loss),
            (PartMetrics::Regression(metrics), "rmse") => Some(metrics.rmse),
            (PartMetrics::Regression(metrics), "mae") => Some(metrics.mae),
            (PartMetrics::Regression(metrics), "r2") => metrics.r2,
            (PartMetrics::Regression(metrics), "directional_accuracy") => metrics.directional_accuracy,
            _ => None,
        }
    }
}

/// A forecast without a model, measured on the test part. Measures that are not defined for it are `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// `naive_last` or `majority`.
    pub name: String,
    /// What it answers, in words.
    pub answer: String,
    /// Share of right answers, of `majority`.
    pub accuracy: Option<f64>,
    /// As of [`RegressionMetrics`], of `naive_last`.
    pub rmse: Option<f64>,
    /// As of [`RegressionMetrics`], of `naive_last`.
    pub mae: Option<f64>,
    /// As of [`RegressionMetrics`], of `naive_last`.
    pub r2: Option<f64>,
    /// Not defined for `naive_last`, which names no direction.
    pub directional_accuracy: Option<f64>,
}
