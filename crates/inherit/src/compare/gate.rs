//! Gates: what a comparison must show before the new model may take the place of the earlier one.

use super::{Comparison, adjusted_interval, bootstrap_interval};
use crate::compare::mistakes::Mistakes;
use base::Diagnostics;
use serde::{Deserialize, Serialize};

/// Shares computed in two ways may differ in their last bits.
const ROUNDING: f64 = 1e-12;

/// A condition on a [`Comparison`]. All numbers are shares: 0.01 is one hundredth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "snake_case")]
pub enum Gate {
    /// At most `share` of the cases that were right before may be wrong after; in `[0, 1]`.
    NewlyBrokenMax {
        /// The largest share allowed.
        share: f64,
    },
    /// Each class that the new model knows and that has cases is right at least this often, in
    /// `[0, 1]`. Classes that are lost or have no case cannot be judged; the sentence counts them.
    PerClassFloor {
        /// The smallest accuracy allowed.
        accuracy: f64,
    },
    /// Accuracy after is at least accuracy before plus `margin`, in `[-1, 1]`.
    Margin {
        /// The smallest gain allowed; negative for a loss that is put up with.
        margin: f64,
    },
    /// The new model is not worse by `margin` or more, as far as this many cases can tell: the lower
    /// end of the accuracy difference's two-sided interval lies above `-margin`. The end is the lower
    /// one of the bootstrap's and the adjusted interval's, so a handful of cases without a change
    /// proves nothing.
    NonInferiority {
        /// The loss that would matter, in `[0, 1]`.
        margin: f64,
        /// The confidence of the interval, in `[0.5, 0.9999]`; 0.9 tests at 5 % on one side.
        confidence: f64,
    },
}

/// Whether a gate lets the new model pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The condition holds.
    Pass,
    /// It does not.
    Refuse,
}

/// What one gate says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The gate with its numbers.
    #[serde(flatten)]
    pub gate: Gate,
    /// Pass or refuse.
    pub outcome: Outcome,
    /// One sentence with the figures.
    pub sentence: String,
}

/// Holds `comparison` against each of `gates`, in their order.
///
/// Errors `gate-range`: a gate's number is NaN or outside its range.
pub fn judge(gates: &[Gate], comparison: &Comparison) -> Result<Vec<Judgement>, Diagnostics> {
    let mut mistakes = Mistakes::default();
    for gate in gates {
        check(gate, &mut mistakes);
    }
    mistakes.finish()?;
    Ok(gates.iter().map(|&gate| judge_one(gate, comparison)).collect())
}

fn check(gate: &Gate, mistakes: &mut Mistakes) {
    let mut within = |name: &str, value: f64, low: f64, high: f64| {
        if !(low..=high).contains(&value) {
            mistakes.add("gate-range", || format!("`{name}` is {value}, expected {low} to {high}"));
        }
    };
    match *gate {
        Gate::NewlyBrokenMax { share } => within("newly_broken_max", share, 0.0, 1.0),
        Gate::PerClassFloor { accuracy } => within("per_class_floor", accuracy, 0.0, 1.0),
        Gate::Margin { margin } => within("margin", margin, -1.0, 1.0),
        Gate::NonInferiority { margin, confidence } => {
            within("non_inferiority.margin", margin, 0.0, 1.0);
            within("non_inferiority.confidence", confidence, 0.5, 0.9999);
        }
    }
}

fn judge_one(gate: Gate, comparison: &Comparison) -> Judgement {
    let (holds, sentence) = match gate {
        Gate::NewlyBrokenMax { share } => newly_broken_max(share, comparison),
        Gate::PerClassFloor { accuracy } => per_class_floor(accuracy, comparison),
        Gate::Margin { margin } => margin_gate(margin, comparison),
        Gate::NonInferiority { margin, confidence } => non_inferiority(margin, confidence, comparison),
    };
    Judgement { gate, outcome: if holds { Outcome::Pass } else { Outcome::Refuse }, sentence }
}

fn newly_broken_max(share_max: f64, comparison: &Comparison) -> (bool, String) {
    let (broken, right) = (comparison.newly_broken.len(), comparison.before.right);
    let share = if right == 0 { 0.0 } else { broken as f64 / right as f64 };
    let sentence = format!(
        "{broken} of {right} cases that were right before are wrong now ({}); {} are allowed.",
        percent(share),
        percent(share_max)
    );
    (share <= share_max + ROUNDING, sentence)
}

fn per_class_floor(floor: f64, comparison: &Comparison) -> (bool, String) {
    let judged = || comparison.per_class.iter().filter_map(|row| Some((row, row.after?)));
    let count = judged().count();
    let below = judged().filter(|(_, accuracy)| *accuracy < floor - ROUNDING).count();
    let not_judged = match comparison.per_class.len() - count {
        0 => String::new(),
        left => format!(" {left} more could not be judged: unknown to the new model or without a case."),
    };
    let worst = judged().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(String::new(), |(row, accuracy)| {
        format!("; the lowest is `{}` with {} of {} cases", row.class, percent(accuracy), row.cases)
    });
    let floor = percent(floor);
    (
        below == 0,
        format!(
            "{below} of {count} classes are right in less than {floor} of their cases{worst}.{not_judged}"
        ),
    )
}

fn margin_gate(margin: f64, comparison: &Comparison) -> (bool, String) {
    let gain = comparison.difference.value;
    let sentence = format!(
        "Accuracy is {} after {} before, a difference of {} over {} cases; at least {} is required.",
        percent(comparison.after.accuracy),
        percent(comparison.before.accuracy),
        points(gain),
        comparison.cases,
        points(margin)
    );
    (gain >= margin - ROUNDING, sentence)
}

fn non_inferiority(margin: f64, confidence: f64, comparison: &Comparison) -> (bool, String) {
    let counts = comparison.counts();
    let bootstrap = bootstrap_interval(counts, confidence, comparison.difference.seed).low;
    let low = bootstrap.min(adjusted_interval(counts, confidence).low);
    let holds = low > -margin;
    let sentence = format!(
        "With {} confidence over {} cases the difference in accuracy is at least {} (measured {}); it must lie above {}.",
        percent(confidence),
        comparison.cases,
        points(low),
        points(comparison.difference.value),
        points(-margin)
    );
    (holds, sentence)
}

/// A share for people: `12.50 %`.
fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A difference of shares for people: `-1.25 points`, in hundredths.
fn points(difference: f64) -> String {
    format!("{:+.2} points", difference * 100.0 + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Answer, Case, ClassLists, compare};
    use base::Digest;

    /// `rows`: how many cases expect `a` or `b`, and whether before and after are right.
    fn comparison(rows: &[(usize, &str, bool, bool)]) -> Comparison {
        let list = ["a".to_owned(), "b".to_owned()];
        let other = |class: &str| if class == "a" { "b" } else { "a" };
        let answer = |expected: &str, right: bool| Answer {
            class: if right { expected } else { other(expected) }.to_owned(),
            probabilities: Vec::new(),
        };
        let cases: Vec<Case> = rows
            .iter()
            .flat_map(|&(count, expected, before, after)| {
                let case = Case {
                    digest: Digest([0; 32]),
                    expected: expected.to_owned(),
                    before: answer(expected, before),
                    after: answer(expected, after),
                };
                vec![case; count]
            })
            .collect();
        compare(ClassLists { before: &list, after: &list }, &cases, 1).unwrap()
    }

    /// 100 cases: 80 right before, 82 after; 3 broken, 5 fixed.
    fn hundred() -> Comparison {
        comparison(&[
            (47, "a", true, true),
            (3, "a", true, false),
            (30, "b", true, true),
            (5, "b", false, true),
            (15, "b", false, false),
        ])
    }

    fn check(gate: Gate, outcome: Outcome, sentence: &str) {
        let found = &judge(&[gate], &hundred()).unwrap()[0];
        assert_eq!((found.outcome, found.sentence.as_str()), (outcome, sentence));
    }

    #[test]
    fn newly_broken() {
        let sentence = "3 of 80 cases that were right before are wrong now (3.75 %); 3.75 % are allowed.";
        check(Gate::NewlyBrokenMax { share: 0.0375 }, Outcome::Pass, sentence);
        let sentence = "3 of 80 cases that were right before are wrong now (3.75 %); 3.70 % are allowed.";
        check(Gate::NewlyBrokenMax { share: 0.037 }, Outcome::Refuse, sentence);
        let nothing_right = comparison(&[(4, "a", false, true)]);
        let found = judge(&[Gate::NewlyBrokenMax { share: 0.0 }], &nothing_right).unwrap();
        assert_eq!(found[0].outcome, Outcome::Pass);
    }

    #[test]
    fn floor() {
        let sentence = "0 of 2 classes are right in less than 70.00 % of their cases; the lowest is `b` with 70.00 % of 50 cases.";
        check(Gate::PerClassFloor { accuracy: 0.7 }, Outcome::Pass, sentence);
        let sentence = "1 of 2 classes are right in less than 71.00 % of their cases; the lowest is `b` with 70.00 % of 50 cases.";
        check(Gate::PerClassFloor { accuracy: 0.71 }, Outcome::Refuse, sentence);
        let one_class = comparison(&[(4, "a", true, true)]);
        let found = judge(&[Gate::PerClassFloor { accuracy: 0.5 }], &one_class).unwrap();
        assert!(
            found[0]
                .sentence
                .ends_with("1 more could not be judged: unknown to the new model or without a case.")
        );
    }

    #[test]
    fn margin() {
        let sentence = "Accuracy is 82.00 % after 80.00 % before, a difference of +2.00 points over 100 cases; at least +2.00 points is required.";
        check(Gate::Margin { margin: 0.02 }, Outcome::Pass, sentence);
        let sentence = "Accuracy is 82.00 % after 80.00 % before, a difference of +2.00 points over 100 cases; at least +2.10 points is required.";
        check(Gate::Margin { margin: 0.021 }, Outcome::Refuse, sentence);
    }

    #[test]
    fn non_inferiority_by_the_lower_end() {
        // Agresti and Min in Python: (2 - 1.959964 sqrt(9 - 4/102)) / 102 = -0.0379; the bootstrap's
        // percentile is -0.03 or -0.04 here, for shares of a hundred cases are that coarse.
        let judged = |margin| {
            judge(&[Gate::NonInferiority { margin, confidence: 0.95 }], &hundred()).unwrap()[0].clone()
        };
        assert_eq!(judged(0.05).outcome, Outcome::Pass);
        assert_eq!(judged(0.037).outcome, Outcome::Refuse);
        assert!(judged(0.05).sentence.ends_with("(measured +2.00 points); it must lie above -5.00 points."));
    }

    #[test]
    fn a_handful_of_unchanged_cases_proves_nothing() {
        let five = comparison(&[(5, "a", true, true)]);
        let gate = Gate::NonInferiority { margin: 0.05, confidence: 0.95 };
        assert_eq!(judge(&[gate], &five).unwrap()[0].outcome, Outcome::Refuse);
        let thousand = comparison(&[(1000, "a", true, true)]);
        assert_eq!(judge(&[gate], &thousand).unwrap()[0].outcome, Outcome::Pass);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let wrong = [
            Gate::Margin { margin: f64::NAN },
            Gate::NewlyBrokenMax { share: -0.1 },
            Gate::PerClassFloor { accuracy: 1.1 },
            Gate::NonInferiority { margin: 0.1, confidence: 1.0 },
        ];
        for gate in wrong {
            assert_eq!(judge(&[gate], &hundred()).unwrap_err().0[0].code, "gate-range");
        }
        assert_eq!(judge(&[], &hundred()).unwrap(), []);
    }

    #[test]
    fn judgements_read_back() {
        let found = judge(&[Gate::Margin { margin: 0.25 }], &hundred()).unwrap();
        let json = serde_json::to_string(&found).unwrap();
        assert!(json.starts_with(r#"[{"gate":"margin","margin":0.25,"outcome":"refuse","#), "{json}");
        assert_eq!(serde_json::from_str::<Vec<Judgement>>(&json).unwrap(), found);
    }
}
