//! Trains the main job's network on all of MNIST and prints the plan, each epoch's time and that of each step.
//!
//! `cargo run --release -p engine --example mnist_epoch -- THREADS EPOCHS [LEVEL]`

use std::time::Instant;

use engine::{
    Feed, Flow, Level, Loss, Objective, Optimizer, Options, Predictor, Rows, Targets, Trainer, training_graph,
};

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| {
        arguments.get(index).map_or(default, |text| text.parse().expect("a number"))
    };
    let level =
        Level::available().into_iter().find(|level| arguments.get(2).is_none_or(|name| name == level.name()));
    let level = level.expect("a level this processor has");
    let options = Options { batch: 32, threads: number(0, 2), level };
    let mnist = data::load(&data::Source::Embedded { name: "mnist".to_owned(), class_names: Vec::new() })
        .expect("embedded");
    let data::Target::Classes { labels, .. } = &mnist.target else { panic!("MNIST has classes") };
    let feed = Feed { rows: Rows::U8(mnist.input.values()), row_len: 784, targets: Targets::Classes(labels) };
    let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let objective = Objective::new(Loss::CrossEntropy, adam, 1);
    let model = support::mnist_graph();
    let trainable = |name: &str| name.ends_with("weight") || name.ends_with("bias");
    let graph = training_graph(&model, "logits", &trainable, &objective).expect("differentiable");
    let mut trainer = Trainer::new(graph, options).expect("lowers");
    print!("{}", trainer.describe());
    println!("{level}, {} threads, {:.1} MB", options.threads, trainer.bytes() as f64 / 1e6);
    let train: Vec<u32> = (0..60_000).collect();
    let test: Vec<u32> = (60_000..70_000).collect();
    let mut predictor = Predictor::new(&model, Options { batch: 128, ..options }).expect("lowers");
    for epoch in 0..number(1, 2) {
        let order = data::epoch_order(1, epoch as u64, &train);
        let (mut loss, mut correct) = (0.0, 0);
        let start = Instant::now();
        trainer
            .run(feed, &order, 1 + 1875 * epoch as u64, 1e-3, &mut |batch| {
                loss += f64::from(batch.loss) * batch.examples as f64;
                correct += batch.correct;
                Flow::Continue
            })
            .expect("runs");
        let seconds = start.elapsed().as_secs_f64();
        predictor.set_constants(&trainer.parameters()).expect("the same names");
        let start = Instant::now();
        let logits = &predictor.run(feed, &test).expect("runs")[0];
        let evaluation = start.elapsed().as_secs_f64();
        let rows = logits.values::<f32>().chunks(10).zip(&test);
        let hits = rows.filter(|(scores, row)| {
            let best = (1..10).fold(0, |best, class| if scores[class] > scores[best] { class } else { best });
            labels[**row as usize] as usize == best
        });
        println!(
            "epoch {}: {seconds:.3} s, loss {:.4}, training accuracy {:.4}; test accuracy {:.4} in {evaluation:.3} s",
            epoch + 1,
            loss / 60_000.0,
            correct as f64 / 60_000.0,
            hits.count() as f64 / 10_000.0
        );
    }
    let profile = trainer.profile(feed, &data::epoch_order(1, 0, &train), 100).expect("runs");
    for step in &profile.steps {
        println!("{:60} {:8.4} ms", step.name, step.seconds * 1e3);
    }
    println!("a training step: {:.4} ms", profile.seconds() * 1e3);
}
