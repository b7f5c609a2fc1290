//! What a set of trials proves, as it is written to JSON.

use super::curve::{CurvePoint, ScratchLabels, area, labels_to_reach, mean_curve, seconds_to_reach};
use super::student::Estimate;
use super::trial::{Group, Pair, Trial, pair_up};
use super::{CONFIDENCE, verdict};
use base::Diagnostics;
use serde::{Deserialize, Serialize};

/// Training with and without inheritance, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// One entry for each amount of labels, ascending; at least one.
    pub fractions: Vec<Fraction>,
    /// How many times as many labels training from scratch needs for the same accuracy: the geometric
    /// mean over the fractions of `scratch labels / labels`. A fraction whose inherited accuracy
    /// scratch never reaches counts with the most labels tried, so the figure is then a lower bound.
    /// `None` where it cannot be told, see the note.
    pub labels_saved: Option<f64>,
    /// What `labels_saved` rests on, or why there is none.
    pub labels_saved_note: String,
    /// Time to scratch's final accuracy, with inheritance over without, at the largest fraction:
    /// 0.25 is four times as fast. `None` where it cannot be told, see the note.
    pub time_ratio: Option<f64>,
    /// What `time_ratio` rests on, or why there is none.
    pub time_ratio_note: String,
    /// Whether inheriting pays: the interval of the paired difference in accuracy lies above 0 at
    /// more than half of the fractions, and below 0 at none.
    pub pays: bool,
    /// The same in a sentence, with the figures.
    pub verdict: String,
    /// Mean accuracy over the logarithm of the labels; `None` for a single fraction, or if no seed was
    /// tried at all of them.
    pub area: Option<Area>,
    /// Accuracy over time at the largest fraction.
    pub curves: Curves,
    /// The confidence of all intervals, a share.
    pub confidence: f64,
}

/// Both ways of training with one amount of labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fraction {
    /// Share of the training labels.
    pub fraction: f64,
    /// How many labels that are.
    pub labels: u64,
    /// With inheritance.
    pub inherited: Arm,
    /// Without.
    pub scratch: Arm,
    /// How many seeds.
    pub seeds: u64,
    /// Accuracy with less accuracy without, within each seed.
    pub difference: Estimate,
    /// How many labels scratch needs for the inherited mean accuracy.
    pub scratch_labels: ScratchLabels,
    /// As [`Proof::time_ratio`], at this fraction.
    pub time_ratio: Option<f64>,
}

/// One way of training with one amount of labels: `mean`, `low`, `high` of the accuracy over the
/// seeds (Student's t, cut off at 0 and 1) and the mean time of a training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Accuracy.
    #[serde(flatten)]
    pub accuracy: Estimate,
    /// Mean time of a training, seconds; without the parent's.
    pub seconds: f64,
}

/// Area under accuracy over `ln(labels)`, divided by its range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// With inheritance.
    pub inherited: Estimate,
    /// Without.
    pub scratch: Estimate,
    /// With less without, within each seed.
    pub difference: Estimate,
}

/// Mean accuracy over time at the largest fraction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// How many labels that is.
    pub labels: u64,
    /// With inheritance.
    pub inherited: Vec<CurvePoint>,
    /// Without.
    pub scratch: Vec<CurvePoint>,
}

/// Compares training with and without inheritance. The order of `trials` does not matter.
///
/// Errors `no-trials`; `trial-range`: NaN, or a number outside its range; `trial-curve`: times that
///        descend; `duplicate-trial`; `unpaired-trial`: a fraction and seed tried in one way only;
///        `trial-labels`: trials of a fraction with unequal labels, or labels that do not grow with
///        the fraction. One diagnostic of each kind.
pub fn prove(trials: &[Trial]) -> Result<Proof, Diagnostics> {
    let groups = pair_up(trials)?;
    let mean = |group: &Group| arm(group, |pair| pair.scratch).accuracy.mean;
    let scratch_curve: Vec<(u64, f64)> = groups.iter().map(|group| (group.labels, mean(group))).collect();
    let fractions: Vec<Fraction> = groups.iter().map(|group| fraction(group, &scratch_curve)).collect();
    let largest = &groups[groups.len() - 1]; // at least one group, by `pair_up`
    let (labels_saved, labels_saved_note) = labels_saved(&fractions);
    let (time_ratio, time_ratio_note) = time_ratio(largest);
    let (pays, verdict) = verdict::verdict(&fractions);
    Ok(Proof {
        labels_saved,
        labels_saved_note,
        time_ratio,
        time_ratio_note,
        pays,
        verdict,
        area: areas(&groups),
        curves: Curves {
            labels: largest.labels,
            inherited: mean_curve(&points(largest, |pair| pair.inherited)),
            scratch: mean_curve(&points(largest, |pair| pair.scratch)),
        },
        confidence: CONFIDENCE,
        fractions,
    })
}

/// Picks one of a pair's two trainings.
type Pick = for<'a> fn(&Pair<'a>) -> &'a Trial;

fn points(group: &Group, pick: Pick) -> Vec<Vec<(f64, f64)>> {
    group.pairs.iter().map(|pair| pick(pair).points()).collect()
}

fn arm(group: &Group, pick: Pick) -> Arm {
    let accuracies: Vec<f64> = group.pairs.iter().map(|pair| pick(pair).accuracy).collect();
    let seconds = group.pairs.iter().map(|pair| pick(pair).seconds).sum::<f64>() / group.pairs.len() as f64;
    Arm { accuracy: Estimate::of(&accuracies).clipped(), seconds }
}

fn fraction(group: &Group, scratch_curve: &[(u64, f64)]) -> Fraction {
    let inherited = arm(group, |pair| pair.inherited);
    let differences: Vec<f64> =
        group.pairs.iter().map(|pair| pair.inherited.accuracy - pair.scratch.accuracy).collect();
    Fraction {
        fraction: group.fraction,
        labels: group.labels,
        inherited,
        scratch: arm(group, |pair| pair.scratch),
        seeds: group.pairs.len() as u64,
        difference: Estimate::of(&differences),
        scratch_labels: labels_to_reach(inherited.accuracy.mean, scratch_curve),
        time_ratio: time_ratio(group).0,
    }
}

fn labels_saved(fractions: &[Fraction]) -> (Option<f64>, String) {
    if fractions.len() < 2 {
        return (None, "Labels saved cannot be told from one amount of labels.".to_owned());
    }
    let (mut sum, mut never) = (0.0, 0);
    for row in fractions {
        let labels = match row.scratch_labels {
            ScratchLabels::At { labels } => labels,
            ScratchLabels::Never { labels } => {
                never += 1;
                labels as f64
            }
            ScratchLabels::ByFewest { labels } => {
                let note = format!(
                    "Labels saved cannot be told: with {} labels inheriting is less accurate than scratch with {labels}, \
                     the fewest tried.",
                    row.labels
                );
                return (None, note);
            }
        };
        sum += (labels / row.labels as f64).ln();
    }
    let count = fractions.len();
    let factor = (sum / count as f64).exp();
    let bound = match never {
        0 => String::new(),
        _ => format!(
            " At least: at {never} of {count} amounts scratch does not reach the inherited accuracy with the most labels tried."
        ),
    };
    let note = format!(
        "For the accuracy of inheriting, training from scratch needs {factor:.2} times as many labels (geometric mean over \
         {count} amounts).{bound}"
    );
    (Some(factor), note)
}

/// Mean time to scratch's final accuracy, with over without: for each seed the target is the last
/// point of scratch's curve, and each training's time that of its first point at or above it.
fn time_ratio(group: &Group) -> (Option<f64>, String) {
    let seeds = group.pairs.len();
    let (mut with, mut without, mut reached) = (0.0, 0.0, 0);
    for pair in &group.pairs {
        let (inherited, scratch) = (pair.inherited.points(), pair.scratch.points());
        let target = scratch[scratch.len() - 1].1; // points are never empty
        if let (Some(a), Some(b)) = (seconds_to_reach(target, &inherited), seconds_to_reach(target, &scratch))
        {
            with += a / seeds as f64;
            without += b / seeds as f64;
            reached += 1;
        }
    }
    let labels = group.labels;
    if reached < seeds {
        let note = format!(
            "With {labels} labels inheriting reaches scratch's final accuracy in {reached} of {seeds} seeds only, so no time \
             ratio is given."
        );
        return (None, note);
    }
    let ratio = with / without;
    if !ratio.is_finite() {
        return (
            None,
            format!("With {labels} labels scratch takes no measurable time, so no time ratio is given."),
        );
    }
    let note = format!(
        "With {labels} labels scratch's final accuracy is reached in {} with inheritance and {} without \
         (means over {seeds} {}).",
        time(with),
        time(without),
        if seeds == 1 { "seed" } else { "seeds" }
    );
    (Some(ratio), note)
}

/// A length of time for people.
fn time(seconds: f64) -> String {
    if seconds < 0.1 { format!("{:.1} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

fn areas(groups: &[Group]) -> Option<Area> {
    if groups.len() < 2 {
        return None;
    }
    // Seeds that were tried at every fraction; pairs ascend by seed.
    let at = |group: &Group, seed: u64| group.pairs.binary_search_by_key(&seed, |pair| pair.seed).ok();
    let mut inherited = Vec::new();
    let mut scratch = Vec::new();
    for seed in groups[0].pairs.iter().map(|pair| pair.seed) {
        let pairs =
            groups.iter().map(|group| at(group, seed).map(|index| (group.labels, group.pairs[index])));
        if let Some(pairs) = pairs.collect::<Option<Vec<_>>>() {
            let curve = |pick: Pick| {
                pairs.iter().map(|(labels, pair)| (*labels, pick(pair).accuracy)).collect::<Vec<_>>()
            };
            inherited.push(area(&curve(|pair| pair.inherited)));
            scratch.push(area(&curve(|pair| pair.scratch)));
        }
    }
    let differences: Vec<f64> = inherited.iter().zip(&scratch).map(|(a, b)| a - b).collect();
    (!differences.is_empty()).then(|| Area {
        inherited: Estimate::of(&inherited).clipped(),
        scratch: Estimate::of(&scratch).clipped(),
        difference: Estimate::of(&differences),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trial(labels: u64, seed: u64, inherited: bool, accuracy: f64, curve: &[(f64, f64)]) -> Trial {
        let seconds = curve.last().map_or(10.0, |point| point.0);
        Trial {
            fraction: labels as f64 / 1000.0,
            labels,
            seed,
            inherited,
            accuracy,
            seconds,
            curve: curve.to_vec(),
        }
    }

    /// Three amounts of labels, three seeds: scratch 0.50, 0.70, 0.90 and inherited 0.70, 0.85, 0.92, give or
    /// take a hundredth per seed; at 1000 labels scratch needs 30 s and inheriting 10 s.
    fn three_by_three() -> Vec<Trial> {
        let mut trials = Vec::new();
        for (labels, scratch, inherited) in [(10, 0.50, 0.70), (100, 0.70, 0.85), (1000, 0.90, 0.92)] {
            for (seed, shift) in [(1, -0.01), (2, 0.0), (3, 0.01)] {
                let (with, without) = (inherited + shift, scratch + 1.5 * shift);
                trials.push(trial(labels, seed, true, with, &[(5.0, 0.4), (10.0, with), (20.0, with)]));
                trials.push(trial(
                    labels,
                    seed,
                    false,
                    without,
                    &[(10.0, 0.3), (20.0, 0.45), (30.0, without)],
                ));
            }
        }
        trials
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn agrees_with_numpy_and_scipy() {
        let found = prove(&three_by_three()).unwrap();
        let first = &found.fractions[0];
        // scipy: t.ppf(0.975, 2) * np.std([...], ddof=1) / sqrt(3), with np.std = 0.01, 0.015 and 0.005.
        let half = 4.302652729749462 / 3f64.sqrt();
        close(first.inherited.accuracy.high.unwrap(), 0.70 + 0.01 * half);
        close(first.scratch.accuracy.low.unwrap(), 0.50 - 0.015 * half);
        close(first.difference.mean, 0.2);
        close(first.difference.low.unwrap(), 0.2 - 0.005 * half);
        close(first.scratch.seconds, 30.0);
        // Trapezoids of equal width, by hand: (0.5 + 2 * 0.7 + 0.9) / 4 and (0.7 + 2 * 0.85 + 0.92) / 4.
        let area = found.area.unwrap();
        close(area.scratch.mean, 0.7);
        close(area.inherited.mean, 0.83);
        close(area.difference.low.unwrap(), 0.13 - 0.005 * half);
        // np.interp on the scratch curve over ln(labels): 100 for 0.70, 10^2.75 for 0.85, never for 0.92.
        let ScratchLabels::At { labels } = found.fractions[1].scratch_labels else {
            panic!("within the range")
        };
        assert!((labels - 562.341325190349).abs() < 1e-6, "{labels}");
        assert_eq!(found.fractions[2].scratch_labels, ScratchLabels::Never { labels: 1000 });
        // (10 * 5.62341325190349 * 1)^(1/3)
        assert!((found.labels_saved.unwrap() - 3.8311868495572888).abs() < 1e-9, "{:?}", found.labels_saved);
        assert!(
            found.labels_saved_note.contains("At least: at 1 of 3 amounts"),
            "{}",
            found.labels_saved_note
        );
        close(found.time_ratio.unwrap(), 10.0 / 30.0);
        assert!(found.pays);
        assert_eq!(
            found.verdict,
            "Inheriting pays: the accuracy is higher at 3 of 3 amounts of labels, with 95 % confidence each \
         (+20.00 points with 10 labels, +2.00 points with 1000)."
        );
    }

    #[test]
    fn json_is_as_documented_and_reads_back() {
        let found = prove(&three_by_three()).unwrap();
        let json = serde_json::to_value(&found).unwrap();
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for key in ["fractions", "labels_saved", "time_ratio", "pays"] {
            assert!(keys(&json).iter().any(|found| found == key), "{key}");
        }
        assert_eq!(keys(&json["fractions"][0])[..4], ["fraction", "labels", "inherited", "scratch"]);
        assert_eq!(keys(&json["fractions"][0]["inherited"]), ["mean", "low", "high", "seconds"]);
        assert_eq!(keys(&json["curves"]["scratch"][0]), ["seconds", "mean", "low", "high"]);
        assert_eq!(serde_json::from_value::<Proof>(json).unwrap(), found);
    }

    #[test]
    fn the_order_of_trials_does_not_matter() {
        let mut trials = three_by_three();
        let found = prove(&trials).unwrap();
        trials.reverse();
        assert_eq!(prove(&trials).unwrap(), found);
    }

    #[test]
    fn a_loss_is_called_a_loss() {
        let mut trials = three_by_three();
        trials.iter_mut().for_each(|trial| trial.inherited = !trial.inherited);
        let found = prove(&trials).unwrap();
        assert!(!found.pays);
        assert!(
            found.verdict.starts_with("Inheriting does not pay: the accuracy is lower at 3 of 3"),
            "{}",
            found.verdict
        );
        // Scratch's fewest labels already beat inheriting with as many.
        assert_eq!(found.labels_saved, None);
        assert!(found.labels_saved_note.contains("the fewest tried"), "{}", found.labels_saved_note);
        assert_eq!(found.time_ratio, None);
        assert!(found.time_ratio_note.contains("in 0 of 3 seeds only"), "{}", found.time_ratio_note);
    }

    #[test]
    fn no_difference_is_not_a_gain() {
        let mut trials = three_by_three();
        for trial in &mut trials {
            trial.accuracy = [0.80, 0.82, 0.81][trial.seed as usize % 3];
            trial.accuracy +=
                if trial.inherited { [0.01, -0.01, 0.002][trial.seed as usize % 3] } else { 0.0 };
        }
        let found = prove(&trials).unwrap();
        assert!(!found.pays);
        assert!(
            found
                .verdict
                .starts_with("Inheriting is not shown to pay: the accuracy is higher at only 0 of 3")
        );
    }

    #[test]
    fn one_seed_and_one_fraction() {
        let found = prove(&[trial(10, 1, true, 0.8, &[]), trial(10, 1, false, 0.5, &[])]).unwrap();
        let row = &found.fractions[0];
        assert_eq!(row.difference, Estimate { mean: 0.8 - 0.5, low: None, high: None });
        assert_eq!((found.labels_saved, found.area, found.pays), (None, None, false));
        assert_eq!(found.time_ratio, Some(1.0));
        let expected = "Inheriting is not shown to pay: one seed says nothing about chance (+30.00 points with 10 labels).";
        assert_eq!(found.verdict, expected);
    }

    #[test]
    fn area_takes_the_seeds_that_are_everywhere() {
        let mut trials = three_by_three();
        trials.retain(|trial| trial.seed == 2 || trial.labels != 100);
        assert_eq!(prove(&trials).unwrap().area.unwrap().difference.low, None);
        trials.retain(|trial| trial.seed != 2 || trial.labels == 100);
        assert_eq!(prove(&trials).unwrap().area, None);
    }

    #[test]
    fn nothing_and_nan_are_refused() {
        assert_eq!(prove(&[]).unwrap_err().0[0].code, "no-trials");
        let mut trials = three_by_three();
        trials[3].accuracy = f64::NAN;
        assert_eq!(prove(&trials).unwrap_err().0[0].code, "trial-range");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_figure_is_a_number_in_its_range(
            rows in prop::collection::vec(prop::collection::vec((0.0..=1.0f64, 0.0..=1.0f64, 0.0..1e4f64), 1..4), 1..5),
        ) {
            let mut trials = Vec::new();
            for (row, seeds) in rows.iter().enumerate() {
                for (seed, &(with, without, seconds)) in seeds.iter().enumerate() {
                    let labels = 10 << row;
                    trials.push(trial(labels, seed as u64, true, with, &[(seconds / 2.0, without), (seconds, with)]));
                    trials.push(trial(labels, seed as u64, false, without, &[(seconds, without)]));
                }
            }
            let found = prove(&trials).unwrap();
            for row in &found.fractions {
                for accuracy in [row.inherited.accuracy, row.scratch.accuracy] {
                    prop_assert!((0.0..=1.0).contains(&accuracy.mean));
                    prop_assert!(accuracy.low.is_none_or(|low| (0.0..=accuracy.mean).contains(&low)));
                    prop_assert!(accuracy.high.is_none_or(|high| (accuracy.mean..=1.0).contains(&high)));
                }
            }
            prop_assert!(found.labels_saved.is_none_or(|factor| factor.is_finite() && factor > 0.0));
            prop_assert!(found.time_ratio.is_none_or(|ratio| ratio.is_finite() && ratio >= 0.0));
            let svg = crate::prove::plot(&found, "any");
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
        }
    }
}
