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
}

/// What a gate compares the model with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The model that it inherits from.
    Parent,
}

/// `[evaluate.gate.NAME]`.
pub(crate) const GATE: Section = Section {
    title: "`[evaluate.gate.NAME]`: what a model must show",
    doc: "Named conditions. A model that does not meet all of them is not registered, and the run ends with exit \
          status 3. All shares run from 0 to 1.",
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
            Kind::Choice(&[Choice::new(
                "parent",
                "the model of `model.inherit`, over the test cases of both and of all ancestors",
            )]),
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
    ],
    family: None,
};
