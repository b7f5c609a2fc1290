//! What holds for all scores together: known answers of an independent computation, and properties.

use proptest::prelude::*;
use tensor::Random;

use super::ridge::ridge;
use super::*;

/// Whole numbers in [-4, 9] with labels in turn; column `class` is higher by 3, so that there is something to
/// tell.
fn lattice(count: usize, width: usize, classes: usize) -> (Vec<f32>, Vec<u32>) {
    let value = |at: usize| {
        let raised = at % width == (at / width % classes) % width;
        ((at * at * 7 + at * 3) % 11) as f32 - 4.0 + if raised { 3.0 } else { 0.0 }
    };
    ((0..count * width).map(value).collect(), (0..count).map(|row| (row % classes) as u32).collect())
}

/// Normal noise, the first columns moved by the label.
fn drawn(count: usize, width: usize, classes: u32, told: f32, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let random = Random::new(seed, "test");
    let labels: Vec<u32> = (0..count as u64).map(|row| random.below(1, row, classes)).collect();
    let value = |at: usize| {
        let centre = if at.is_multiple_of(width) { told * labels[at / width] as f32 } else { 0.0 };
        centre + random.normal(0, at as u64)
    };
    ((0..count * width).map(value).collect(), labels)
}

/// Turns features in the plane of each two neighbouring columns, then shifts and multiplies them.
fn moved(values: &[f32], width: usize, angle: f64, shift: f32, factor: f32) -> Vec<f32> {
    let mut values = values.to_vec();
    for row in values.chunks_exact_mut(width) {
        for at in 1..width {
            let (a, b) = (row[at - 1] as f64, row[at] as f64);
            row[at - 1] = (a * angle.cos() - b * angle.sin()) as f32;
            row[at] = (a * angle.sin() + b * angle.cos()) as f32;
        }
        row.iter_mut().for_each(|value| *value = (*value + shift) * factor);
    }
    values
}

/// The scores agree to `within`, relative to 1.
fn check_near(a: &Scores, b: &Scores, within: f64) {
    let near = |a: f64, b: f64| (a - b).abs() <= within;
    assert!(near(a.logme, b.logme) && near(a.h_score, b.h_score), "{a:?} is not {b:?}");
    assert!(near(a.leep.unwrap_or(0.0), b.leep.unwrap_or(0.0)), "{a:?} is not {b:?}");
}

#[test]
fn known_answers() {
    // Computed with NumPy 2.4 and SciPy 1.17 from the definitions: for LogME the density of n - 1 orthonormal
    // contrasts under the covariance I / beta + X X^T / alpha, raised by Nelder-Mead from 64 beginnings; for
    // the H-score inverses of whole d x d matrices, with |x x^T - S|^2 summed example by example; for the ridge
    // the hat matrix. First with more examples than features, then the other way round.
    for (count, width, classes, expected_logme, expected_h_score, expected_first) in [
        (12, 3, 3, -0.589_871_381_900, 0.709_638_773_361, 0.579_006_46),
        (6, 9, 2, -0.816_952_131_047, 0.487_212_569_666, 0.500_551_97),
    ] {
        let (values, labels) = lattice(count, width, classes);
        let examples = Examples::new(&values, width, &labels, classes as u32).unwrap();
        let spectrum = Spectrum::of(&examples).unwrap();
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-8, "{found} is not {expected}");
        };
        near(log_me(&spectrum), expected_logme);
        near(h_score(&spectrum), expected_h_score);
        near(ridge(&spectrum).scores(&spectrum, &examples)[0], expected_first);
    }
}

#[test]
fn probes_do_not_see_a_rotation() {
    let (values, labels) = drawn(80, 6, 3, 1.0, 9);
    let probe_of = |values: &[f32]| probe(&Examples::new(values, 6, &labels, 3).unwrap(), 1).unwrap();
    assert_eq!(probe_of(&values), probe_of(&moved(&values, 6, 0.7, 3.0, 0.25)));
}

#[test]
fn more_than_the_limits_is_cut_and_said() {
    let (values, labels) = drawn(60, 600, 2, 6.0, 2);
    let examples = Examples::new(&values, 600, &labels, 2).unwrap();
    let scores = score(&examples, None, 1).unwrap();
    assert_eq!(scores.seen, Seen { examples: 60, examples_of: 60, width: 512, width_of: 600 });
    assert_eq!(scores, score(&examples, None, 1).unwrap());
    let (values, labels) = drawn(6_000, 2, 2, 6.0, 2);
    let scores = score(&Examples::new(&values, 2, &labels, 2).unwrap(), None, 1).unwrap();
    assert!(scores.seen.examples_of == 6_000 && (4_998..=5_000).contains(&scores.seen.examples));
    assert!(scores.probe.unwrap().ridge > 0.99);
}

#[test]
fn what_has_no_score_is_refused() {
    let one = Examples::new(&[1.0], 1, &[0], 2).unwrap();
    assert_eq!(score(&one, None, 1), Err(ScoreError::OneClass));
    let two = Examples::new(&[1.0, 2.0], 1, &[0, 1], 2).unwrap();
    let outputs = Probabilities::new(&[1.0], 1).unwrap();
    assert_eq!(score(&two, Some(&outputs), 1), Err(ScoreError::Answers { answers: 1, examples: 2 }));
    let scores = score(&two, None, 1).unwrap();
    assert!(scores.probe.is_none() && scores.logme.is_finite() && scores.h_score.is_finite());
}

#[test]
fn a_parent_that_tells_the_classes_is_before_one_that_does_not() {
    let candidates: Vec<Candidate> = [0.0, 4.0, 1.0]
        .into_iter()
        .map(|told| {
            let (values, labels) = drawn(120, 8, 3, told, 4);
            let examples = Examples::new(&values, 8, &labels, 3).unwrap();
            let scores = score(&examples, None, 1).unwrap();
            let evidence = evidence(&[&examples], 1).unwrap();
            Candidate { name: format!("told {told}"), evidence, scores }
        })
        .collect();
    let order: Vec<usize> = rank(&candidates).iter().map(|ranked| ranked.candidate).collect();
    assert_eq!(order, [1, 2, 0]);
    let text = serde_json::to_string(&candidates[0].scores).unwrap();
    assert_eq!(serde_json::from_str::<Scores>(&text).unwrap(), candidates[0].scores);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_rotation_a_shift_and_a_unit_change_nothing(
        seed in 0u64..1000, count in 6usize..30, width in 1usize..12,
        angle in 0.0..6.0f64, shift in -2.0..2.0f32, factor in 0.01..100.0f32,
    ) {
        let (values, mut labels) = drawn(count, width, 3, 1.0, seed);
        (labels[0], labels[1]) = (0, 1);
        let of = |values: &[f32]| {
            score(&Examples::new(values, width, &labels, 3).unwrap(), None, 1).unwrap()
        };
        check_near(&of(&values), &of(&moved(&values, width, angle, shift, factor)), 1e-4);
    }

    #[test]
    fn the_names_of_classes_change_nothing(seed in 0u64..1000, count in 8usize..30, width in 1usize..6) {
        let (values, mut labels) = drawn(count, width, 3, 1.0, seed);
        (labels[0], labels[1]) = (0, 1);
        let random = Random::new(seed, "answers");
        let mut answers: Vec<f32> = (0..count * 4).map(|at| random.uniform(0, at as u64) + 0.01).collect();
        for answer in answers.chunks_exact_mut(4) {
            let sum: f32 = answer.iter().sum();
            answer.iter_mut().for_each(|value| *value /= sum);
        }
        let outputs = Probabilities::new(&answers, 4).unwrap();
        let of = |labels: &[u32]| {
            score(&Examples::new(&values, width, labels, 5).unwrap(), Some(&outputs), 1).unwrap()
        };
        let renamed: Vec<u32> = labels.iter().map(|&label| [4, 0, 2][label as usize]).collect();
        let (scores, again) = (of(&labels), of(&renamed));
        check_near(&scores, &again, 1e-9);
        prop_assert_eq!(scores.probe, again.probe);
        prop_assert!(scores.leep.unwrap() <= 0.0);
    }

    #[test]
    fn every_score_is_a_number_in_its_range(
        values in prop::collection::vec(
            prop_oneof![Just(0.0), Just(1.0), Just(f32::MAX), Just(f32::MIN), Just(1e-45), -1e3..1e3f32], 24),
        labels in prop::collection::vec(0u32..4, 12), width in prop_oneof![Just(2usize), Just(6)],
    ) {
        let labels = &labels[..24 / width];
        match score(&Examples::new(&values, width, labels, 4).unwrap(), None, 3) {
            Ok(scores) => {
                prop_assert!(scores.logme.is_finite());
                prop_assert!((-1e-9..=3.0 + 1e-9).contains(&scores.h_score), "{}", scores.h_score);
                for accuracy in scores.probe.iter().flat_map(|probe| [probe.ridge, probe.centroid]) {
                    prop_assert!((0.0..=1.0).contains(&accuracy));
                }
            }
            Err(error) => prop_assert_eq!(error, ScoreError::OneClass),
        }
    }
}
