//! What a plan says it takes is what it takes. A process of its own: nothing else may ask for memory meanwhile.
#![cfg(target_os = "linux")]

use engine::{
    Feed, Flow, Level, Loss, Objective, Optimizer, Options, Planning, Rows, Targets, Trainer, training_graph,
};

#[path = "support/networks.rs"]
mod networks;

/// Bytes of this process that are in memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

#[test]
fn a_trainer_takes_the_bytes_it_says() {
    const BATCH: usize = 32;
    let model = networks::network("resnet18", 64, 100).unwrap();
    let momentum = Optimizer::Momentum { momentum: 0.9, nesterov: false };
    let objective = Objective::new(Loss::CrossEntropy, momentum, 1);
    let output = model.value(model.outputs[0]).name.clone();
    let graph = training_graph(&model, &output, &|_| true, &objective).unwrap();
    let rows = vec![0.5f32; BATCH * 3 * 64 * 64];
    let labels = vec![1u32; BATCH];
    let feed = Feed { rows: Rows::F32(&rows), row_len: 3 * 64 * 64, targets: Targets::Classes(&labels) };
    let order: Vec<u32> = (0..BATCH as u32).collect();
    let options = Options { batch: BATCH, threads: 1, level: Level::detect() };
    let mut stated = Vec::new();
    for limit in [None, Some(0.8)] {
        let limit = limit.map(|share| (share * stated[0]) as usize);
        let graph = graph.clone();
        let before = resident();
        let mut trainer =
            Trainer::planned(graph, options, Planning { memory_limit: limit, ..Planning::default() })
                .unwrap();
        let bytes = trainer.bytes() as f64;
        assert!(limit.is_none_or(|limit| trainer.bytes() <= limit));
        trainer.run(feed, &order, 1, 1e-3, &mut |_| Flow::Continue).unwrap();
        let taken = resident() - before;
        assert!((taken / bytes - 1.0).abs() < 0.05, "stated {bytes}, taken {taken}");
        stated.push(bytes);
    }
}
