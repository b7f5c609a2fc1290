//! A fixed small workload on one thread, for `bench/checks/instructions.py`, which counts its instructions.
//!
//! `valgrind --tool=callgrind target/debug/examples/counted_steps WORKLOAD`

use std::sync::Arc;

use engine::{
    Feed, Flow, Level, Loss, Objective, Optimizer, Options, Predictor, Rows, Targets, Trainer, training_graph,
};
use graph::Graph;

#[path = "../tests/support/networks.rs"]
mod networks;

/// A workload: a network of the field or the main job's, and how it is run.
struct Workload {
    name: &'static str,
    network: &'static str,
    side: usize,
    classes: usize,
    batch: usize,
    learns: bool,
    steps: usize,
}

const WORKLOADS: &[Workload] = &[
    workload("mlp-training", "mlp", 28, 10, 32, true, 2),
    workload("resnet18-training", "resnet18", 32, 10, 16, true, 1),
    workload("mlp-answers", "mlp", 28, 10, 1, false, 2),
    workload("resnet18-answers", "resnet18", 32, 10, 1, false, 1),
    workload("resnet18-answers-16", "resnet18", 32, 10, 16, false, 1),
];

const fn workload(
    name: &'static str,
    network: &'static str,
    side: usize,
    classes: usize,
    batch: usize,
    learns: bool,
    steps: usize,
) -> Workload {
    Workload { name, network, side, classes, batch, learns, steps }
}

fn main() {
    let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
    let asked = std::env::args().nth(1).unwrap_or_default();
    match WORKLOADS.iter().find(|workload| workload.name == asked) {
        Some(workload) => workload.run(),
        // The check asks which there are.
        None => println!("{}", names.join("\n")),
    }
}

impl Workload {
    fn run(&self) {
        let model = networks::network(self.network, self.side, self.classes).expect("a network");
        let row_len = if self.network == "mlp" { 784 } else { 3 * self.side * self.side };
        let random = tensor::Random::new(1, "rows");
        let count = (self.batch * row_len) as u64;
        let rows: Vec<f32> = (0..count).map(|index| 2.0 * random.uniform(0, index) - 1.0).collect();
        let classes = self.classes as u32;
        let labels: Vec<u32> = (0..self.batch as u64).map(|row| random.below(1, row, classes)).collect();
        let order: Vec<u32> = (0..self.batch as u32).cycle().take(self.batch * self.steps).collect();
        let options = Options { batch: self.batch, threads: 1, level: Level::detect() };
        let feed = |targets| Feed { rows: Rows::F32(&rows), row_len, targets };
        match self.learns {
            true => learn(&model, options, feed(Targets::Classes(&labels)), &order),
            false => answer(model, options, feed(Targets::None), &order),
        }
        println!("{}: {}, {} steps", self.name, options.level, self.steps);
    }
}

fn learn(model: &Graph, options: Options, feed: Feed<'_>, order: &[u32]) {
    let momentum = Optimizer::Momentum { momentum: 0.9, nesterov: false };
    let objective = Objective::new(Loss::CrossEntropy, momentum, 1);
    let output = model.value(model.outputs[0]).name.clone();
    let graph = training_graph(model, &output, &|_| true, &objective).expect("differentiable");
    let mut trainer = Trainer::new(graph, options).expect("lowers");
    trainer.run(feed, order, 1, 1e-3, &mut |_| Flow::Continue).expect("runs");
}

fn answer(model: Graph, options: Options, feed: Feed<'_>, order: &[u32]) {
    let mut predictor = Predictor::shared(Arc::new(model), options).expect("lowers");
    predictor.run(feed, order).expect("runs");
}
