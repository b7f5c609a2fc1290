//! Networks that grow and shrink.

use inherit::transfer::Action;
use proptest::prelude::*;
use tensor::Tensor;

use crate::networks::{Build, CNN, Cnn, Net, cnn, table};
use crate::{action, greatest_difference, planned, predict, value};

/// Differences below this share of the largest number are rounding of 32-bit weights.
const ROUNDING: f64 = 1e-6;

fn alike(after: &[f64], before: &[f64]) -> bool {
    let largest = before.iter().fold(1.0, |largest: f64, value| largest.max(value.abs()));
    greatest_difference(after, before) < ROUNDING * largest
}

/// Two dense layers over features, without a normalisation.
fn dense(seed: u64, inputs: usize, units: [usize; 2]) -> Net {
    let (mut build, x) = Build::new(seed, &[inputs]);
    let x = build.dense("first", x, units[0]);
    let x = build.op("relu1", "Relu", &[x]);
    let x = build.dense("second", x, units[1]);
    let x = build.op("tanh", "Tanh", &[x]);
    let logits = build.dense("head", x, 2);
    build.finish(logits, "a b", "")
}

/// A convolution, a grid of `[4, 2]` laid over what it gives, and a dense layer: the grid as the products of an uneven
/// one, or as the copies of a single pixel.
fn grid(seed: u64, filters: usize, single: bool) -> Net {
    let (mut build, x) = Build::new(seed, &[1, 3, 3]);
    let x = build.conv("conv", x, filters, 3);
    let x = if single {
        let x = build.op("mean", "GlobalAveragePool", &[x]);
        let shape = build.graph.constant("grid.shape", Tensor::new([4], vec![1i64, 1, 4, 2]));
        build.op("grid", "Expand", &[x, shape])
    } else {
        let shares = |count: usize| (0..count).map(|index| (index % 5) as f32 / 5.0).collect::<Vec<_>>();
        let rows = build.graph.constant("grid.rows", Tensor::new([4, 3], shares(12)));
        let columns = build.graph.constant("grid.columns", Tensor::new([3, 2], shares(6)));
        let x = build.op("means", "MatMul", &[rows, x]);
        build.op("grid", "MatMul", &[x, columns])
    };
    let x = build.op("flatten", "Flatten", &[x]);
    let logits = build.dense("head", x, 2);
    build.finish(logits, "a b", "")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn wider_convolutions_compute_the_same(
        seed in 1u64..500, filters in 1usize..5, hidden in 1usize..6, more in 0usize..5, more_hidden in 0usize..6,
    ) {
        // With a normalisation, and flattened before a dense layer.
        let parent = cnn(&Cnn { seed, filters, hidden, ..CNN });
        let child = cnn(&Cnn { seed: seed + 500, filters: filters + more, hidden: hidden + more_hidden, ..CNN });
        let made = planned(&child, &parent);
        prop_assert_eq!(made.plan.inherited_share, 1.0);
        let (after, before) = (predict(&child.with(&made.tensors), &[1, 8, 8]), predict(&parent.graph, &[1, 8, 8]));
        prop_assert!(alike(&after, &before), "{:?} {:?}", after, before);
    }

    #[test]
    fn wider_dense_layers_compute_the_same(
        seed in 1u64..500, inputs in 1usize..6, units in 1usize..6, more in 0usize..9, others in 0usize..9,
    ) {
        let parent = dense(seed, inputs, [units, units + 1]);
        let child = dense(seed + 500, inputs, [units + more, units + 1 + others]);
        let made = planned(&child, &parent);
        let (after, before) = (predict(&child.with(&made.tensors), &[inputs]), predict(&parent.graph, &[inputs]));
        prop_assert!(alike(&after, &before), "{:?} {:?}", after, before);
    }

    #[test]
    fn channels_are_followed_through_a_grid(
        seed in 1u64..500, filters in 1usize..5, more in 0usize..5, single in proptest::bool::ANY,
    ) {
        let (parent, child) = (grid(seed, filters, single), grid(seed + 500, filters + more, single));
        let made = planned(&child, &parent);
        prop_assert_eq!(made.plan.inherited_share, 1.0);
        let (after, before) = (predict(&child.with(&made.tensors), &[1, 3, 3]), predict(&parent.graph, &[1, 3, 3]));
        prop_assert!(alike(&after, &before), "{:?} {:?}", after, before);
    }

    #[test]
    fn the_classes_that_stay_are_answered_as_before(seed in 1u64..500, kept in prop::sample::subsequence(vec!["zero", "one", "two"], 1..3)) {
        let parent = cnn(&Cnn { seed, ..CNN });
        let labels: &'static str = Box::leak(kept.join(" ").into_boxed_str());
        let child = cnn(&Cnn { seed: seed + 500, labels, ..CNN });
        let made = planned(&child, &parent);
        let (after, before) = (predict(&child.with(&made.tensors), &[1, 8, 8]), predict(&parent.graph, &[1, 8, 8]));
        let places: Vec<usize> = kept.iter().map(|name| ["zero", "one", "two"].iter().position(|known| known == name).unwrap()).collect();
        let expect: Vec<f64> = before.chunks(3).flat_map(|row| places.iter().map(|&at| row[at])).collect();
        prop_assert_eq!(after, expect);
    }
}

#[test]
fn a_network_without_its_idle_units_computes_the_same() {
    // Units 0 and 3 of 5 have no weights at all, so the three strongest do everything.
    let mut parent = table(1, "age height", "no yes");
    let idle = |name: &str, shape: [usize; 2]| {
        let mut weight = parent.tensor(name).values::<f32>().to_vec();
        (0..shape[0]).for_each(|row| [0, 3].iter().for_each(|unit| weight[row * shape[1] + unit] = 0.0));
        tensor::Tensor::new(shape, weight)
    };
    let (weight, mut bias) =
        (idle("hidden.weight", [2, 5]), parent.tensor("hidden.bias").values::<f32>().to_vec());
    bias[0] = -1.0;
    bias[3] = 0.0;
    let bias = tensor::Tensor::new([5], bias);
    parent.graph = parent.with(&[("hidden.weight".to_owned(), weight), ("hidden.bias".to_owned(), bias)]);
    let (mut build, x) = Build::new(2, &[2]);
    let x = build.dense("hidden", x, 3);
    let x = build.op("relu", "Relu", &[x]);
    let logits = build.dense("head", x, 2);
    let child = build.finish(logits, "no yes", "age height");
    let made = planned(&child, &parent);
    assert_eq!(action(&made, "head.weight"), Action::Narrowed);
    let head = parent.tensor("head.weight").values::<f32>();
    assert_eq!(value(&made, "head.weight").values::<f32>(), [&head[2..6], &head[8..]].concat());
    assert!(alike(&predict(&child.with(&made.tensors), &[2]), &predict(&parent.graph, &[2])));
}

#[test]
fn channels_that_go_leave_the_others_as_they_were() {
    let (child, parent) = (cnn(&Cnn { seed: 2, filters: 2, ..CNN }), cnn(&CNN));
    let made = planned(&child, &parent);
    for name in ["conv1.weight", "conv1.bias", "norm1.scale", "norm1.running_variance", "hidden.weight"] {
        assert_eq!(action(&made, name), Action::Narrowed, "{name}");
    }
    // Each filter that stays is one of the parent's, bit for bit, with its bias and statistics.
    let rows = |tensor: &tensor::Tensor| -> Vec<Vec<f32>> {
        let row = tensor.len() / tensor.shape()[0];
        tensor.values::<f32>().chunks(row).map(<[f32]>::to_vec).collect()
    };
    let origin: Vec<usize> = rows(value(&made, "conv1.weight"))
        .iter()
        .map(|row| {
            rows(parent.tensor("conv1.weight")).iter().position(|other| other == row).expect("one of them")
        })
        .collect();
    assert!(origin[0] < origin[1], "they keep their order: {origin:?}");
    for name in ["conv1.bias", "norm1.running_mean"] {
        let of: Vec<f32> = origin.iter().map(|&at| parent.tensor(name).values::<f32>()[at]).collect();
        assert_eq!(value(&made, name).values::<f32>(), of, "{name}");
    }
}
