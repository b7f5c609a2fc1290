//! What the picture must hold; how it looks was judged by eye.

use super::*;
use crate::prove::{Trial, prove};

/// Five amounts of labels and `seeds` seeds, with curves that rise as real ones do.
fn proof(seeds: u64) -> Proof {
    let mut trials = Vec::new();
    for (row, labels) in [600u64, 1800, 6000, 18000, 60000].into_iter().enumerate() {
        for seed in 0..seeds {
            for inherited in [false, true] {
                let wobble = 0.008 * (seed as f64 * 2.1 + row as f64 + f64::from(u8::from(inherited))).sin();
                let accuracy =
                    if inherited { 0.93 + 0.012 * row as f64 } else { 0.82 + 0.039 * row as f64 } + wobble;
                let pace = if inherited { 0.8 } else { 0.35 };
                let point = |epoch: u32| {
                    (
                        2.0 * epoch as f64 + 0.1 * seed as f64,
                        accuracy * (1.0 - (-pace * epoch as f64).exp() * 0.3),
                    )
                };
                let curve: Vec<(f64, f64)> = (1..=15).map(point).collect();
                let fraction = labels as f64 / 60000.0;
                trials.push(Trial { fraction, labels, seed, inherited, accuracy, seconds: 30.0, curve });
            }
        }
    }
    prove(&trials).unwrap()
}

#[test]
fn holds_what_a_reader_needs() {
    let svg = plot(&proof(4), "Digits from letters");
    for part in [
        "Digits from letters",
        "labels (logarithmic)",
        "seconds of training, 60\u{a0}000 labels",
        "with inheritance",
        "from scratch",
        "bands: 95 % intervals over 4 seeds",
        ">1\u{a0}800<",
        "Inheriting pays",
    ] {
        assert!(svg.contains(part), "{part}");
    }
    assert_eq!(svg.matches(" band\"").count(), 4);
    assert_eq!(svg, plot(&proof(4), "Digits from letters"));
    assert!(!svg.contains("NaN") && !svg.contains("inf "), "{svg}");
}

#[test]
fn one_seed_has_no_band_and_says_so() {
    let svg = plot(&proof(1), "one");
    assert!(svg.contains("one seed: no interval is known") && !svg.contains(" band\""), "{svg}");
}

#[test]
fn titles_are_escaped_and_cut() {
    let svg = plot(&proof(1), "a < b & \"c\"\u{7}");
    assert!(svg.contains(">a &lt; b &amp; &quot;c&quot; </text>"), "{svg}");
    let long = plot(&proof(1), &"é".repeat(91));
    assert!(long.contains(&format!(">{}…</text>", "é".repeat(90))));
}
