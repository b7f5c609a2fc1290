//! What holds for every way of merging.

use proptest::prelude::*;
use tensor::Random;

use super::*;

fn drawn(count: usize, length: usize, seed: u64) -> Vec<Vec<f32>> {
    let random = Random::new(seed, "test");
    let model = |model: usize| (0..length).map(|at| random.normal(model as u64, at as u64)).collect();
    (0..count).map(model).collect()
}

fn slices(models: &[Vec<f32>]) -> Vec<&[f32]> {
    models.iter().map(Vec::as_slice).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn equal_models_give_the_model(seed in 0u64..1000, count in 1usize..6, length in 1usize..20) {
        let drawn = drawn(2, length, seed);
        let (base, model) = (&drawn[0], &drawn[1]);
        let models = vec![model.as_slice(); count];
        let weights: Vec<f64> = (0..count).map(|at| 0.3 + at as f64).collect();
        prop_assert_eq!(&average(&models, &weights), model);
        let total: f64 = weights.iter().sum();
        let shares: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
        let close = |found: Vec<f32>| found.iter().zip(model).all(|(a, b)| (a - b).abs() < 1e-6);
        prop_assert!(close(task_arithmetic(base, &models, &shares, 1.0)));
        prop_assert!(close(ties(base, &models, 1.0, 1.0)));
        // A model that learnt nothing adds nothing.
        let idle = vec![base.as_slice(); count];
        prop_assert_eq!(&task_arithmetic(base, &idle, &weights, 0.7), base);
        prop_assert_eq!(&ties(base, &idle, 0.2, 0.7), base);
    }

    #[test]
    fn the_order_of_models_does_not_matter(seed in 0u64..1000, count in 2usize..6, length in 1usize..20) {
        let mut models = drawn(count + 1, length, seed);
        let base = models.remove(0);
        let mut weights: Vec<f64> = (0..count).map(|at| 0.1 + (at * at) as f64 / 7.0).collect();
        let all = |models: &[Vec<f32>], weights: &[f64]| {
            let models = slices(models);
            [
                average(&models, weights),
                task_arithmetic(&base, &models, weights, 0.4),
                ties(&base, &models, 0.3, 1.0),
            ]
        };
        let before = all(&models, &weights);
        let turn = seed as usize % count;
        models.rotate_left(turn);
        weights.rotate_left(turn);
        models.swap(0, count - 1);
        weights.swap(0, count - 1);
        prop_assert_eq!(before, all(&models, &weights));
    }

    #[test]
    fn an_average_lies_between_its_models(seed in 0u64..1000, count in 1usize..6) {
        let models = drawn(count, 7, seed);
        let mean = average(&slices(&models), &vec![1.0; count]);
        for (at, value) in mean.iter().enumerate() {
            let of = || models.iter().map(|model| model[at]);
            prop_assert!(of().fold(f32::INFINITY, f32::min) <= *value);
            prop_assert!(of().fold(f32::NEG_INFINITY, f32::max) >= *value);
        }
    }

    #[test]
    fn what_ties_adds_has_the_sign_that_was_elected(seed in 0u64..1000, count in 1usize..6) {
        let models = drawn(count, 9, seed);
        let base = vec![0.0; 9];
        for (at, value) in ties(&base, &slices(&models), 1.0, 1.0).into_iter().enumerate() {
            let total: f64 = models.iter().map(|model| f64::from(model[at])).sum();
            prop_assert!(f64::from(value) * total > 0.0 && f64::from(value).abs() * count as f64 >= total.abs() - 1e-6);
        }
    }
}
