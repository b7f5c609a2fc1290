//! One batch of the main job's network against the same training graph computed in `f64` by the references.

use std::sync::Arc;

use engine::{
    Feed, Flow, Level, Loss, Objective, Optimizer, Options, Predictor, Rows, Targets, Trainer, training_graph,
};
use graph::{Attribute, Attributes, Graph, ValueType};
use tensor::{DType, Random, Shape, Tensor};

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

#[test]
fn threads_with_examples_of_their_own_give_the_same_bytes() {
    let graph = support::mnist_graph();
    let pixels: Vec<u8> =
        (0..350 * 784).map(|at| (Random::new(4, "pixels").word(0, at) >> 24) as u8).collect();
    let feed = Feed { rows: Rows::U8(&pixels), row_len: 784, targets: Targets::None };
    // A whole batch, one of which only the first thread has a part, and a part that is not whole.
    let order: Vec<u32> = (0..350).rev().chain([7]).collect();
    let options = |threads: usize| Options { batch: 200, threads, level: Level::detect() };
    let doubled: Vec<(String, Tensor)> = graph
        .values()
        .filter(|(_, value)| value.name == "output.bias")
        .map(|(_, value)| {
            let numbers = value.constant.as_ref().expect("a constant").values::<f32>();
            (value.name.clone(), Tensor::new([10], numbers.iter().map(|x| 2.0 * x + 1.0).collect::<Vec<_>>()))
        })
        .collect();
    assert_eq!(doubled.len(), 1);
    let answers = |threads: usize, count: usize| {
        let mut predictor = Predictor::new(&graph, options(threads)).unwrap();
        let run = |predictor: &mut Predictor| predictor.run(feed, &order[..count]).unwrap().remove(0);
        let before = run(&mut predictor);
        predictor.set_constants(&doubled).unwrap();
        (predictor.replicas(), [before.digest(), run(&mut predictor).digest()])
    };
    for count in [350, 300, 40, 0] {
        let (replicas, one) = answers(1, count);
        assert_eq!(replicas, 1);
        assert!(one[0] != one[1] || count == 0, "the constant is another one");
        for threads in [2, 3] {
            assert_eq!(answers(threads, count), (threads, one), "{threads} threads, {count} examples");
        }
        // Too few examples for each.
        assert_eq!(answers(4, count), (1, one));
    }
    let mut predictor = Predictor::shared(Arc::new(graph.clone()), options(2)).unwrap();
    let profile = predictor.profile(feed, &order[..200].repeat(4), 1).unwrap();
    assert_eq!(profile.batches.len(), 3);
    assert!(profile.steps.iter().all(|step| !step.meets));
}

#[test]
fn a_refusal_on_one_of_several_threads_is_an_error() {
    let mut graph = Graph::new("chosen");
    let x = graph.input("x", ValueType::new(DType::U8, Shape::batched(&[1])));
    let table = graph.constant("table", Tensor::new([4], vec![1.0f32, 2.0, 3.0, 4.0]));
    let to = Attributes::from([("to".to_owned(), Attribute::Int(7))]);
    let index = graph.push("index", "Cast", to, &[x]).unwrap();
    let y = graph.push("y", "Gather", Attributes::new(), &[table, index]).unwrap();
    graph.outputs.push(y);
    let mut rows = vec![3u8; 256];
    let options = Options { batch: 256, threads: 2, level: Level::detect() };
    let mut predictor = Predictor::new(&graph, options).unwrap();
    assert_eq!(predictor.replicas(), 2);
    let order: Vec<u32> = (0..256).collect();
    let mut answers = |rows: &[u8]| {
        let feed = Feed { rows: Rows::U8(rows), row_len: 1, targets: Targets::None };
        predictor.run(feed, &order).map(|mut outputs| outputs.remove(0).values::<f32>().to_vec())
    };
    assert_eq!(answers(&rows).unwrap(), [4.0; 256]);
    rows[200] = 9;
    let error = answers(&rows).unwrap_err().to_string();
    assert!(error.contains("index"), "{error}");
    rows[200] = 0;
    assert_eq!(answers(&rows).unwrap()[200], 1.0);
}
