//! What one call of a plan takes: the least and the median of many.
//!
//! `cargo run --release -p engine --example latency -- NETWORK|mnist SIDE BATCH THREADS [CALLS]`

use std::sync::Arc;
use std::time::Instant;

use engine::{Feed, Level, Options, Predictor, Rows, Targets};

#[path = "../tests/support/networks.rs"]
mod networks;
#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |index: usize, default: &str| arguments.get(index).map_or(default.to_owned(), Clone::clone);
    let number = |index: usize, default: &str| text(index, default).parse::<usize>().expect("a number");
    let (name, side) = (text(0, "mnist"), number(1, "224"));
    let (batch, threads, calls) = (number(2, "1"), number(3, "2"), number(4, "1000"));
    let (graph, row_len) = match name.as_str() {
        "mnist" => (support::mnist_graph(), 784),
        "mlp" => (networks::network("mlp", 0, 10).expect("a known network"), 784),
        _ => (networks::network(&name, side, 1000).expect("a known network"), 3 * side * side),
    };
    let options = Options { batch, threads, level: Level::detect() };
    let mut predictor = Predictor::shared(Arc::new(graph), options).expect("lowers");
    let random = tensor::Random::new(1, "rows");
    let rows: Vec<f32> =
        (0..(batch * row_len) as u64).map(|index| (255.0 * random.uniform(0, index)).floor()).collect();
    let feed = Feed { rows: Rows::F32(&rows), row_len, targets: Targets::None };
    let order: Vec<u32> = (0..batch as u32).collect();
    let mut times: Vec<f64> = (0..calls)
        .map(|_| {
            let start = Instant::now();
            predictor.run(feed, &order).expect("runs");
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (least, median) = (times[0], times[calls / 2]);
    println!(
        "{name} batch {batch}, {threads} threads: least {:.1} µs, median {:.1} µs, {:.0} examples/s",
        least * 1e6,
        median * 1e6,
        batch as f64 / median
    );
}
