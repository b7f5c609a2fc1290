//! What a convolution of 3×3 windows and its gradients take by each algorithm, for lengths given.
//!
//! `cargo run --release -p engine --example convolutions -- LEVEL BATCH REPEATS CHANNELS_IN:CHANNELS_OUT:SIDE...`

use std::sync::Arc;

use engine::{
    Algorithm, Convolutions, Feed, Level, Loss, Objective, Optimizer, Options, Planning, Predictor, Rows,
    Targets, Trainer, training_graph,
};
use graph::{Attribute, Attributes, Graph, ValueType};
use tensor::{DType, Random, Shape, Tensor};

fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let random = Random::new(1, name);
    let count: usize = shape.iter().product();
    Tensor::new(
        shape,
        (0..count as u64).map(|index| 0.1 * (random.uniform(0, index) - 0.5)).collect::<Vec<f32>>(),
    )
}

/// One channel made `channels_in`, then 3×3 to `channels_out`, pooled to scores.
fn model(channels_in: usize, channels_out: usize, side: usize) -> Graph {
    let mut graph = Graph::new("one");
    let x = graph.input("x", ValueType::new(DType::F32, Shape::batched(&[1, side, side])));
    let wide = graph.constant("wide.weight", tensor("wide", &[channels_in, 1, 1, 1]));
    let x = graph.push("wide", "Conv", Attributes::new(), &[x, wide]).unwrap();
    let weight = graph.constant("conv.weight", tensor("conv", &[channels_out, channels_in, 3, 3]));
    let pads = Attributes::from([("pads".to_owned(), Attribute::Ints(vec![1; 4]))]);
    let x = graph.push("conv", "Conv", pads, &[x, weight]).unwrap();
    let x = graph.push("pool", "GlobalAveragePool", Attributes::new(), &[x]).unwrap();
    let x = graph.push("flat", "Flatten", Attributes::new(), &[x]).unwrap();
    graph.outputs = vec![x];
    graph
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let level = Level::available().into_iter().find(|level| level.name() == arguments[0]).expect("a level");
    let (batch, repeats): (usize, usize) = (arguments[1].parse().unwrap(), arguments[2].parse().unwrap());
    for lengths in &arguments[3..] {
        let lengths: Vec<usize> = lengths.split(':').map(|length| length.parse().unwrap()).collect();
        let [channels_in, channels_out, side] = lengths[..] else { panic!("three lengths") };
        let model = model(channels_in, channels_out, side);
        let rows: Vec<f32> = (0..batch * side * side).map(|index| (index % 7) as f32 * 0.1).collect();
        let labels: Vec<u32> = (0..batch as u32).map(|index| index % channels_out as u32).collect();
        let order: Vec<u32> = (0..batch as u32).cycle().take(batch * (repeats + 2)).collect();
        let options = Options { batch, threads: 1, level };
        let row_len = side * side;
        for (name, convolutions) in [
            ("direct", Convolutions::Largest(Algorithm::Direct)),
            ("winograd2", Convolutions::Largest(Algorithm::Winograd2x2)),
            ("winograd4", Convolutions::Largest(Algorithm::Winograd4x4)),
            ("cheapest", Convolutions::default()),
        ] {
            let descent = Optimizer::Momentum { momentum: 0.9, nesterov: false };
            let objective = Objective::new(Loss::CrossEntropy, descent, 1);
            let output = model.value(model.outputs[0]).name.clone();
            let graph = training_graph(&model, &output, &|_| true, &objective).expect("differentiable");
            let mut trainer = Trainer::planned(graph, options, Planning { convolutions, memory_limit: None })
                .expect("lowers");
            let feed = Feed { rows: Rows::F32(&rows), row_len, targets: Targets::Classes(&labels) };
            let profile = trainer.profile(feed, &order, 2).expect("runs");
            let mut predictor =
                Predictor::choosing(Arc::new(model.clone()), options, convolutions).expect("lowers");
            let feed = Feed { rows: Rows::F32(&rows), row_len, targets: Targets::None };
            let inference = predictor.profile(feed, &order, 2).expect("runs");
            let of = |steps: &[engine::StepTime], kind: &dyn Fn(&str) -> bool| -> f64 {
                steps.iter().filter(|step| kind(&step.name)).map(|step| step.seconds * 1e6).sum()
            };
            let own = |name: &str| name.starts_with(&format!("conv {channels_out} 3x3"));
            println!(
                "{level} {batch} {channels_in} {channels_out} {side} {name} forward {:.1} input {:.1} weight {:.1} panels {:.1} u {:.1} infer {:.1}",
                of(&profile.steps, &|name| own(name) && !name.contains("gradient")),
                of(&profile.steps, &|name| own(name) && name.contains("input gradient")),
                of(&profile.steps, &|name| own(name) && name.contains("weight gradient")),
                of(&profile.steps, &|name| name.starts_with("panels") || name.contains("update")),
                of(&profile.steps, &|name| name.starts_with("winograd weights")),
                inference
                    .steps
                    .iter()
                    .filter(|step| step.node == "conv")
                    .map(|step| step.seconds * 1e6)
                    .sum::<f64>(),
            );
        }
    }
}
