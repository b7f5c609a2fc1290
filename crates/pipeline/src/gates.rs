//! Gates: what a model must show before it is registered.

use base::{Diagnostic, Diagnostics, Digest};
use inherit::compare::{self, Answer, Case, ClassLists, Comparison, Outcome};
use scheme::{Against, Gate, ResolvedScheme, Slice};
use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::metrics::{ClassificationMetrics, Metrics, PartMetrics};
use crate::slices::{self, SliceAccuracy};

/// What one condition of a gate came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// The gate's name in the scheme.
    pub gate: String,
    /// Which of its keys: `min`, `max`, `class_min`, `newly_broken_max`, `margin`, `slice_min`, `slice_gap_max`,
    /// `latency_ms_max`, `bytes_max`.
    pub condition: String,
    /// Pass or refuse.
    pub outcome: Outcome,
    /// One sentence with the figure and the limit.
    pub sentence: String,
}

/// What the gates look at, beside the figures of the test part.
pub(crate) struct Evidence<'a> {
    /// The comparison with the parent, or why there is none.
    pub(crate) parent: Result<&'a Comparison, &'a str>,
    /// The comparison with what the scheme's alias points at.
    pub(crate) production: Production<'a>,
    /// By column: how each slice of the test part was answered.
    pub(crate) slices: &'a [(String, Vec<SliceAccuracy>)],
}

/// What a model that should replace another is compared with.
#[derive(Clone, Copy)]
pub(crate) enum Production<'a> {
    /// The alias points at nothing: `name@alias`.
    Nothing(&'a str),
    /// The comparison with what it points at, or why there is none.
    Version(Result<&'a Comparison, &'a str>),
}

/// Holds a model against every gate of its scheme, but for what [`crate::measured`] measures.
pub(crate) fn judge(
    scheme: &ResolvedScheme,
    metrics: &Metrics,
    evidence: &Evidence<'_>,
) -> Result<Vec<GateReport>, RunError> {
    let mut reports = Vec::new();
    for step in scheme.evaluate.gate.iter() {
        let found = metric(&step.op, metrics).into_iter().chain(sliced(&step.op, metrics, evidence.slices));
        reports.extend(found.map(|(key, holds, text)| report(&step.name, key, holds, text)));
        for (key, condition) in conditions(&step.op) {
            let own;
            let comparison = match (step.op.against, &metrics.test) {
                (Some(Against::Parent), _) => evidence.parent,
                (Some(Against::Production), _) => match evidence.production {
                    Production::Version(found) => found,
                    Production::Nothing(alias) => {
                        let text = format!("{alias} points at nothing, so there is nothing to compare with.");
                        reports.push(report(&step.name, key, true, text));
                        continue;
                    }
                },
                (None, PartMetrics::Classification(test)) => {
                    own = with_itself(test);
                    own.as_ref().map_err(|reason| reason.as_str())
                }
                (None, PartMetrics::Regression(_)) => Err("a regression has no classes"),
            };
            reports.push(match comparison {
                Err(reason) => report(&step.name, key, false, format!("It cannot be judged: {reason}.")),
                Ok(comparison) => {
                    let judged = compare::judge(&[condition], comparison)?.remove(0);
                    report(&step.name, key, judged.outcome == Outcome::Pass, judged.sentence)
                }
            });
        }
    }
    Ok(reports)
}

/// What one condition of the gate called `gate` came to.
pub(crate) fn report(gate: &str, condition: &str, holds: bool, sentence: String) -> GateReport {
    GateReport {
        gate: gate.to_owned(),
        condition: condition.to_owned(),
        outcome: if holds { Outcome::Pass } else { Outcome::Refuse },
        sentence,
    }
}

/// Brings reports into the order of the scheme's gates; those of one gate stay in theirs.
pub(crate) fn in_order(scheme: &ResolvedScheme, reports: &mut [GateReport]) {
    let place = |report: &GateReport| scheme.evaluate.gate.iter().position(|step| step.name == report.gate);
    reports.sort_by_key(place);
}

/// The conditions on slices: key, whether it holds, and the sentence.
fn sliced(
    gate: &Gate,
    metrics: &Metrics,
    by_column: &[(String, Vec<SliceAccuracy>)],
) -> Vec<(&'static str, bool, String)> {
    match (&gate.slice, &metrics.test) {
        (Some(Slice::Class), PartMetrics::Classification(test)) => {
            slices::conditions(gate, &slices::by_class(test))
        }
        (Some(Slice::Column(column)), _) => {
            let found = by_column.iter().find(|(name, _)| name == column);
            slices::conditions(gate, found.map_or(&[], |(_, slices)| slices))
        }
        _ => Vec::new(),
    }
}

/// The bounds of a metric of the test part: key, whether it holds, and the sentence.
fn metric(gate: &Gate, metrics: &Metrics) -> Vec<(&'static str, bool, String)> {
    let Some(metric) = gate.metric else { return Vec::new() };
    let name = metric.name();
    let Some(value) = metrics.test.value(name) else {
        return vec![("metric", false, format!("`{name}` is not defined on this test part."))];
    };
    let least = gate.min.map(|min| {
        ("min", value >= min, format!("`{name}` is {value:.6} on the test part; at least {min} is required."))
    });
    let most = gate.max.map(|max| {
        ("max", value <= max, format!("`{name}` is {value:.6} on the test part; at most {max} is allowed."))
    });
    least.into_iter().chain(most).collect()
}

/// The conditions on a comparison, by key.
fn conditions(gate: &Gate) -> Vec<(&'static str, compare::Gate)> {
    let broken =
        gate.newly_broken_max.map(|share| ("newly_broken_max", compare::Gate::NewlyBrokenMax { share }));
    let margin = gate.margin.map(|margin| {
        let condition = match gate.confidence {
            Some(confidence) => compare::Gate::NonInferiority { margin, confidence },
            // The scheme says how much may be lost, the comparison how much must be gained.
            None => compare::Gate::Margin { margin: 0.0 - margin },
        };
        ("margin", condition)
    });
    let floor = gate.class_min.map(|accuracy| ("class_min", compare::Gate::PerClassFloor { accuracy }));
    broken.into_iter().chain(margin).chain(floor).collect()
}

/// The model beside itself over its own test part: for conditions that need no other model.
fn with_itself(test: &ClassificationMetrics) -> Result<Comparison, String> {
    let names: Vec<String> = test.per_class.iter().map(|class| class.class.clone()).collect();
    let mut cases = Vec::new();
    for (class, row) in names.iter().zip(&test.confusion) {
        for (answered, &count) in names.iter().zip(row) {
            let answer = Answer { class: answered.clone(), probabilities: Vec::new() };
            // Cases of one cell of the confusion matrix are alike, and nobody asks which they were.
            let case = Case {
                digest: Digest([0; 32]),
                expected: class.clone(),
                before: answer.clone(),
                after: answer,
            };
            cases.extend(std::iter::repeat_n(case, count as usize));
        }
    }
    compare::compare(ClassLists { before: &names, after: &names }, &cases, 0)
        .map_err(|found| found.to_string())
}

/// Everything that refuses, as diagnostics that point at the gates.
pub(crate) fn refusals(scheme: &ResolvedScheme, reports: &[GateReport]) -> Diagnostics {
    let refuse = |report: &&GateReport| report.outcome == Outcome::Refuse;
    let diagnostic = |report: &GateReport| {
        let message = format!("the gate `{}` refuses the model: {}", report.gate, report.sentence);
        let found = Diagnostic::new("gate-refused", message);
        let key = format!("evaluate.gate.{}.{}", report.gate, report.condition);
        let found = match scheme.span_of(&key) {
            Some(span) => found.at(span, ""),
            None => found,
        };
        found.help("nothing was registered; what was trained is kept, so a change of the gate alone costs no training")
    };
    Diagnostics(reports.iter().filter(refuse).map(diagnostic).collect())
}
