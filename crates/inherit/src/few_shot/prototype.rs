//! The nearest class mean, as a linear head.

use super::head::{HeadError, Intake, LinearHead, check_classes};
use crate::score::Examples;

/// Each class is told by the mean of its features, `m_c`: the nearest one is said.
///
/// ```text
/// w_c = m_c / T      b_c = -|m_c|^2 / (2 T)
/// f w_c + b_c = -|f - m_c|^2 / (2 T) + |f|^2 / (2 T)
/// ```
///
/// where the last term is the same for all classes. Softmax of it is the probability of each class if features are
/// normal about their class's mean with variance `T` in every direction and classes are equally frequent:
/// [`within_variance`] is that `T`.
///
/// Units    `temperature`: square of the features' unit, above 0. It changes no answer, only how sure it is.
/// Errors   a class without examples; a temperature that is none; numbers beyond `f32`.
/// Source   Snell et al. 2017, "Prototypical Networks for Few-shot Learning", section 2.4.
pub fn prototype(examples: &Examples<'_>, temperature: f64) -> Result<LinearHead, HeadError> {
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(HeadError::Temperature(temperature));
    }
    check_classes(examples)?;
    let means = examples.class_means(); // [classes, d]
    let bias: Vec<f64> = means
        .chunks_exact(examples.width())
        .map(|mean| -mean.iter().map(|value| value * value).sum::<f64>() / (2.0 * temperature))
        .collect();
    let weight: Vec<f64> = means.iter().map(|value| value / temperature).collect();
    LinearHead::of(&weight, &bias, Intake::Plain)
}

/// The mean variance of a feature about its class's mean, over `d` features and the `n - classes` degrees of
/// freedom that the means leave:
///
/// ```text
/// T = sum_i |f_i - m_{y_i}|^2 / (d (n - classes with examples))
/// ```
///
/// Units    square of the features' unit. `None` where it is 0 or there is one example a class.
pub fn within_variance(examples: &Examples<'_>) -> Option<f64> {
    let (means, width) = (examples.class_means(), examples.width());
    let mut sum = 0.0;
    for (row, &label) in examples.rows().zip(examples.labels()) {
        let mean = &means[label as usize * width..][..width];
        sum += row.iter().zip(mean).map(|(&value, mean)| (value as f64 - mean).powi(2)).sum::<f64>();
    }
    let classes = examples.class_counts().iter().filter(|&&count| count > 0).count();
    let freedom = examples.count() - classes; // each of them has an example
    (freedom > 0 && sum > 0.0).then(|| sum / (width * freedom) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Means (1, 0) and (0, 2), with squares 1 and 4; everything halved by the temperature 2.
        let examples = Examples::new(&[0.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 3.0], 2, &[0, 0, 1, 1], 2).unwrap();
        let head = prototype(&examples, 2.0).unwrap();
        assert_eq!(head.weight, [0.5, 0.0, 0.0, 1.0]);
        assert_eq!(head.bias, [-0.25, -1.0]);
        let asked = Examples::new(&[1.0, 1.0], 2, &[0], 2).unwrap();
        assert_eq!(head.scores(&asked), [0.25, 0.0]);
        // Four examples are 1 away from their means: 4 / (2 features * 2 degrees of freedom).
        assert_eq!(within_variance(&examples), Some(1.0));
    }

    #[test]
    fn what_cannot_be_learnt_is_refused() {
        let examples = Examples::new(&[1.0, 2.0], 1, &[0, 2], 3).unwrap();
        assert_eq!(prototype(&examples, 1.0), Err(HeadError::MissingClass { class: 1 }));
        let one = Examples::new(&[1.0], 1, &[0], 1).unwrap();
        assert_eq!(prototype(&one, 0.0), Err(HeadError::Temperature(0.0)));
        assert!(matches!(prototype(&one, f64::NAN), Err(HeadError::Temperature(_))));
        assert_eq!(prototype(&one, 1.0).unwrap().bias, [-0.5]);
        assert_eq!(within_variance(&one), None);
        let huge = Examples::new(&[f32::MAX], 1, &[0], 1).unwrap();
        assert_eq!(prototype(&huge, 1.0), Err(HeadError::Range));
    }
}
