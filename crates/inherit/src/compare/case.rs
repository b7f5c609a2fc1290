//! What is compared: test cases with both models' answers, and the check that they make sense.

use super::mistakes::Mistakes;
use base::{Diagnostics, Digest};
use std::collections::BTreeSet;

/// How far a case's probabilities may be from summing to one: room for models with rounded numbers.
const SUM_TOLERANCE: f64 = 0.01;

/// One test case and what both models say to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Names the example by its content.
    pub digest: Digest,
    /// The right class, by name.
    pub expected: String,
    /// The parent's answer.
    pub before: Answer,
    /// The child's answer.
    pub after: Answer,
}

/// One model's answer to one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answered class, by name; one of the model's list.
    pub class: String,
    /// `[classes]`, in the order of the model's list, summing to one. Empty in every case of a model
    /// that gives no probabilities; its calibration is unknown then.
    pub probabilities: Vec<f32>,
}

/// The two models' class lists, each in the order of its probabilities.
#[derive(Debug, Clone, Copy)]
pub struct ClassLists<'a> {
    /// The parent's.
    pub before: &'a [String],
    /// The child's.
    pub after: &'a [String],
}

/// Checks everything that [`super::compare`] relies on, and says all that is wrong.
pub(super) fn check(lists: ClassLists, cases: &[Case]) -> Result<(), Diagnostics> {
    let mut mistakes = Mistakes::default();
    if cases.is_empty() {
        mistakes.add("no-cases", || "a comparison needs at least one case, there is none".to_owned());
    }
    check_side("before", lists.before, cases.iter().map(|case| (&case.digest, &case.before)), &mut mistakes);
    check_side("after", lists.after, cases.iter().map(|case| (&case.digest, &case.after)), &mut mistakes);
    mistakes.finish()
}

fn check_side<'a>(
    side: &str,
    classes: &[String],
    answers: impl Iterator<Item = (&'a Digest, &'a Answer)>,
    mistakes: &mut Mistakes,
) {
    let known: BTreeSet<&str> = classes.iter().map(String::as_str).collect();
    if known.len() < classes.len() {
        mistakes.add("duplicate-class", || format!("a class stands twice in the list of the model {side}"));
    }
    let mut first_has_some = None;
    for (digest, answer) in answers {
        let case = digest.short();
        if !known.contains(answer.class.as_str()) {
            mistakes.add("unknown-answer", || {
                format!("case {case}: the model {side} answers `{}`, which is not in its list", answer.class)
            });
        }
        let has_some = !answer.probabilities.is_empty();
        if *first_has_some.get_or_insert(has_some) != has_some {
            mistakes.add("missing-probabilities", || {
                format!("case {case}: the model {side} gives probabilities to some cases and not to others")
            });
        }
        if let Some(wrong) = wrong_probabilities(&answer.probabilities, classes.len()) {
            mistakes.add("wrong-probabilities", || format!("case {case}: the model {side} gives {wrong}"));
        }
    }
}

/// What is wrong with a row of probabilities over `classes` classes, if it is not empty.
fn wrong_probabilities(row: &[f32], classes: usize) -> Option<String> {
    if row.is_empty() {
        return None;
    }
    if row.len() != classes {
        return Some(format!("{} probabilities for {classes} classes", row.len()));
    }
    if let Some(wrong) = row.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Some(format!("the probability {wrong}, expected 0 to 1"));
    }
    let sum: f64 = row.iter().map(|&p| p as f64).sum();
    ((sum - 1.0).abs() > SUM_TOLERANCE).then(|| format!("probabilities that sum to {sum:.4}, expected 1"))
}
