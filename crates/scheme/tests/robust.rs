//! No input makes resolution panic, and whatever resolves also survives being shown and read again.

use std::path::Path;

use proptest::prelude::*;
use scheme::{EMBEDDED, MemoryFiles, resolve};

/// Resolves `text`; if that succeeds, what is shown must resolve to the same.
fn survives(text: &[u8], parent: &[u8], overrides: &[String]) {
    let mut files = MemoryFiles::default();
    files.0.insert("a.toml".into(), text.to_vec());
    files.0.insert("b.toml".into(), parent.to_vec());
    let resolution = resolve(Path::new("a.toml"), overrides, &files);
    match resolution.result {
        Ok(first) => {
            files.0.insert("c.toml".into(), first.to_toml().into_bytes());
            let second = resolve(Path::new("c.toml"), &[], &files).result.unwrap_or_else(|error| {
                panic!("the shown text does not resolve: {error}\n{}", first.to_toml());
            });
            assert_eq!(first.to_toml(), second.to_toml());
            assert_eq!(first.digest(), second.digest());
        }
        Err(diagnostics) => {
            assert!(!diagnostics.0.is_empty());
            for label in diagnostics.0.iter().flat_map(|diagnostic| &diagnostic.labels) {
                if let base::Location::Source(span) = label.at {
                    assert!(
                        span.start <= span.end && span.end <= resolution.sources.get(span.file).text.len()
                    );
                }
            }
        }
    }
}

/// Lines that mean something, so that random texts reach beyond the first check.
const LINES: &[&str] = &[
    "inherits = [\"b.toml\", \"mnist\"]",
    "inherits = [\"stock\"]",
    "inherits = [\"vision/classifier\"]",
    "unset = [\"data.split\"]",
    "unset = [\"model.layers\", \"preprocess\"]",
    "[data]",
    "data.source = \"mnist\"",
    "source = \"stocks\"",
    "source = \"photos\"",
    "source = \"a.csv\"",
    "images = \"i\"",
    "labels = \"l\"",
    "format = \"csv\"",
    "height = 3",
    "width = 3",
    "channels = 1",
    "features = [\"a\", \"b\"]",
    "target = \"b\"",
    "task = \"regression\"",
    "task = \"classification\"",
    "target_form = \"return\"",
    "order = \"d\"",
    "window = 2",
    "horizon = 1",
    "split = { by = \"order\" }",
    "split = { test_from = 2011-01-01, by = \"order\" }",
    "split = { validation_from = \"x\" }",
    "split.test = 0.25",
    "split.train = 1",
    "split.salt = \"s\"",
    "class_names = [\"a\", \"b\"]",
    "[data.split]",
    "by = \"content\"",
    "[preprocess.a]",
    "[preprocess.standardize]",
    "op = \"returns\"",
    "op = \"normalize\"",
    "mean = 0",
    "std = [1, 2]",
    "after = \"scale\"",
    "before = \"a\"",
    "remove = true",
    "[model]",
    "graph = \"g.onnx\"",
    "layers = {}",
    "[model.layers]",
    "[model.layers.a.0]",
    "[model.layers.\"a.0\"]",
    "model.architecture = \"resnet18\"",
    "model.hidden = [3, 0]",
    "input = \"a.0\"",
    "with = \"conv1\"",
    "[model.layers.hidden]",
    "[model.layers.conv1]",
    "op = \"dense\"",
    "op = \"max_pool\"",
    "op = \"relu\"",
    "units = 3",
    "units = \"targets\"",
    "size = [2, 3]",
    "padding = 1",
    "[train]",
    "optimizer = \"momentum\"",
    "optimizer.beta1 = 0.5",
    "loss = \"mean_squared_error\"",
    "early_stopping = { patience = 2 }",
    "l1 = 1e-30",
    "epochs = 9223372036854775807",
    "[evaluate]",
    "metrics = [\"rmse\"]",
    "baseline = \"majority\"",
    "name = \"x\"",
    "seed = 7",
];

fn lines() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(LINES), 0..12).prop_map(|lines| lines.join("\n"))
}

/// A shipped scheme with some stretches replaced.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12, ".{0,6}"), 0..6);
    (0..EMBEDDED.len(), edits).prop_map(|(which, edits)| {
        let mut bytes = EMBEDDED[which].text.as_bytes().to_vec();
        for (index, length, text) in edits {
            let start = index.index(bytes.len().max(1)).min(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, text.into_bytes());
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text(text in any::<String>(), bytes in any::<Vec<u8>>(), set in any::<String>()) {
        survives(text.as_bytes(), &bytes, &[set]);
        survives(&bytes, b"", &[]);
    }

    #[test]
    fn mutated_schemes(text in mutated(), parent in mutated()) {
        survives(&text, &parent, &[]);
    }

    #[test]
    fn shuffled_lines(text in lines(), parent in lines(), set in proptest::sample::select(LINES)) {
        survives(text.as_bytes(), parent.as_bytes(), &[set.to_owned()]);
    }

    #[test]
    fn layers_over_shipped_schemes(
        root in proptest::sample::select(&["mnist", "stock"][..]),
        table in proptest::sample::select(&["", "[data]", "[train]", "[model.layers.hidden]", "[preprocess.x]"][..]),
        text in proptest::sample::select(LINES),
        more in proptest::sample::select(LINES),
    ) {
        survives(format!("inherits = [\"{root}\"]\n{table}\n{text}\n{more}").as_bytes(), b"", &[]);
    }
}

/// Hostile sizes: refused or handled, quickly either way.
#[test]
fn large_texts() {
    let chain: String =
        (0..1100).map(|n| format!("[model.layers.s{n}]\nop = \"relu\"\nafter = \"s{}\"\n", n + 1)).collect();
    let long = "x".repeat(500_000);
    let wide: String = (0..90_000).map(|n| format!("k{n} = 1\n")).collect();
    let list = "\"a.b\",".repeat(150_000);
    for text in [
        format!("inherits = [\"mnist\"]\n{chain}"),
        format!("inherits = [\"mnist\"]\n{long} = 1\n[model.layers.{long}]\nop = \"relu\""),
        format!("inherits = [\"mnist\"]\n[model.layers.{long}]\nop = \"relu\"\nafter = \"{long}y\""),
        wide,
        format!("inherits = [\"mnist\"]\nunset = [{list}]"),
        format!("inherits = [{}]", "\"mnist\",".repeat(100_000)),
        format!("inherits = [{}]", "\"nmist\",".repeat(100_000)),
        format!("description = \"{}\"", "x".repeat(2_000_000)),
        format!("[evaluate]\nmetrics = [{}]", "\"loss\",".repeat(100_000)),
    ] {
        survives(text.as_bytes(), b"", &[]);
    }
}
