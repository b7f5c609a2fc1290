//! The L2 strength of logistic regression, chosen on the examples to learn from.

use super::head::HeadError;
use super::lbfgs::Limits;
use super::logistic::{cross_entropy, logistic};
use crate::score::{Examples, folds};

/// Strengths that are tried, from the strongest on.
pub const STRENGTHS: [f64; 7] = [10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5];

/// The strength among [`STRENGTHS`] with the lowest mean cross-entropy on held-out examples, over the
/// [`folds`] that `seed` gives; of equals the strongest. `None` where there are too few examples for folds.
///
/// Cross-entropy and not accuracy, because with few examples many strengths have the same accuracy. Only what
/// is to be learnt from is asked; no validation or test example is.
///
/// Errors   as [`logistic`].
pub fn choose_strength(examples: &Examples<'_>, seed: u64, limits: Limits) -> Result<Option<f64>, HeadError> {
    super::head::check_classes(examples)?;
    let Some(folds) = folds(examples, seed) else { return Ok(None) };
    let mut losses = [0.0; STRENGTHS.len()];
    for fold in &folds {
        let (train, held_out) = (examples.select(&fold.train), examples.select(&fold.held_out));
        for (loss, &strength) in losses.iter_mut().zip(&STRENGTHS) {
            let mut scores = logistic(&train, strength, limits)?.head.scores(&held_out);
            let rows = scores.chunks_exact_mut(examples.classes() as usize);
            *loss += rows
                .zip(held_out.labels())
                .map(|(row, &label)| cross_entropy(row, label as usize))
                .sum::<f64>();
        }
    }
    let mut best = 0;
    for (at, loss) in losses.iter().enumerate() {
        if *loss < losses[best] {
            best = at;
        }
    }
    Ok(Some(STRENGTHS[best]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_wants_a_strong_hand_and_a_clear_case_a_light_one() {
        let noise = tensor::Random::new(4, "test");
        let labels: Vec<u32> = (0..40).map(|row| row % 2).collect();
        let chosen = |told: f32| {
            let values: Vec<f32> =
                (0..40 * 3).map(|at| noise.normal(0, at as u64) + told * (at / 3 % 2) as f32).collect();
            let examples = Examples::new(&values, 3, &labels, 2).unwrap();
            choose_strength(&examples, 1, Limits::default()).unwrap().unwrap()
        };
        assert!(chosen(0.0) >= 1.0 && chosen(8.0) <= 1e-4, "{} {}", chosen(0.0), chosen(8.0));
    }

    #[test]
    fn one_example_a_class_is_too_little() {
        let examples = Examples::new(&[1.0, 2.0], 1, &[0, 1], 2).unwrap();
        assert_eq!(choose_strength(&examples, 1, Limits::default()), Ok(None));
    }
}
