//! One batch of the main job's network against the same training graph computed in `f64` by the references.

use std::sync::Arc;

use engine::{
    Feed, Flow, Level, Loss, Objective, Optimizer, Options, Predictor, Rows, Targets, Trainer, training_graph,
};
use tensor::{DType, Random, Tensor};

mod support;

const BATCH: usize = 32;

#[test]
fn one_batch_agrees_with_f64_at_every_level() {
    let mnist =
        data::load(&data::Source::Embedded { name: "mnist".to_owned(), class_names: Vec::new() }).unwrap();
    let data::Target::Classes { labels, .. } = &mnist.target else { panic!("MNIST has classes") };
    let pixels = mnist.input.values::<u8>();
    let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let objective = Objective::new(Loss::CrossEntropy, adam, 1);
    let trainable = |name: &str| name.ends_with("weight") || name.ends_with("bias");
    let graph = training_graph(&support::mnist_graph(), "logits", &trainable, &objective).unwrap();

    let exact_graph = graph.graph.with_floats(DType::F64).unwrap();
    let inputs = [
        Tensor::new([BATCH, 1, 28, 28], pixels[..BATCH * 784].to_vec()),
        Tensor::new([BATCH], labels[..BATCH].iter().map(|&label| i64::from(label)).collect()),
        Tensor::scalar(1e-3f64),
        Tensor::scalar(1i64),
    ];
    let exact = graph::evaluate_values(&exact_graph, &inputs).unwrap();
    // In the first step the first moment is a tenth of the gradient.
    let gradient = |name: &str| {
        let (_, node) = exact_graph.nodes().find(|(_, node)| node.name == format!("update.{name}")).unwrap();
        exact[&node.inputs[1].unwrap()].to_f64()
    };
    let exact_loss = exact[&exact_graph.outputs[0]].to_f64()[0];

    for level in Level::available() {
        let mut trainer = Trainer::new(graph.clone(), Options { batch: BATCH, threads: 2, level }).unwrap();
        let feed = Feed { rows: Rows::U8(pixels), row_len: 784, targets: Targets::Classes(labels) };
        let order: Vec<u32> = (0..BATCH as u32).collect();
        let mut loss = 0.0;
        trainer
            .run(feed, &order, 1, 1e-3, &mut |batch| {
                loss = f64::from(batch.loss);
                Flow::Continue
            })
            .unwrap();
        assert!((loss - exact_loss).abs() < 1e-6, "{level}: loss {loss}, exact {exact_loss}");
        let state = trainer.state();
        for parameter in &graph.parameters {
            let name = format!("{}.moment1", parameter.name);
            let (_, moment) = state.iter().find(|(found, _)| *found == name).unwrap();
            let (found, exact) = (moment.to_f64(), gradient(&parameter.name));
            let pairs = found.iter().zip(&exact).map(|(found, exact)| (found * 10.0 - exact).abs());
            let error = pairs.fold(0.0, f64::max);
            assert!(error < 1e-6, "{level}: gradient of {} off by {error:e}", parameter.name);
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let mnist =
        data::load(&data::Source::Embedded { name: "mnist".to_owned(), class_names: Vec::new() }).unwrap();
    let data::Target::Classes { labels, .. } = &mnist.target else { panic!("MNIST has classes") };
    let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let objective = Objective::new(Loss::CrossEntropy, adam, 1);
    let trainable = |name: &str| name.ends_with("weight") || name.ends_with("bias");
    let graph = training_graph(&support::mnist_graph(), "logits", &trainable, &objective).unwrap();
    let order = data::epoch_order(1, 0, &(0..1000).collect::<Vec<u32>>());
    let feed = Feed { rows: Rows::U8(mnist.input.values()), row_len: 784, targets: Targets::Classes(labels) };
    let trained = |threads: usize| {
        let mut trainer =
            Trainer::new(graph.clone(), Options { batch: 32, threads, level: Level::detect() }).unwrap();
        trainer.run(feed, &order, 1, 1e-3, &mut |_| Flow::Continue).unwrap();
        trainer.state().iter().map(|(_, tensor)| tensor.digest()).collect::<Vec<_>>()
    };
    let one = trained(1);
    for threads in [2, 3, 5, 8] {
        assert_eq!(trained(threads), one, "{threads} threads");
    }
}

#[test]
fn an_example_gets_the_same_bytes_in_any_company() {
    let graph = support::mnist_graph();
    let pixels: Vec<u8> =
        (0..17 * 784).map(|at| (Random::new(3, "pixels").word(0, at) >> 24) as u8).collect();
    let shared = Arc::new(graph.clone());
    let answers = |batch: usize, order: &[u32], level: Level, fixed: bool| {
        let options = Options { batch, threads: 1, level };
        let predictor =
            if fixed { Predictor::shared(shared.clone(), options) } else { Predictor::new(&graph, options) };
        let feed = Feed { rows: Rows::U8(&pixels), row_len: 784, targets: Targets::None };
        predictor.expect("lowers").run(feed, order).expect("runs").remove(0).values::<f32>().to_vec()
    };
    for level in Level::available() {
        let together = answers(64, &(0..17).collect::<Vec<u32>>(), level, false);
        for (batch, fixed) in [(1, false), (1, true), (2, false), (2, true), (3, true), (16, true)] {
            let apart: Vec<f32> = (0..17)
                .collect::<Vec<u32>>()
                .chunks(batch)
                .flat_map(|rows| answers(16, rows, level, fixed))
                .collect();
            assert_eq!(apart, together, "{batch} at a time, {level:?}, fixed: {fixed}");
        }
    }
}
