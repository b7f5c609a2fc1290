//! Probes: how often simple heads over the features are right about examples that they did not see.

use serde::{Deserialize, Serialize};

use super::folds::folds;
use super::ridge::ridge;
use super::{Examples, ScoreError, Spectrum, dot};
use crate::few_shot::largest;

/// Cross-validated accuracy of two heads that have no setting to be chosen by held-out examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Share of held-out examples whose nearest class mean is that of their class, in `[0, 1]`.
    pub centroid: f64,
    /// Share of held-out examples for which ridge regression on one-hot targets says most for their class.
    pub ridge: f64,
    /// How many examples were held out and judged, each once.
    pub judged: usize,
    /// How many folds there were.
    pub folds: usize,
}

impl Probe {
    /// The better of both accuracies: the nearest mean holds for few examples, the regression for many.
    pub fn accuracy(&self) -> f64 {
        self.centroid.max(self.ridge)
    }

    /// Standard error of [`Probe::accuracy`], `sqrt((r + 1) (n - r + 1) / (n + 2)^2 / (n + 3))` for `r` right
    /// out of `n`: the deviation of the rate after a uniform prior, which is not 0 where all are right.
    pub fn standard_error(&self) -> f64 {
        let count = self.judged as f64;
        let right = self.accuracy() * count;
        ((right + 1.0) * (count - right + 1.0) / (count + 3.0)).sqrt() / (count + 2.0)
    }
}

/// Judges both heads on the [`folds`] that `seed` gives; `None` where there are too few examples for any.
///
/// Features are centred, not rescaled one by one: accuracies stay when features are rotated, shifted or all
/// multiplied (but for rounding). The strength of the ridge is chosen inside each fold by generalised
/// cross-validation over what is learnt from; what is held out chooses nothing. Of equal scores, the class
/// with the lower number is said.
///
/// Errors   eigenvalues that were not found.
/// Sources  Snell et al. 2017 for the nearest mean; Renggli et al. 2022, "Which Model to Transfer? Finding
///          the Needle in the Growing Haystack", for cheap heads as the measure of a parent.
pub fn probe(examples: &Examples<'_>, seed: u64) -> Result<Option<Probe>, ScoreError> {
    let examples = examples.without_empty_classes();
    let Some(folds) = folds(&examples, seed) else { return Ok(None) };
    let (mut centroid, mut regression, mut judged) = (0, 0, 0);
    for fold in &folds {
        let (train, held_out) = (examples.select(&fold.train), examples.select(&fold.held_out));
        let classes = train.classes() as usize;
        let right = |scores: &[f64]| {
            let rows = scores.chunks_exact(classes).zip(held_out.labels());
            rows.filter(|(row, label)| largest(row) == **label as usize).count()
        };
        let spectrum = Spectrum::of(&train)?;
        regression += right(&ridge(&spectrum).scores(&spectrum, &held_out));
        centroid += right(&nearness(&spectrum, &held_out));
        judged += held_out.count();
    }
    let share = |right: usize| right as f64 / judged as f64;
    Ok(Some(Probe { centroid: share(centroid), ridge: share(regression), judged, folds: folds.len() }))
}

/// How near each example is to the mean of each class, `x m_c - |m_c|^2 / 2`: `[n, classes]`. The same order as
/// that of a prototype head, in f64 throughout, so that no size of the features is too much.
fn nearness(spectrum: &Spectrum<'_>, examples: &Examples<'_>) -> Vec<f64> {
    let (train, width) = (spectrum.examples, spectrum.examples.width());
    let mut means = vec![0.0; train.classes() as usize * width]; // [classes, d]
    let counts = train.class_counts();
    for (x, &label) in spectrum.centred.chunks_exact(width).zip(train.labels()) {
        let count = counts[label as usize] as f64;
        let mean = &mut means[label as usize * width..][..width];
        mean.iter_mut().zip(x).for_each(|(mean, x)| *mean += x / count);
    }
    let halves: Vec<f64> = means.chunks_exact(width).map(|mean| dot(mean, mean) / 2.0).collect();
    let mut scores = Vec::with_capacity(examples.count() * halves.len());
    for row in examples.rows() {
        let x = spectrum.place(row);
        scores.extend(means.chunks_exact(width).zip(&halves).map(|(mean, half)| dot(mean, &x) - half));
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes about -1 and 1 along one of the axes; the other axes hold larger noise.
    fn of(count: usize, told: f32, width: usize) -> Option<Probe> {
        let noise = tensor::Random::new(1, "test");
        let labels: Vec<u32> = (0..count as u32).map(|row| row % 2).collect();
        let mut values = Vec::new();
        for (row, label) in labels.iter().enumerate() {
            for at in 0..width {
                let centre = if at == 0 { told * (2.0 * *label as f32 - 1.0) } else { 0.0 };
                values.push(centre + noise.normal(row as u64, at as u64) * (at as f32 + 0.1));
            }
        }
        probe(&Examples::new(&values, width, &labels, 2).unwrap(), 3).unwrap()
    }

    #[test]
    fn what_can_be_told_is_told_and_noise_is_chance() {
        let told = of(100, 1.0, 3).unwrap();
        assert!(told.ridge == 1.0 && told.judged == 100 && told.folds == 5, "{told:?}");
        assert!(told.standard_error() > 0.0);
        let noise = of(400, 0.0, 3).unwrap();
        assert!((noise.ridge - 0.5).abs() < 0.08 && (noise.centroid - 0.5).abs() < 0.08, "{noise:?}");
    }

    #[test]
    fn ridge_sees_a_small_direction_under_larger_noise_and_the_mean_does_not() {
        let found = of(300, 0.4, 8).unwrap();
        assert!(found.ridge > 0.95 && found.centroid < 0.8, "{found:?}");
    }

    #[test]
    fn two_examples_a_class_are_enough_and_one_is_not() {
        assert_eq!(of(4, 1.0, 1).unwrap().judged, 4);
        assert_eq!(of(3, 1.0, 1), None); // two of one class, one of the other
        assert_eq!(of(2, 1.0, 1), None);
    }

    #[test]
    fn constant_features_say_the_larger_class() {
        let labels: Vec<u32> = (0..50).map(|row| (row % 5 == 0) as u32).collect();
        let values = vec![1.5; 50];
        let found = probe(&Examples::new(&values, 1, &labels, 2).unwrap(), 1).unwrap().unwrap();
        assert_eq!(found.ridge, 0.8);
    }

    #[test]
    fn the_nearest_mean_is_that_of_a_prototype_head() {
        let noise = tensor::Random::new(8, "test");
        let values: Vec<f32> = (0..40 * 3).map(|at| noise.normal(0, at) + (at / 3 % 4) as f32).collect();
        let labels: Vec<u32> = (0..40).map(|row| row % 4).collect();
        let examples = Examples::new(&values, 3, &labels, 4).unwrap();
        let scores = nearness(&Spectrum::of(&examples).unwrap(), &examples);
        let said: Vec<u32> = scores.chunks_exact(4).map(|row| largest(row) as u32).collect();
        assert_eq!(said, crate::few_shot::prototype(&examples, 1.0).unwrap().answers(&examples));
    }
}
