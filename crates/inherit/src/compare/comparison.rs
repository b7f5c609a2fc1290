//! The comparison of two classifiers, as it is written to JSON.

use super::case::check;
use super::{
    Answer, CONFIDENCE, Calibration, Case, ClassLists, Counts, DRAWS, Interval, adjusted_interval,
    bootstrap_interval, calibration, digest_text, mcnemar_p, wilson_interval,
};
use base::{Diagnostic, Diagnostics, Digest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a new model (after) does differently from an earlier one (before).
///
/// `cases` and everything that is paired covers the cases whose expected class both models know;
/// [`Apart`] counts the others. Every interval is of [`CONFIDENCE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// How many cases are compared; at least 1.
    pub cases: u64,
    /// Share of them that both answer with the same class, right or wrong.
    pub agreement: f64,
    /// Right before, wrong after, in the order of the cases.
    pub newly_broken: Vec<Changed>,
    /// Wrong before, right after, in the order of the cases.
    pub newly_fixed: Vec<Changed>,
    /// One row for each class: those of after's list in its order, then those that only before
    /// knows, then those that only cases know, by name.
    pub per_class: Vec<PerClass>,
    /// [`mcnemar_p`] of the newly broken and newly fixed cases.
    pub mcnemar_p: f64,
    /// The earlier model over the compared cases.
    pub before: Side,
    /// The new model over the compared cases.
    pub after: Side,
    /// Accuracy after less accuracy before.
    pub difference: Difference,
    /// The cases that are not compared.
    pub apart: Apart,
}

/// A case that went from right to wrong or from wrong to right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Names the example.
    #[serde(with = "digest_text")]
    pub digest: Digest,
    /// The right class.
    pub expected: String,
    /// What was answered before.
    pub before: String,
    /// What is answered after.
    pub after: String,
}

/// The cases of one expected class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerClass {
    /// Its name.
    pub class: String,
    /// How many cases expect it.
    pub cases: u64,
    /// Share that before has right; `None` if it does not know the class or there is no case.
    pub before: Option<f64>,
    /// Share that after has right; `None` if it does not know the class or there is no case.
    pub after: Option<f64>,
    /// Right before, wrong after; 0 unless both know the class.
    pub newly_broken: u64,
    /// Wrong before, right after; 0 unless both know the class.
    pub newly_fixed: u64,
}

/// One model over the compared cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// How many it has right.
    pub right: u64,
    /// `right / cases`.
    pub accuracy: f64,
    /// [`wilson_interval`] of the accuracy.
    pub interval: Interval,
    /// Is it right as often as it says? `None` for a model without probabilities.
    pub calibration: Option<Calibration>,
}

/// The difference of two accuracies over the same cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// After less before, as a share: `(fixed - broken) / cases`.
    pub value: f64,
    /// [`bootstrap_interval`]: percentiles of the paired bootstrap.
    pub bootstrap: Interval,
    /// [`adjusted_interval`]: honest where hardly anything changed.
    pub adjusted: Interval,
    /// The confidence of both, a share.
    pub confidence: f64,
    /// How many resampled test sets the bootstrap is made of.
    pub draws: u32,
    /// The seed of the bootstrap.
    pub seed: u64,
}

/// Cases whose expected class not both models know: nobody can be right about a class he lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Apart {
    /// Cases of classes that are new in after.
    pub new_cases: u64,
    /// How many of these after has right.
    pub new_right: u64,
    /// Cases of classes that after has lost.
    pub lost_cases: u64,
    /// How many of these before has right.
    pub lost_right: u64,
    /// Cases of classes that neither knows.
    pub unknown_cases: u64,
}

impl Comparison {
    /// The counts that intervals of the difference are made of.
    pub fn counts(&self) -> Counts {
        let (broken, fixed) = (self.newly_broken.len() as u64, self.newly_fixed.len() as u64);
        Counts { cases: self.cases, broken, fixed }
    }
}

/// Compares two classifiers over the same cases; `seed` is for the bootstrap only.
///
/// Cases that are given twice count twice. The result depends on nothing but the arguments.
///
/// Errors `no-cases`; `no-shared-cases` where no case's class is known to both; `duplicate-class`;
///        `unknown-answer`, a class that the model's list lacks; `missing-probabilities` in some
///        cases of a model; `wrong-probabilities`: their number, NaN, outside `[0, 1]`, a sum that is
///        not one. One diagnostic of each kind, with the number of mistakes.
pub fn compare(lists: ClassLists, cases: &[Case], seed: u64) -> Result<Comparison, Diagnostics> {
    check(lists, cases)?;
    let known_before: BTreeMap<&str, usize> = positions(lists.before);
    let known_after: BTreeMap<&str, usize> = positions(lists.after);
    let knows = |known: &BTreeMap<&str, usize>, case: &Case| known.contains_key(case.expected.as_str());
    let paired: Vec<&Case> =
        cases.iter().filter(|case| knows(&known_before, case) && knows(&known_after, case)).collect();
    if paired.is_empty() {
        let message = format!("none of the {} cases expects a class that both models know", cases.len());
        return Err(Diagnostic::new("no-shared-cases", message)
            .help("compare models that have classes in common")
            .into());
    }
    let broken = |case: &&&Case| right_before(case) && !right_after(case);
    let fixed = |case: &&&Case| !right_before(case) && right_after(case);
    let newly_broken: Vec<Changed> = paired.iter().filter(broken).map(|case| changed(case)).collect();
    let newly_fixed: Vec<Changed> = paired.iter().filter(fixed).map(|case| changed(case)).collect();
    let same = paired.iter().filter(|case| case.before.class == case.after.class).count();
    let (broken, fixed) = (newly_broken.len() as u64, newly_fixed.len() as u64);
    let counts = Counts { cases: paired.len() as u64, broken, fixed };
    Ok(Comparison {
        cases: counts.cases,
        agreement: same as f64 / paired.len() as f64,
        newly_broken,
        newly_fixed,
        per_class: per_class(lists, cases, &known_before, &known_after),
        mcnemar_p: mcnemar_p(broken, fixed),
        before: side(paired.iter().map(|case| (&case.before, right_before(case))), &known_before),
        after: side(paired.iter().map(|case| (&case.after, right_after(case))), &known_after),
        difference: Difference {
            value: (fixed as f64 - broken as f64) / counts.cases as f64,
            bootstrap: bootstrap_interval(counts, CONFIDENCE, seed),
            adjusted: adjusted_interval(counts, CONFIDENCE),
            confidence: CONFIDENCE,
            draws: DRAWS,
            seed,
        },
        apart: apart(cases, &known_before, &known_after),
    })
}

fn right_before(case: &Case) -> bool {
    case.before.class == case.expected
}

fn right_after(case: &Case) -> bool {
    case.after.class == case.expected
}

fn positions(classes: &[String]) -> BTreeMap<&str, usize> {
    classes.iter().enumerate().map(|(position, class)| (class.as_str(), position)).collect()
}

fn changed(case: &Case) -> Changed {
    Changed {
        digest: case.digest,
        expected: case.expected.clone(),
        before: case.before.class.clone(),
        after: case.after.class.clone(),
    }
}

/// Accuracy and calibration of one model; `answers` is not empty.
fn side<'a>(
    answers: impl Iterator<Item = (&'a Answer, bool)> + Clone,
    known: &BTreeMap<&str, usize>,
) -> Side {
    let cases = answers.clone().count() as u64;
    let right = answers.clone().filter(|(_, right)| *right).count() as u64;
    let confidences = answers.filter_map(|(answer, right)| {
        let position = *known.get(answer.class.as_str())?;
        Some((*answer.probabilities.get(position)? as f64, right))
    });
    Side {
        right,
        accuracy: right as f64 / cases as f64,
        interval: wilson_interval(right, cases, CONFIDENCE),
        calibration: calibration(confidences),
    }
}

fn apart(cases: &[Case], before: &BTreeMap<&str, usize>, after: &BTreeMap<&str, usize>) -> Apart {
    let mut apart = Apart::default();
    for case in cases {
        match (before.contains_key(case.expected.as_str()), after.contains_key(case.expected.as_str())) {
            (true, true) => {}
            (false, true) => {
                apart.new_cases += 1;
                apart.new_right += u64::from(right_after(case));
            }
            (true, false) => {
                apart.lost_cases += 1;
                apart.lost_right += u64::from(right_before(case));
            }
            (false, false) => apart.unknown_cases += 1,
        }
    }
    apart
}

fn per_class(
    lists: ClassLists,
    cases: &[Case],
    before: &BTreeMap<&str, usize>,
    after: &BTreeMap<&str, usize>,
) -> Vec<PerClass> {
    let mut of_class: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        of_class.entry(&case.expected).or_default().push(case);
    }
    let only_before = lists.before.iter().filter(|class| !after.contains_key(class.as_str()));
    let known = lists.after.iter().chain(only_before).map(String::as_str);
    let known_set: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let unknown = of_class.keys().copied().filter(|class| !known_set.contains(class));
    known
        .chain(unknown)
        .map(|class| {
            let cases = of_class.get(class).map_or(&[][..], Vec::as_slice);
            let (knew, knows) = (before.contains_key(class), after.contains_key(class));
            let count = |test: fn(&Case) -> bool| cases.iter().filter(|case| test(case)).count() as u64;
            let share = |known: bool, right: u64| {
                (known && !cases.is_empty()).then(|| right as f64 / cases.len() as f64)
            };
            let both = u64::from(knew && knows);
            PerClass {
                class: class.to_owned(),
                cases: cases.len() as u64,
                before: share(knew, count(right_before)),
                after: share(knows, count(right_after)),
                newly_broken: both * count(|case| right_before(case) && !right_after(case)),
                newly_fixed: both * count(|case| !right_before(case) && right_after(case)),
            }
        })
        .collect()
}

#[cfg(test)]
#[path = "comparison_tests.rs"]
mod tests;
