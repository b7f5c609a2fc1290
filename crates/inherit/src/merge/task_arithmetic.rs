//! Task vectors: what fine-tuning added to a model, added up.

use super::average::sum;

/// What each model learnt beyond the base they all started from, added to it:
///
/// ```text
/// y = base + scale sum_i w_i (x_i - base)
/// ```
///
/// A weight below 0 takes a task away (forgetting by negation). Sums are in `f64` and in ascending order of their terms, so
/// the order of the models does not matter to the bit.
///
/// Shapes   `base` and all of `models`: of one length; `weights`: one for each model.
/// Units    `weights`, `scale`: none; `scale` of 0.3 to 1 suits several tasks.
/// Source   Ilharco et al. 2023, "Editing Models with Task Arithmetic", arXiv:2212.04089.
pub fn task_arithmetic(base: &[f32], models: &[&[f32]], weights: &[f64], scale: f64) -> Vec<f32> {
    assert_eq!(models.len(), weights.len(), "one weight for each model");
    let element = |(at, &start): (usize, &f32)| {
        let start = f64::from(start);
        let learnt =
            models.iter().zip(weights).map(|(model, weight)| weight * (f64::from(model[at]) - start));
        (start + scale * sum(learnt.collect())) as f32
    };
    base.iter().enumerate().map(element).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let models: [&[f32]; 2] = [&[2.0, 1.0], &[1.0, 5.0]];
        assert_eq!(task_arithmetic(&[1.0, 1.0], &models, &[1.0, 1.0], 1.0), [2.0, 5.0]);
        assert_eq!(task_arithmetic(&[1.0, 1.0], &models, &[1.0, -0.5], 0.5), [1.5, 0.0]);
        assert_eq!(task_arithmetic(&[1.0, 1.0], &models, &[1.0, 1.0], 0.0), [1.0, 1.0]);
    }
}
