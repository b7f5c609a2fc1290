//! The schemes built into the program: they resolve, and their resolved text is kept under eyes.

use std::path::Path;

use scheme::{
    Answer, Architecture, EMBEDDED, Layer, MemoryFiles, Origin, Padding, ResolvedScheme, Source, Split, Task,
    Units, resolve,
};

fn resolved(root: &str, overrides: &[&str]) -> ResolvedScheme {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    resolve(Path::new(root), &overrides, &MemoryFiles::default())
        .result
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn mnist() {
    let scheme = resolved("mnist", &[]);
    insta::assert_snapshot!(scheme.to_toml());
    assert_eq!((scheme.data.source.clone(), scheme.task()), (Source::Mnist, Task::Classification));
    assert_eq!(scheme.answer(), Answer::Probabilities);
    assert!(scheme.data.has_own_test_part() && scheme.data.split.has_validation());
    let Architecture::Layers(layers) = &scheme.model.architecture else { panic!("layers") };
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["conv1", "pool1", "flatten", "hidden", "output"]);
    let Layer::Conv(conv) = &layers[0].op.layer else { panic!("conv") };
    assert_eq!((conv.filters, conv.kernel, conv.padding), (32, [3, 3], Padding::Valid));
    let Layer::Dense(output) = &layers[4].op.layer else { panic!("dense") };
    assert_eq!(output.units, Units::Classes);
}

#[test]
fn stock() {
    let scheme = resolved("stock", &[]);
    insta::assert_snapshot!(scheme.to_toml());
    assert_eq!((scheme.task(), scheme.answer()), (Task::Regression, Answer::ValueFromReturn));
    assert!(scheme.standardizes_target());
    assert!(matches!(scheme.data.split, Split::From { .. }));
    let steps: Vec<&str> = scheme.preprocess.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(steps, ["returns", "standardize"]);
}

/// A base scheme lacks its data and nothing else.
#[test]
fn base_schemes_lack_only_data() {
    for (name, data) in [
        ("vision/classifier", &["data.source=photos", "data.height=8", "data.width=8"][..]),
        ("tabular/regressor", &["data.source=a.csv", "data.features=[\"a\"]", "data.target=b"][..]),
    ] {
        resolved(name, data);
        let bare = resolve(Path::new(name), &[], &MemoryFiles::default()).result.unwrap_err();
        assert!(bare.0.iter().all(|diagnostic| diagnostic.code == "missing-key"), "{name}: {bare}");
    }
}

#[test]
fn embedded_names_are_sorted_and_versioned() {
    assert!(EMBEDDED.is_sorted_by_key(|embedded| embedded.name));
    assert_eq!(resolved("mnist@1", &[]).digest(), resolved("mnist", &[]).digest());
}

#[test]
fn shown_text_resolves_to_the_same() {
    for (root, overrides) in [
        (
            "mnist",
            &[
                "train.optimizer=momentum",
                "train.early_stopping.patience=3",
                "about.description=\"a \\\"b\\\" \\u0007\"",
            ][..],
        ),
        ("stock", &["data.source=../there/a.csv", "seed=9"][..]),
        ("vision/classifier", &["data.source=./mnist", "data.height=8", "data.width=8", "train.l2=1e-9"][..]),
        ("vision/classifier", &["data.images=a.gz", "data.labels=b.gz", "model.layers.conv1.padding=1"][..]),
    ] {
        let first = resolved(root, overrides);
        let mut files = MemoryFiles::default();
        files.0.insert("other.toml".into(), first.to_toml().into_bytes());
        let second =
            resolve(Path::new("other.toml"), &[], &files).result.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(first.to_toml(), second.to_toml());
        assert_eq!(first.digest(), second.digest());
    }
}

#[test]
fn origins_are_kept() {
    let resolution = resolve(Path::new("mnist"), &["train.epochs=1".to_owned()], &MemoryFiles::default());
    let scheme = resolution.result.unwrap();
    let place = |key: &str| {
        let span = scheme.span_of(key).unwrap();
        let source = resolution.sources.get(span.file);
        (source.name.as_str(), resolution.sources.snippet(span))
    };
    assert_eq!(place("train.epochs"), ("--set", "1"));
    assert_eq!(place("data.source"), ("built-in mnist@1", "\"mnist\""));
    assert_eq!(place("model.layers.conv1.kernel"), ("built-in vision/classifier@1", "3"));
    assert_eq!(place("model.layers.conv1.groups"), ("built-in vision/classifier@1", "[model.layers.conv1]"));
    assert_eq!(
        place("model.layers.conv1.nonsense"),
        ("built-in vision/classifier@1", "[model.layers.conv1]")
    );
    assert_eq!(scheme.span_of("nonsense"), None);
    assert!(matches!(scheme.origin("train.epochs"), Some(Origin::Override { .. })));
    assert!(matches!(scheme.origin("data.source"), Some(Origin::File { generation: 0, .. })));
    assert!(matches!(scheme.origin("preprocess.scale.divide_by"), Some(Origin::File { generation: 1, .. })));
    assert_eq!(scheme.origin("seed"), Some(Origin::Default));
    assert_eq!(scheme.origin("data.format"), Some(Origin::Derived));
    assert_eq!(scheme.origin("data.window"), None);
    assert!(scheme.origins().iter().any(|(key, value, _)| key == "train.epochs" && value == "1"));
}

/// What another choice makes of inherited settings is said, not hidden.
#[test]
fn another_optimizer_keeps_what_it_shares() {
    let scheme = resolved("mnist", &["train.optimizer.beta1=0.8", "train.optimizer=sgd"]);
    assert!(scheme.section_json("train.optimizer").contains("\"learning_rate\":0.001"));
    let notes: Vec<&str> = scheme.notes.iter().map(|note| note.message.as_str()).collect();
    insta::assert_debug_snapshot!(notes);
}

#[test]
fn sections_have_their_own_json() {
    let (one, other) = (resolved("mnist", &[]), resolved("mnist", &["train.epochs=1"]));
    assert_eq!(one.section_json("data"), other.section_json("data"));
    assert_ne!(one.section_json("train"), other.section_json("train"));
    assert_eq!(one.section_json("nothing"), "null");
}

#[test]
fn the_reference_names_every_setting() {
    let reference = scheme::reference();
    for word in
        ["`learning_rate`", "### `conv`", "`data.horizon`", "### `adamw`", "`early_stopping`", "`after`"]
    {
        assert!(reference.contains(word), "{word}");
    }
}
