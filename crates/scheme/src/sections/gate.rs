//! `[evaluate.gate.NAME]`: what a model must show before it is registered.

use serde::{Deserialize, Serialize};

use super::evaluate::{METRICS, Metric};
use crate::settings::{Absent, Choice, Kind, RealRange, Section, Setting};

/// Conditions under which a model is registered; all that are given must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// A measure of the model's own test part, for `min` and `max`.
    pub metric: Option<Metric>,
    /// The least that the metric may be.
    pub min: Option<f64>,
    /// The most that it may be.
    pub max: Option<f64>,
    /// What the model is compared with.
    pub against: Option<Against>,
    /// The largest share of what was right before that may be wrong now.
    pub newly_broken_max: Option<f64>,
    /// How much accuracy may fall; below 0 it must rise.
    pub margin: Option<f64>,
    /// With how much confidence the margin must be kept.
    pub confidence: Option<f64>,
    /// The least recall of each class.
    pub class_min: Option<f64>,
    /// What the test part is divided by, for `slice_min` and `slice_gap_max`.
    pub slice: Option<Slice>,
    /// The least accuracy of each slice that is judged.
    pub slice_min: Option<f64>,
    /// The most that the best and the worst of these may lie apart.
    pub slice_gap_max: Option<f64>,
    /// Slices with fewer test examples are named and not judged; there if `slice` is.
    pub slice_examples_min: Option<usize>,
    /// The most milliseconds that `batch` examples may take: the median, on the machine that gates.
    pub latency_ms_max: Option<f64>,
    /// How many examples are asked at once; there if `latency_ms_max` is.
    pub batch: Option<usize>,
    /// The most bytes of the graph and the tensors together.
    pub bytes_max: Option<u64>,
}

/// What a test part is divided by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Slice {
    /// The example's class.
    Class,
    /// The value in this column of the table.
    Column(String),
}

/// The word that divides by class.
pub(crate) const BY_CLASS: &str = "class";
/// Examples that a slice needs to be judged, where a gate does not say.
pub(crate) const SLICE_EXAMPLES_MIN: i64 = 20;
/// Examples asked at once, where a gate does not say.
pub(crate) const BATCH: i64 = 1;

impl From<String> for Slice {
    fn from(text: String) -> Self {
        if text == BY_CLASS { Slice::Class } else { Slice::Column(text) }
    }
}

impl From<Slice> for String {
    fn from(slice: Slice) -> Self {
        match slice {
            Slice::Class => BY_CLASS.to_owned(),
            Slice::Column(name) => name,
        }
    }
}

/// What a gate compares the model with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The model that it inherits from.
    Parent,
    /// The version that the scheme's alias points at when the model is judged, if there is one.
    Production,
}

/// `[evaluate.gate.NAME]`.
pub(crate) const GATE: Section = Section {
    title: "`[evaluate.gate.NAME]`: what a model must show",
    doc: "Named conditions. A model that does not meet all of them is not registered, and the run ends with exit \
          status 3, unless somebody overrules the gate for a reason (`heirloom run --override-gate`). All shares run from 0 to 1.",
    settings: &[
        Setting::new(
            "metric",
            Kind::Choice(&METRICS),
            Absent::Nothing,
            "A measure of the model's own test part; needs `min` or `max`.",
        ),
        Setting::new(
            "min",
            Kind::Real(RealRange::FINITE),
            Absent::Nothing,
            "The least that `metric` may be.",
        ),
        Setting::new("max", Kind::Real(RealRange::FINITE), Absent::Nothing, "The most that `metric` may be."),
        Setting::new(
            "against",
            Kind::Choice(&[
                Choice::new(
                    "parent",
                    "the model of `model.inherit`, over the test cases of both and of all ancestors",
                ),
                Choice::new(
                    "production",
                    "the version that `deploy.alias` (`production` where there is no `[deploy]`) points at when the model \
                     is judged, over the same cases; where it points at none, the gate holds and says so",
                ),
            ]),
            Absent::Nothing,
            "What the model is compared with. Only for classification.",
        ),
        Setting::new(
            "newly_broken_max",
            Kind::Real(RealRange::closed(0.0, 1.0)),
            Absent::Nothing,
            "The largest share of the cases that `against` has right which the model may have wrong.",
        ),
        Setting::new(
            "margin",
            Kind::Real(RealRange::closed(-1.0, 1.0)),
            Absent::Nothing,
            "How much accuracy may fall below that of `against`: 0.01 lets one case in a hundred go, -0.01 asks for as \
             much more.",
        ),
        Setting::new(
            "confidence",
            Kind::Real(RealRange::closed(0.5, 0.9999)),
            Absent::Nothing,
            "Makes `margin` a test of non-inferiority: the lower end of the accuracy difference's two-sided interval of \
             this confidence must lie above `-margin`. 0.9 tests at 5 % on one side.",
        ),
        Setting::new(
            "class_min",
            Kind::Real(RealRange::closed(0.0, 1.0)),
            Absent::Nothing,
            "The least recall of each class: over the cases of the comparison with `against`, else over the test part.",
        ),
        Setting::new(
            "slice",
            Kind::Text { max: 200 },
            Absent::Nothing,
            "What the test part is divided by: `class`, or a column of the table, which need be no feature. Each value is a \
             slice; at most 100. Only for classification; needs `slice_min` or `slice_gap_max`.",
        ),
        Setting::new(
            "slice_min",
            Kind::Real(RealRange::closed(0.0, 1.0)),
            Absent::Nothing,
            "The least accuracy of each slice that is judged.",
        ),
        Setting::new(
            "slice_gap_max",
            Kind::Real(RealRange::closed(0.0, 1.0)),
            Absent::Nothing,
            "The most that the accuracy of the best slice may lie above that of the worst, among those that are judged.",
        ),
        Setting::new(
            "slice_examples_min",
            Kind::Integer { min: 1, max: 1_000_000_000 },
            Absent::Derived("20 where there is a `slice`"),
            "Slices with fewer test examples are named in the report and not judged: so few prove nothing.",
        ),
        Setting::new(
            "latency_ms_max",
            Kind::Real(RealRange::above(0.0, 1e9)),
            Absent::Nothing,
            "The most milliseconds that an answer to `batch` examples may take, from raw input to answer: the median over \
             repetitions on the machine that judges, with the threads of the run. Measured anew at each judgement.",
        ),
        Setting::new(
            "batch",
            Kind::Integer { min: 1, max: 4096 },
            Absent::Derived("1 where there is a `latency_ms_max`"),
            "How many examples are asked at once for `latency_ms_max`.",
        ),
        Setting::new(
            "bytes_max",
            Kind::Integer { min: 1, max: i64::MAX },
            Absent::Nothing,
            "The most bytes of the model: its graph and its tensors.",
        ),
    ],
    family: None,
};
