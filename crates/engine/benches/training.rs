//! Training and inference of the main job's network, per number of threads and per instruction set.
//!
//! `cargo bench -p engine`

use divan::Bencher;
use divan::counter::ItemsCount;
use engine::{
    Feed, Flow, Level, Loss, Objective, Optimizer, Options, Predictor, Rows, Targets, Trainer, training_graph,
};

#[path = "../tests/support/mod.rs"]
mod support;

/// Images per round.
const IMAGES: usize = 3200;

fn main() {
    divan::main();
}

fn pixels() -> (Vec<u8>, Vec<u32>) {
    let random = tensor::Random::new(1, "pixels");
    let pixels = (0..(IMAGES * 784) as u64).map(|index| (random.word(0, index) >> 24) as u8).collect();
    (pixels, (0..IMAGES as u64).map(|index| random.below(1, index, 10)).collect())
}

/// Images per second of whole training steps: forwards, backwards, Adam.
#[divan::bench(args = [1, 2], sample_count = 10)]
fn train(bencher: Bencher<'_, '_>, threads: usize) {
    let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let objective = Objective::new(Loss::CrossEntropy, adam, 1);
    let trainable = |name: &str| name.ends_with("weight") || name.ends_with("bias");
    let graph =
        training_graph(&support::mnist_graph(), "logits", &trainable, &objective).expect("differentiable");
    let mut trainer =
        Trainer::new(graph, Options { batch: 32, threads, level: Level::detect() }).expect("lowers");
    let (pixels, labels) = pixels();
    let feed = Feed { rows: Rows::U8(&pixels), row_len: 784, targets: Targets::Classes(&labels) };
    let order: Vec<u32> = (0..IMAGES as u32).collect();
    bencher.counter(ItemsCount::new(IMAGES)).bench_local(|| {
        trainer.run(feed, &order, 1, 1e-3, &mut |_| Flow::Continue).unwrap();
    });
}

/// Images per second forwards, per batch size, on two threads.
#[divan::bench(args = [1, 32, 256], sample_count = 10)]
fn predict(bencher: Bencher<'_, '_>, batch: usize) {
    let options = Options { batch, threads: 2, level: Level::detect() };
    let mut predictor = Predictor::new(&support::mnist_graph(), options).expect("lowers");
    let (pixels, _) = pixels();
    let feed = Feed { rows: Rows::U8(&pixels), row_len: 784, targets: Targets::None };
    let order: Vec<u32> = (0..IMAGES as u32).collect();
    bencher.counter(ItemsCount::new(IMAGES)).bench_local(|| predictor.run(feed, &order));
}
