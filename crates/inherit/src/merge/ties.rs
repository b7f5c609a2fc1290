//! TIES: task vectors that do not get into each other's way.

use super::average::sum;

/// Adds to `base` what the models learnt beyond it, without what is small and where they disagree:
///
/// ```text
/// t_i = x_i - base, of which the ceil(density n) elements largest in magnitude stay, the others become 0     (trim)
/// s   = sign(sum_i t_i), element by element                                                         (elect a sign)
/// m   = mean of those t_i that have the sign s; 0 where none does                               (disjoint mean)
/// y   = base + scale m
/// ```
///
/// A model is trimmed as a whole, over all `n` of its elements; of equal magnitudes the first stay. Where the sum is exactly
/// 0 no sign is elected, and the base stays. The order of the models does not matter to the bit.
///
/// Shapes   `base` and all of `models`: of one length `n`.
/// Units    `density`: share, above 0 up to 1, 0.2 in the paper; `scale`: none, about 1.
/// Source   Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models", arXiv:2306.01708.
pub fn ties(base: &[f32], models: &[&[f32]], density: f64, scale: f64) -> Vec<f32> {
    let learnt = |model: &&[f32]| {
        let vector = base.iter().zip(*model).map(|(&start, &value)| f64::from(value) - f64::from(start));
        trim(vector.collect(), density)
    };
    let vectors: Vec<Vec<f64>> = models.iter().map(learnt).collect();
    let element = |(at, &start): (usize, &f32)| {
        let values: Vec<f64> = vectors.iter().map(|vector| vector[at]).collect();
        (f64::from(start) + scale * disjoint_mean(values)) as f32
    };
    base.iter().enumerate().map(element).collect()
}

/// Everything but the largest elements becomes 0.
fn trim(mut vector: Vec<f64>, density: f64) -> Vec<f64> {
    let kept = ((density * vector.len() as f64).ceil() as usize).max(1);
    if kept >= vector.len() {
        return vector;
    }
    let mut order: Vec<usize> = (0..vector.len()).collect();
    // A total order, so which elements stay does not depend on how they are found.
    order.select_nth_unstable_by(kept, |&a, &b| vector[b].abs().total_cmp(&vector[a].abs()).then(a.cmp(&b)));
    order[kept..].iter().for_each(|&at| vector[at] = 0.0);
    vector
}

fn disjoint_mean(values: Vec<f64>) -> f64 {
    let total = sum(values.clone());
    let agreeing: Vec<f64> = values.into_iter().filter(|value| value * total > 0.0).collect();
    let count = agreeing.len().max(1) as f64;
    sum(agreeing) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Task vectors (4, -1, 0.5, 3) and (2, -6, 0.25, -1); half of each stays: (4, 0, 0, 3) and (2, -6, 0, 0).
        let models: [&[f32]; 2] = [&[5.0, 0.0, 1.5, 4.0], &[3.0, -5.0, 1.25, 0.0]];
        assert_eq!(ties(&[1.0; 4], &models, 0.5, 1.0), [4.0, -5.0, 1.0, 4.0]);
        // All of it: the signs are +, -, +, + (3 - 1); the one that disagrees in the last place is left out.
        assert_eq!(ties(&[1.0; 4], &models, 1.0, 1.0), [4.0, -2.5, 1.375, 4.0]);
        assert_eq!(ties(&[1.0; 4], &models, 1.0, 0.5), [2.5, -0.75, 1.1875, 2.5]);
    }

    #[test]
    fn three_models_vote_by_magnitude() {
        // 1 + 1 - 3 < 0: the one against two wins, for it is larger.
        let models: [&[f32]; 3] = [&[1.0], &[1.0], &[-3.0]];
        assert_eq!(ties(&[0.0], &models, 1.0, 1.0), [-3.0]);
        // They cancel: nobody is elected.
        let models: [&[f32]; 2] = [&[2.0], &[-2.0]];
        assert_eq!(ties(&[7.0], &[&[9.0], &[5.0]], 1.0, 1.0), [7.0]);
        assert_eq!(ties(&[0.0], &models, 1.0, 1.0), [0.0]);
    }

    #[test]
    fn of_equal_magnitudes_the_first_stay() {
        assert_eq!(trim(vec![1.0, -1.0, 1.0, 0.0], 0.5), [1.0, -1.0, 0.0, 0.0]);
        assert_eq!(trim(vec![0.0, 2.0], 0.01), [0.0, 2.0]);
    }
}
