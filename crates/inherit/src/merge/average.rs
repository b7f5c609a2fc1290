//! Averages of models: soups.

/// The weighted mean of models that started from the same one, element by element:
///
/// ```text
/// y = sum_i (w_i / sum_j w_j) x_i
/// ```
///
/// With equal weights it is the uniform soup. Sums are in `f64` and in ascending order of their terms, so the order of the
/// models does not matter to the bit, and equal models give the model.
///
/// Shapes   `models`: at least one, all of one length; `weights`: one for each.
/// Units    `weights`: none, from 0 on, at least one above 0.
/// Source   Wortsman et al. 2022, "Model soups", arXiv:2203.05482.
pub fn average(models: &[&[f32]], weights: &[f64]) -> Vec<f32> {
    assert_eq!(models.len(), weights.len(), "one weight for each model");
    let total = sum(weights.to_vec());
    let shares: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
    let length = models.first().map_or(0, |model| model.len());
    let element = |at: usize| {
        sum(models.iter().zip(&shares).map(|(model, share)| share * f64::from(model[at])).collect())
    };
    (0..length).map(|at| element(at) as f32).collect()
}

/// The sum of `terms` in ascending order: whatever order they came in, the same bits.
pub(super) fn sum(mut terms: Vec<f64>) -> f64 {
    terms.sort_unstable_by(f64::total_cmp);
    terms.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let models: [&[f32]; 3] = [&[1.0, -2.0], &[3.0, 0.0], &[8.0, 8.0]];
        assert_eq!(average(&models, &[1.0, 1.0, 1.0]), [4.0, 2.0]);
        assert_eq!(average(&models, &[3.0, 1.0, 0.0]), [1.5, -1.5]);
    }
}
