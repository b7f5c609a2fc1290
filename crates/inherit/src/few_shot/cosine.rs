//! The class mean that lies in the nearest direction, as a linear head over normalised features.

use super::head::{HeadError, Intake, LinearHead, check_classes, length};
use crate::score::Examples;

/// A temperature that suits cosines: scores then lie in `[-10, 10]`, enough for a softmax to be sure of one
/// class among many (Gidaris and Komodakis 2018 learn about this number).
pub const COSINE_TEMPERATURE: f64 = 0.1;

/// Each class is told by the direction of the mean of its features, each divided by its length first:
///
/// ```text
/// m_c = mean over the class of f_i / |f_i|      w_c = m_c / |m_c| / T      b_c = 0
/// (f / |f|) w_c = cos(f, m_c) / T
/// ```
///
/// The head takes *normalised* features ([`Intake::UnitLength`]): a model that carries it must divide features
/// by their length. A row of zeros has no direction, counts for none and is scored 0 for all classes.
///
/// Units    `temperature`: none, above 0; see [`COSINE_TEMPERATURE`].
/// Errors   a class without examples, or whose features cancel; a temperature that is none; numbers beyond
///          `f32`.
/// Source   Gidaris and Komodakis 2018, "Dynamic Few-Shot Visual Learning without Forgetting"; Chen et al.
///          2019, "A Closer Look at Few-shot Classification".
pub fn cosine(examples: &Examples<'_>, temperature: f64) -> Result<LinearHead, HeadError> {
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(HeadError::Temperature(temperature));
    }
    check_classes(examples)?;
    let (classes, width) = (examples.classes() as usize, examples.width());
    let mut weight = vec![0.0; classes * width]; // [classes, d]
    for (row, &label) in examples.rows().zip(examples.labels()) {
        let length = length(row.iter().map(|&value| value as f64));
        for (sum, &value) in weight[label as usize * width..][..width].iter_mut().zip(row) {
            *sum += value as f64 / length;
        }
    }
    for ((class, sum), count) in weight.chunks_exact_mut(width).enumerate().zip(examples.class_counts()) {
        let squares: f64 = sum.iter().map(|value| value * value).sum();
        if squares.sqrt() <= CANCELLED * count as f64 {
            return Err(HeadError::NoDirection { class });
        }
        sum.iter_mut().for_each(|value| *value /= squares.sqrt() * temperature);
    }
    LinearHead::of(&weight, &vec![0.0; classes], Intake::UnitLength)
}

/// A mean of unit vectors that is this short is what rounding has left.
const CANCELLED: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // (3, 4) and (6, 8) point to (0.6, 0.8); the second class to (0, 1). Lengths do not matter.
        let examples = Examples::new(&[3.0, 4.0, 6.0, 8.0, 0.0, 9.0], 2, &[0, 0, 1], 2).unwrap();
        let head = cosine(&examples, 1.0).unwrap();
        assert_eq!(head.weight, [0.6, 0.0, 0.8, 1.0]);
        assert_eq!((&head.bias[..], head.intake), (&[0.0, 0.0][..], Intake::UnitLength));
        let asked = Examples::new(&[0.0, 5.0, 0.0, 0.0], 2, &[1, 0], 2).unwrap();
        let scores = head.scores(&asked);
        assert!((scores[0] - 0.8).abs() < 1e-7 && (scores[1] - 1.0).abs() < 1e-12, "{scores:?}");
        assert_eq!(scores[2..], [0.0, 0.0]);
    }

    #[test]
    fn features_that_cancel_have_no_direction() {
        let examples = Examples::new(&[1.0, 2.0, -3.0], 1, &[0, 1, 1], 2).unwrap();
        assert_eq!(cosine(&examples, 1.0), Err(HeadError::NoDirection { class: 1 }));
        let zeros = Examples::new(&[0.0, 0.0], 1, &[0, 0], 1).unwrap();
        assert_eq!(cosine(&zeros, 1.0), Err(HeadError::NoDirection { class: 0 }));
        assert_eq!(cosine(&zeros, -1.0), Err(HeadError::Temperature(-1.0)));
    }
}
