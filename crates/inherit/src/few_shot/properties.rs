//! What holds for the heads together: known answers of an independent computation, and properties.

use proptest::prelude::*;
use tensor::Random;

use super::*;
use crate::score::Examples;

/// Normal noise with two columns or more, the first two moved by the label; each class has an example.
fn drawn(count: usize, width: usize, classes: u32, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let random = Random::new(seed, "test");
    let labels: Vec<u32> = (0..count as u32).map(|row| row % classes).collect();
    let value = |at: usize| {
        let centre = match at % width {
            0 => labels[at / width] as f32,
            1 => (labels[at / width] == 1) as u32 as f32,
            _ => 0.0,
        };
        centre + random.normal(0, at as u64)
    };
    ((0..count * width).map(value).collect(), labels)
}

/// All three heads.
fn heads(examples: &Examples<'_>) -> [LinearHead; 3] {
    [
        prototype(examples, 1.0).unwrap(),
        cosine(examples, COSINE_TEMPERATURE).unwrap(),
        logistic(examples, 0.1, Limits::default()).unwrap().head,
    ]
}

#[test]
fn known_answers_of_logistic_regression() {
    // From SciPy 1.17: the same J over the features as they are, by BFGS and L-BFGS-B to a gradient of 1e-12.
    // The biases are those that add up to 0.
    let value = |at: usize| {
        let raised = at % 3 == at / 3 % 3;
        ((at * at * 7 + at * 3) % 11) as f32 - 4.0 + if raised { 3.0 } else { 0.0 }
    };
    let (values, labels): (Vec<f32>, Vec<u32>) =
        ((0..36).map(value).collect(), (0..12).map(|row| row % 3).collect());
    let examples = Examples::new(&values, 3, &labels, 3).unwrap();
    let fitted = logistic(&examples, 0.05, Limits::default()).unwrap();
    assert!(fitted.converged && fitted.iterations < 40, "{fitted:?}");
    assert!((fitted.loss - 0.659_380_011_098).abs() < 1e-10, "{}", fitted.loss);
    let near = |found: &[f32], expected: [f64; 3]| {
        for (found, expected) in found.iter().zip(expected) {
            assert!((*found as f64 - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    };
    near(&fitted.head.weight[..3], [-0.013_606_52, 0.188_773_04, -0.175_166_52]);
    near(&fitted.head.bias, [-0.087_703_36, 0.091_019_12, -0.003_315_76]);
}

#[test]
fn a_search_that_is_cut_says_so_and_a_weak_hand_still_converges() {
    let (values, labels) = drawn(30, 5, 3, 1);
    let examples = Examples::new(&values, 5, &labels, 3).unwrap();
    let cut = logistic(&examples, 0.1, Limits { iterations_max: 3, ..Limits::default() }).unwrap();
    assert_eq!((cut.converged, cut.iterations), (false, 3));
    for strength in STRENGTHS {
        let fitted = logistic(&examples, strength, Limits::default()).unwrap();
        assert!(fitted.converged, "strength {strength}: {} steps", fitted.iterations);
    }
}

#[test]
fn degenerate_examples() {
    let constant = Examples::new(&[2.0; 8], 2, &[0, 1, 1, 1], 2).unwrap();
    let fitted = logistic(&constant, 0.1, Limits::default()).unwrap();
    // Only the bias can tell: the shares of the classes, 1 to 3.
    assert!(fitted.converged && fitted.head.weight == [0.0; 4]);
    assert!((fitted.head.bias[1] - fitted.head.bias[0] - 3.0_f32.ln()).abs() < 1e-6);

    let one = Examples::new(&[2.0, 1.0], 2, &[0], 1).unwrap();
    assert_eq!(logistic(&one, 0.1, Limits::default()).unwrap().loss, 0.0);
    assert_eq!(heads(&one).map(|head| head.answers(&one)), [[0], [0], [0]]);

    let missing = Examples::new(&[2.0, 1.0], 1, &[0, 2], 3).unwrap();
    let error = HeadError::MissingClass { class: 1 };
    assert_eq!(logistic(&missing, 0.1, Limits::default()), Err(error.clone()));
    assert_eq!(cosine(&missing, 1.0), Err(error.clone()));
    assert_eq!(choose_strength(&missing, 1, Limits::default()), Err(error));
    assert_eq!(logistic(&one, 0.0, Limits::default()), Err(HeadError::Strength(0.0)));

    let huge = Examples::new(&[f32::MAX, f32::MIN], 1, &[0, 1], 2).unwrap();
    assert_eq!(logistic(&huge, 0.1, Limits::default()), Err(HeadError::Range));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn other_names_of_classes_give_the_same_heads_with_other_columns(seed in 0u64..1000, count in 3usize..20) {
        let (values, labels) = drawn(count, 4, 3, seed);
        let names = [2u32, 0, 1];
        let renamed: Vec<u32> = labels.iter().map(|&label| names[label as usize]).collect();
        let before = heads(&Examples::new(&values, 4, &labels, 3).unwrap());
        let after = heads(&Examples::new(&values, 4, &renamed, 3).unwrap());
        for (before, after) in before.iter().zip(&after) {
            let rows = before.weight.chunks_exact(3).zip(after.weight.chunks_exact(3));
            for (before, after) in rows.chain([(&before.bias[..], &after.bias[..])]) {
                for class in 0..3 {
                    let (a, b) = (before[class], after[names[class] as usize]);
                    prop_assert!((a - b).abs() < 1e-5, "{} is not {}", a, b);
                }
            }
        }
    }

    #[test]
    fn the_prototype_head_says_the_nearest_mean(seed in 0u64..1000, width in 2usize..9) {
        let (values, labels) = drawn(12, width, 3, seed);
        let examples = Examples::new(&values, width, &labels, 3).unwrap();
        let means = examples.class_means();
        let distance = |row: &[f32], class: usize| -> f64 {
            let mean = &means[class * width..][..width];
            row.iter().zip(mean).map(|(&value, mean)| (value as f64 - mean).powi(2)).sum()
        };
        let said = prototype(&examples, 0.5).unwrap().answers(&examples);
        for (row, said) in examples.rows().zip(said) {
            for class in 0..3 {
                prop_assert!(distance(row, said as usize) <= distance(row, class) + 1e-5);
            }
        }
    }

    #[test]
    fn logistic_regression_sees_neither_a_shift_nor_a_unit(
        seed in 0u64..1000, shift in -2.0..2.0f32, factor in 0.01..100.0f32,
    ) {
        let (values, labels) = drawn(12, 3, 3, seed);
        let moved: Vec<f32> = values.iter().map(|value| (value + shift) * factor).collect();
        let fit = |values: &[f32]| {
            logistic(&Examples::new(values, 3, &labels, 3).unwrap(), 0.1, Limits::default()).unwrap()
        };
        let (before, after) = (fit(&values), fit(&moved));
        prop_assert!(before.converged && after.converged && (before.loss - after.loss).abs() < 1e-5);
        prop_assert_eq!(&before, &fit(&values));
    }
}
