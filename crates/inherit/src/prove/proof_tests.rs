//! Proofs small enough to derive outside, degenerate ones, and properties.

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
            trials.push(trial(labels, seed, false, without, &[(10.0, 0.3), (20.0, 0.45), (30.0, without)]));
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
    let ScratchLabels::At { labels } = found.fractions[1].scratch_labels else { panic!("within the range") };
    assert!((labels - 562.341325190349).abs() < 1e-6, "{labels}");
    assert_eq!(found.fractions[2].scratch_labels, ScratchLabels::Never { labels: 1000 });
    // (10 * 5.62341325190349 * 1)^(1/3)
    assert!((found.labels_saved.unwrap() - 3.8311868495572888).abs() < 1e-9, "{:?}", found.labels_saved);
    assert!(found.labels_saved_note.contains("At least: at 1 of 3 amounts"), "{}", found.labels_saved_note);
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
        trial.accuracy += if trial.inherited { [0.01, -0.01, 0.002][trial.seed as usize % 3] } else { 0.0 };
    }
    let found = prove(&trials).unwrap();
    assert!(!found.pays);
    assert!(
        found.verdict.starts_with("Inheriting is not shown to pay: the accuracy is higher at only 0 of 3")
    );
}

#[test]
fn one_seed_and_one_fraction() {
    let found = prove(&[trial(10, 1, true, 0.8, &[]), trial(10, 1, false, 0.5, &[])]).unwrap();
    let row = &found.fractions[0];
    assert_eq!(row.difference, Estimate { mean: 0.8 - 0.5, low: None, high: None });
    assert_eq!((found.labels_saved, found.area, found.pays), (None, None, false));
    assert_eq!(found.time_ratio, Some(1.0));
    let expected =
        "Inheriting is not shown to pay: one seed says nothing about chance (+30.00 points with 10 labels).";
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
