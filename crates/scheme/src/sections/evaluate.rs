//! `[evaluate]`: what is measured on the test part.

use serde::{Deserialize, Serialize};

use super::Steps;
use super::data::Task;
use super::gate::{GATE, Gate};
use crate::settings::{Absent, Choice, Kind, Literal, Section, Setting};

/// What is measured on the test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// Measures, in the order of the report.
    pub metrics: Vec<Metric>,
    /// A forecast without a model, to be measured beside it.
    pub baseline: Baseline,
    /// How many test cases are left beside the model, at most.
    pub cases_max: u32,
    /// What the model must show before it is registered.
    #[serde(default)]
    pub gate: Steps<Gate>,
}

/// A measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "METRICS documents each")]
pub enum Metric {
    Accuracy,
    Loss,
    PrecisionMacro,
    RecallMacro,
    F1Macro,
    Ece,
    Rmse,
    Mae,
    R2,
    DirectionalAccuracy,
}

impl Metric {
    /// The name in schemes and reports, such as `f1_macro`.
    pub fn name(self) -> &'static str {
        METRICS[self as usize].name
    }

    /// The kind of task that it measures; `None`: both.
    pub fn task(self) -> Option<Task> {
        match self {
            Metric::Loss => None,
            Metric::Rmse | Metric::Mae | Metric::R2 | Metric::DirectionalAccuracy => Some(Task::Regression),
            _ => Some(Task::Classification),
        }
    }
}

/// A forecast without a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// None.
    None,
    /// Always the most frequent class of the training part.
    Majority,
    /// The target's value in the window's last row: tomorrow equals today.
    NaiveLast,
}

/// In the order of [`Metric`].
pub(super) const METRICS: [Choice; 10] = [
    Choice::new("accuracy", "share of right answers"),
    Choice::new("loss", "the training loss, without `l1` and `l2`"),
    Choice::new("precision_macro", "right among those answered so, mean over the classes"),
    Choice::new("recall_macro", "found among those that are so, mean over the classes"),
    Choice::new("f1_macro", "harmonic mean of precision and recall, mean over the classes"),
    Choice::new(
        "ece",
        "expected calibration error: mean distance of confidence and accuracy over 15 equal bins",
    ),
    Choice::new("rmse", "root of the mean squared error, in the target's unit"),
    Choice::new("mae", "mean absolute error, in the target's unit"),
    Choice::new("r2", "share of the target's variance that is explained"),
    Choice::new(
        "directional_accuracy",
        "share of right signs of the change since the window's last row; needs `data.horizon` of 1 or more",
    ),
];

/// `[evaluate]`.
pub(crate) const EVALUATE: Section = Section {
    title: "`[evaluate]`: measures",
    doc: "What is measured on the test part.",
    settings: &[
        Setting::new(
            "metrics",
            Kind::List { of: &Kind::Choice(&METRICS), min: 1, max: METRICS.len() },
            Absent::Derived(
                "`accuracy`, `loss`, `f1_macro`, `ece` for classification; `rmse`, `mae`, `r2` for regression",
            ),
            "Measures, in the order of the report.",
        ),
        Setting::new(
            "baseline",
            Kind::Choice(&[
                Choice::new("none", "none"),
                Choice::new("majority", "always the most frequent class of the training part"),
                Choice::new(
                    "naive_last",
                    "the target's value in the window's last row: tomorrow equals today",
                ),
            ]),
            Absent::Default(Literal::Text("none")),
            "A forecast without a model, to be measured beside it.",
        ),
        Setting::new(
            "cases_max",
            Kind::Integer { min: 0, max: 1_000_000 },
            Absent::Default(Literal::Integer(100_000)),
            "How many test cases, inputs included, are left in the store beside the model for its descendants to be \
             tried on; never more than 256 MiB of inputs. 0 leaves none: for data that must not travel with the model.",
        ),
        Setting::new(
            "gate",
            Kind::Steps(&GATE),
            Absent::Nothing,
            "What the model must show before it is registered.",
        ),
    ],
    family: None,
};
