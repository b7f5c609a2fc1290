//! Each gate on both sides of its limit, with the whole sentence.

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
    let judged =
        |margin| judge(&[Gate::NonInferiority { margin, confidence: 0.95 }], &hundred()).unwrap()[0].clone();
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
