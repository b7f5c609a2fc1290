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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    /// A case without probabilities: expected, before, after.
    fn case(number: u8, expected: &str, before: &str, after: &str) -> Case {
        let answer = |class: &str| Answer { class: class.to_owned(), probabilities: Vec::new() };
        Case {
            digest: Digest([number; 32]),
            expected: expected.to_owned(),
            before: answer(before),
            after: answer(after),
        }
    }

    /// Before knows a, b, old; after knows b, a, new.
    fn small() -> (Vec<String>, Vec<String>, Vec<Case>) {
        let cases = vec![
            case(1, "a", "a", "a"),
            case(2, "a", "a", "b"),   // broken
            case(3, "b", "old", "b"), // fixed
            case(4, "b", "a", "a"),   // wrong both times, with the same answer
            case(5, "b", "b", "b"),
            case(6, "new", "a", "new"),
            case(7, "old", "old", "a"),
            case(8, "old", "b", "b"),
            case(9, "stranger", "a", "b"),
        ];
        (names(&["a", "b", "old"]), names(&["b", "a", "new", "rare"]), cases)
    }

    fn compare_small() -> Comparison {
        let (before, after, cases) = small();
        compare(ClassLists { before: &before, after: &after }, &cases, 1).unwrap()
    }

    #[test]
    fn counts_by_class_name() {
        let found = compare_small();
        assert_eq!((found.cases, found.agreement), (5, 0.6));
        assert_eq!(found.counts(), Counts { cases: 5, broken: 1, fixed: 1 });
        assert_eq!((found.before.right, found.after.right, found.mcnemar_p), (3, 3, 1.0));
        assert_eq!(found.newly_fixed[0], changed(&small().2[2]));
        let apart = Apart { new_cases: 1, new_right: 1, lost_cases: 2, lost_right: 1, unknown_cases: 1 };
        assert_eq!(found.apart, apart);
        let rows: Vec<_> = found
            .per_class
            .iter()
            .map(|row| {
                (row.class.as_str(), row.cases, row.before, row.after, row.newly_broken, row.newly_fixed)
            })
            .collect();
        let third = Some(1.0 / 3.0);
        let expected = [
            ("b", 3, third, Some(2.0 / 3.0), 0, 1),
            ("a", 2, Some(1.0), Some(0.5), 1, 0),
            ("new", 1, None, Some(1.0), 0, 0),
            ("rare", 0, None, None, 0, 0),
            ("old", 2, Some(0.5), None, 0, 0),
            ("stranger", 1, None, None, 0, 0),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn json_is_as_documented_and_reads_back() {
        let found = compare_small();
        let json = serde_json::to_value(&found).unwrap();
        let fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let documented = ["cases", "agreement", "newly_broken", "newly_fixed", "per_class", "mcnemar_p"];
        assert_eq!(fields[..6], documented);
        let broken =
            serde_json::json!({"digest": "02".repeat(32), "expected": "a", "before": "a", "after": "b"});
        assert_eq!(json["newly_broken"], serde_json::json!([broken]));
        assert_eq!(json["before"]["calibration"], serde_json::Value::Null);
        assert_eq!(serde_json::from_value::<Comparison>(json).unwrap(), found);
    }

    #[test]
    fn confidence_is_that_of_the_answered_class() {
        let (before, after) = (names(&["a", "b"]), names(&["b", "a"]));
        let mut only = case(1, "a", "a", "a");
        only.before.probabilities = vec![0.75, 0.25];
        only.after.probabilities = vec![0.125, 0.875];
        let found = compare(ClassLists { before: &before, after: &after }, &[only], 1).unwrap();
        let ece = |side: &Side| side.calibration.as_ref().unwrap().ece;
        assert_eq!((ece(&found.before), ece(&found.after)), (0.25, 0.125));
    }

    #[test]
    fn all_right_is_neither_broken_nor_certain() {
        let (list, cases) = (names(&["a"]), vec![case(1, "a", "a", "a"); 4]);
        let found = compare(ClassLists { before: &list, after: &list }, &cases, 1).unwrap();
        assert_eq!((found.after.accuracy, found.agreement, found.mcnemar_p), (1.0, 1.0, 1.0));
        assert!(found.after.interval.low < 0.6 && found.difference.adjusted.low < -0.3, "{found:?}");
        assert_eq!(found.difference.bootstrap, Interval { low: 0.0, high: 0.0 });
    }

    #[test]
    fn mistakes_are_named_once_per_kind() {
        let list = names(&["a", "b"]);
        let lists = ClassLists { before: &list, after: &list };
        let codes = |cases: &[Case]| {
            let found = compare(lists, cases, 1).unwrap_err();
            found.0.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&[]), ["no-cases"]);
        assert_eq!(codes(&[case(1, "z", "a", "b")]), ["no-shared-cases"]);
        assert_eq!(codes(&[case(1, "a", "z", "a"), case(2, "a", "y", "a")]), ["unknown-answer"]);
        let with = |row: &[f32]| {
            let mut case = case(1, "a", "a", "a");
            case.after.probabilities = row.to_vec();
            case
        };
        for row in [&[f32::NAN, 1.0][..], &[1.5, -0.5], &[1.0], &[0.2, 0.2]] {
            assert_eq!(codes(&[with(row)]), ["wrong-probabilities"], "{row:?}");
        }
        assert_eq!(codes(&[with(&[0.5, 0.5]), with(&[])]), ["missing-probabilities"]);
        let twice = names(&["a", "a"]);
        let found =
            compare(ClassLists { before: &twice, after: &list }, &[case(1, "a", "a", "a")], 1).unwrap_err();
        assert_eq!(found.0[0].code, "duplicate-class");
        let many = compare(lists, &[case(1, "a", "z", "a"), case(2, "a", "y", "a")], 1).unwrap_err();
        assert_eq!(many.0[0].help, ["1 more of this kind were found"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_figures_add_up_and_swapping_the_sides_mirrors_them(
            rows in prop::collection::vec((0u8..4, 0u8..4, 0u8..4), 1..60), seed: u64,
        ) {
            let list = names(&["a", "b", "c", "d"]);
            let name = |class: u8| list[class as usize].as_str();
            let lists = ClassLists { before: &list, after: &list };
            let cases: Vec<Case> =
                rows.iter().map(|&(e, b, a)| case(e, name(e), name(b), name(a))).collect();
            let mirrored: Vec<Case> =
                rows.iter().map(|&(e, b, a)| case(e, name(e), name(a), name(b))).collect();
            let (found, mirror) = (compare(lists, &cases, seed).unwrap(), compare(lists, &mirrored, seed).unwrap());
            let counts = found.counts();
            prop_assert_eq!(found.before.right + counts.fixed, found.after.right + counts.broken);
            prop_assert_eq!(found.per_class.iter().map(|row| row.cases).sum::<u64>(), found.cases);
            prop_assert_eq!(found.per_class.iter().map(|row| row.newly_broken).sum::<u64>(), counts.broken);
            prop_assert_eq!(mirror.counts(), Counts { broken: counts.fixed, fixed: counts.broken, ..counts });
            prop_assert_eq!((mirror.agreement, mirror.mcnemar_p), (found.agreement, found.mcnemar_p));
            prop_assert!(found.difference.bootstrap.low <= found.difference.bootstrap.high);
            prop_assert!(found.mcnemar_p > 0.0 && found.mcnemar_p <= 1.0);
            prop_assert_eq!(&found, &compare(lists, &cases, seed).unwrap());
        }
    }
}
