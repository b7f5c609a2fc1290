//! What the steps of a training step, or of an inference, of a well-known network take.
//!
//! `cargo run --release -p engine --example profile -- train|infer NETWORK SIDE BATCH THREADS [LEVEL [BATCHES [ALGORITHM [MB]]]]`
//!
//! With `MB` a training step takes at most so much memory.

use engine::{
    Algorithm, Convolutions, Feed, Level, Loss, Objective, Optimizer, Options, Planning, Predictor, Rows,
    StepTime, Targets, Trainer, training_graph,
};

#[path = "../tests/support/networks.rs"]
mod networks;
#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |index: usize, default: &str| arguments.get(index).map_or(default.to_owned(), Clone::clone);
    let number = |index: usize, default: &str| text(index, default).parse::<usize>().expect("a number");
    let (mode, name) = (text(0, "train"), text(1, "resnet18"));
    let (side, batch, threads) = (number(2, "64"), number(3, "32"), number(4, "2"));
    let level = Level::available().into_iter().find(|level| text(5, level.name()) == level.name());
    let options = Options { batch, threads, level: level.expect("a level this processor has") };
    let algorithms = [Algorithm::Direct, Algorithm::Winograd2x2, Algorithm::Winograd4x4];
    let largest = algorithms.into_iter().find(|each| each.name() == text(7, ""));
    let convolutions = largest.map_or(Convolutions::default(), Convolutions::Largest);
    let digits = ["mlp", "mnist"].contains(&name.as_str());
    let classes = if digits { 10 } else { 1000 };
    let model = match name.as_str() {
        "mnist" => support::mnist_graph(),
        _ => {
            networks::network(&name, side, classes).expect("resnet18, resnet50, vgg11, alexnet, mlp or mnist")
        }
    };
    let row_len = if digits { 784 } else { 3 * side * side };
    let random = tensor::Random::new(1, "rows");
    // More than the caches hold, as in a run.
    let pool = batch.max((1 << 25) / row_len);
    let rows: Vec<f32> =
        (0..(pool * row_len) as u64).map(|index| 2.0 * random.uniform(0, index) - 1.0).collect();
    let labels: Vec<u32> = (0..pool as u64).map(|index| random.below(1, index, classes as u32)).collect();
    let targets = if mode == "train" { Targets::Classes(&labels) } else { Targets::None };
    let feed = Feed { rows: Rows::F32(&rows), row_len, targets };
    let (warm, batches) = (3, number(6, "10"));
    let order: Vec<u32> =
        (0..(batch * (warm + batches)) as u64).map(|index| random.below(2, index, pool as u32)).collect();
    let (profile, bytes) = if mode == "train" {
        // The main job's optimiser for its network, the usual one for the others.
        let optimizer = match name.as_str() {
            "mnist" => Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 },
            _ => Optimizer::Momentum { momentum: 0.9, nesterov: false },
        };
        let objective = Objective::new(Loss::CrossEntropy, optimizer, 1);
        let trainable = |name: &str| name.contains("weight") || name.ends_with("bias");
        let output = model.value(model.outputs[0]).name.clone();
        let graph = training_graph(&model, &output, &trainable, &objective).expect("differentiable");
        let memory_limit = arguments.get(8).map(|_| (1e6 * number(8, "0") as f64) as usize);
        let start = std::time::Instant::now();
        let planning = Planning { convolutions, memory_limit };
        let mut trainer = Trainer::planned(graph, options, planning).expect("lowers");
        let (again, ms) = (trainer.again(), start.elapsed().as_secs_f64() * 1e3);
        println!("planned in {ms:.0} ms; {} steps again, {} operations", again.steps, again.operations);
        (trainer.profile(feed, &order, warm).expect("runs"), trainer.bytes())
    } else {
        let mut predictor =
            Predictor::choosing(std::sync::Arc::new(model), options, convolutions).expect("lowers");
        (predictor.profile(feed, &order, warm).expect("runs"), predictor.bytes())
    };
    for StepTime { name, pieces, meets, operations, bytes, seconds, .. } in &profile.steps {
        let rate = *operations as f64 / seconds / 1e9;
        let bar = if *meets { '|' } else { ' ' };
        println!(
            "{bar} {name:60} x{pieces} {:8.4} ms {rate:7.0} GFLOP/s {:7.1} MB",
            seconds * 1e3,
            *bytes as f64 / 1e6
        );
    }
    let mut kinds: std::collections::BTreeMap<String, f64> = Default::default();
    for step in &profile.steps {
        let kind: String = step.name.chars().filter(|c| !c.is_ascii_digit()).collect();
        *kinds.entry(kind).or_default() += step.seconds * 1e3;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
    kinds.iter().for_each(|(kind, ms)| println!("{ms:9.3} ms  {kind}"));
    println!(
        "{name} {mode} batch {batch}, {}, {threads} threads: {:.4} ms, {:.0} MB",
        options.level,
        profile.seconds() * 1e3,
        bytes as f64 / 1e6
    );
}
