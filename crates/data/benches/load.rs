//! How long the main job's data takes: decompress, check, digest, split, fit.

use data::{Fractions, Source, SplitRule, epoch_order, fingerprint, fit, load, split};

fn main() {
    divan::main();
}

fn mnist() -> Source {
    Source::Embedded { name: "mnist".to_owned(), class_names: Vec::new() }
}

fn rule() -> SplitRule {
    let fractions = Fractions { train: 0.9, validation: 0.1, test: 0.0 };
    SplitRule::Content { fractions, salt: String::new() }
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn load_and_digest_mnist() -> data::Dataset {
    load(&mnist()).expect("built in")
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn fingerprint_mnist() -> base::Digest {
    fingerprint(&mnist()).expect("built in")
}

#[divan::bench(sample_count = 5)]
fn split_mnist(bencher: divan::Bencher) {
    let dataset = load(&mnist()).expect("built in");
    bencher.bench(|| split(&dataset, &rule()));
}

#[divan::bench(sample_count = 5)]
fn fit_mnist(bencher: divan::Bencher) {
    let dataset = load(&mnist()).expect("built in");
    let splits = split(&dataset, &rule()).expect("mnist splits");
    bencher.bench(|| fit(&dataset, &splits.train));
}

#[divan::bench]
fn order_of_an_epoch() -> Vec<u32> {
    let train: Vec<u32> = (0..54_000).collect();
    epoch_order(1, 3, &train)
}
