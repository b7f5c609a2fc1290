//! Convolutions by each algorithm that a plan can be asked for, against the reference.

use std::sync::Arc;

use engine::{Algorithm, Convolutions, Feed, Level, Options, Predictor, Rows, Targets};
use graph::ops;
use tensor::Tensor;

use crate::{Setup, batches, convolutions, setup};

/// How far a result may be from the reference, as a part of its terms' absolute values together.
fn bound(algorithm: Algorithm) -> f64 {
    match algorithm {
        Algorithm::Direct | Algorithm::Winograd2x2 => 1e-6,
        Algorithm::Winograd4x4 => 5e-6,
    }
}

/// Examples of a batch, and of all.
const BATCH: usize = 33;
const ROWS: usize = 40;

/// The answers of a plan.
fn answers(setup: &Setup, order: &[u32], options: Options, algorithm: Algorithm) -> (Vec<Tensor>, String) {
    let graph = Arc::new(setup.graph.clone());
    let plan = Predictor::choosing(graph, options, Convolutions::Largest(algorithm));
    let mut plan = plan.expect("lowers");
    let feed = Feed { rows: Rows::F32(&setup.rows), row_len: setup.row_len, targets: Targets::None };
    (plan.run(feed, order).expect("runs"), plan.describe())
}

/// The greatest distance of a result from the reference, as a part of its terms. Checks that the bytes do not depend on threads.
fn distance(setup: &Setup, algorithm: Algorithm, used: &mut usize) -> f64 {
    let order = setup.order(ROWS);
    let expected = setup.expected(&order, BATCH).expect("the reference takes it").remove(0);
    let terms = setup.absolute().expected(&order, BATCH).expect("as before").remove(0);
    let mut worst = 0.0f64;
    for level in Level::available() {
        let on = |threads| answers(setup, &order, Options { batch: BATCH, threads, level }, algorithm);
        let ((found, plan), (again, _)) = (on(1), on(3));
        assert_eq!(
            found[0].digest(),
            again[0].digest(),
            "{level}, {algorithm}: bytes differ with the threads"
        );
        let mark = if algorithm == Algorithm::Winograd4x4 { "winograd 4x4" } else { ", winograd" };
        *used += usize::from(plan.contains(mark));
        for ((found, expected), terms) in found[0].to_f64().into_iter().zip(&expected).zip(&terms) {
            worst = worst.max((found - expected).abs() / terms.max(f64::MIN_POSITIVE));
        }
    }
    worst
}

#[test]
fn each_algorithm_is_within_its_bound_of_the_reference() {
    let algorithms = [Algorithm::Direct, Algorithm::Winograd2x2, Algorithm::Winograd4x4];
    for algorithm in algorithms {
        let (mut worst, mut used) = (0.0f64, 0);
        for (name, case) in convolutions::cases() {
            let op = ops::find(name).expect("an operator");
            // The weight's gradient sums over examples: there is none per example to compare.
            let sets = batches(&case).into_iter().filter(|(set, _)| set == &[0] && name != "ConvGradWeight");
            for (batched, examples) in sets {
                let setup = setup(op, &case, &batched, examples).expect("well formed");
                let found = distance(&setup, algorithm, &mut used);
                assert!(
                    found <= bound(algorithm),
                    "{name} / {}, {algorithm}: {found:e} of the terms",
                    case.name
                );
                worst = worst.max(found);
            }
        }
        println!("{algorithm}: at most {worst:.1e} of the terms, {used} plans transform maps");
        assert_eq!(used > 0, algorithm != Algorithm::Direct, "{algorithm}");
    }
}
