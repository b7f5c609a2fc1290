//! The place that `explain` names is the one whose edit changes the value, and no other is.
//!
//! Random families of scheme files, one value a line, are resolved; every line that speaks of a key
//! is then edited in turn. Parents that agree on a value are the exception: editing one of them makes
//! a conflict, which is an answer too.

use std::path::Path;

use proptest::prelude::*;
use scheme::{Explanation, MemoryFiles, Origin, Resolution, ResolvedScheme, resolve};

/// Keys with whole numbers; `extra` is a layer that no shipped scheme has.
const KEYS: [&str; 8] = [
    "seed",
    "train.epochs",
    "train.batch_size",
    "train.l2",
    "train.early_stopping.patience",
    "model.layers.conv1.filters",
    "model.layers.hidden.units",
    EXTRA,
];
const EXTRA: &str = "model.layers.extra.units";
const UNSET: [&str; 4] = ["train.epochs", "train.l2", "train.early_stopping", "seed"];

/// A scheme file before it is text.
#[derive(Debug, Clone, Default)]
struct Source {
    /// Numbers of older files.
    parents: Vec<usize>,
    unset: Vec<&'static str>,
    removes_extra: bool,
    places_extra: bool,
    values: Vec<(&'static str, i64)>,
}

impl Source {
    fn text(&self) -> String {
        let mut parents: Vec<String> =
            self.parents.iter().map(|parent| format!("\"f{parent}.toml\"")).collect();
        if parents.is_empty() {
            parents.push("\"mnist\"".to_owned());
        }
        let unset: Vec<String> = self.unset.iter().map(|key| format!("\"{key}\"")).collect();
        let mut lines =
            vec![format!("inherits = [{}]", parents.join(", ")), format!("unset = [{}]", unset.join(", "))];
        lines.extend(self.values.iter().map(|(key, value)| format!("{key} = {value}")));
        if self.values.iter().any(|(key, _)| *key == EXTRA) {
            lines.push("model.layers.extra.op = \"dense\"".to_owned());
            if self.places_extra {
                lines.push("model.layers.extra.before = \"hidden\"".to_owned());
            }
        } else if self.removes_extra {
            lines.push("model.layers.extra.remove = true".to_owned());
        }
        lines.join("\n") + "\n"
    }
}

fn resolve_all(sources: &[Source]) -> Resolution {
    let texts = sources.iter().enumerate();
    let files = texts.map(|(n, source)| (format!("f{n}.toml").into(), source.text().into_bytes()));
    let root = format!("f{}.toml", sources.len() - 1);
    resolve(Path::new(&root), &[], &MemoryFiles(files.collect()))
}

/// Makes the newest of `sources` resolve, by taking out what stands in the way.
fn settle(mut sources: Vec<Source>) -> Vec<Source> {
    let steps: [fn(&mut Source); 3] = [
        |source| source.unset.clear(),
        |source| source.removes_extra = false,
        |source| source.parents.truncate(1),
    ];
    for step in steps {
        if resolve_all(&sources).result.is_ok() {
            break;
        }
        sources.last_mut().into_iter().for_each(step);
    }
    sources
}

fn source() -> impl Strategy<Value = Source> {
    (
        prop::collection::vec(0..1000_usize, 0..3),
        prop::sample::subsequence(&UNSET[..], 0..2),
        any::<(bool, bool)>(),
        prop::sample::subsequence(&KEYS[..], 0..6),
        prop::collection::vec(1..50_i64, KEYS.len()),
    )
        .prop_map(|(parents, unset, (removes_extra, places_extra), keys, values)| Source {
            parents,
            unset,
            removes_extra,
            places_extra,
            values: keys.into_iter().zip(values).collect(),
        })
}

fn family() -> impl Strategy<Value = Vec<Source>> {
    prop::collection::vec(source(), 1..7).prop_map(|drawn| {
        let mut sources: Vec<Source> = Vec::new();
        for mut source in drawn {
            let older = sources.len();
            source.parents = match older {
                0 => Vec::new(),
                _ => source.parents.iter().map(|number| number % older).collect(),
            };
            source.parents.dedup();
            sources.push(source);
            sources = settle(sources);
        }
        sources
    })
}

fn number(scheme: &ResolvedScheme, key: &str) -> Option<f64> {
    scheme.explain(Some(key)).ok()?.first()?.value.as_f64()
}

/// Which file's which line, both as text.
fn place(resolution: &Resolution, origin: Origin) -> Option<(String, String)> {
    let Origin::File { span, .. } = origin else { return None };
    let source = resolution.sources.get(span.file);
    let line = resolution.sources.line_column(span).line;
    Some((source.name.clone(), source.text.lines().nth(line - 1)?.to_owned()))
}

/// Edits the line of `key` in file `n`: the new value of the key, if there is one and nobody objects.
fn edited(sources: &[Source], n: usize, key: &str, value: i64) -> Result<Option<f64>, TestCaseError> {
    let mut sources = sources.to_vec();
    for (name, written) in &mut sources[n].values {
        if *name == key {
            *written = value;
        }
    }
    match resolve_all(&sources).result {
        Ok(scheme) => Ok(number(&scheme, key)),
        Err(found) => {
            let agreed = found.0.iter().all(|diagnostic| diagnostic.code == "conflicting-parents");
            prop_assert!(agreed, "{found}");
            Ok(None)
        }
    }
}

fn check_key(
    sources: &[Source],
    found: &Resolution,
    key: &'static str,
    explained: Option<&Explanation>,
) -> Result<(), TestCaseError> {
    let value = explained.and_then(|explanation| explanation.value.as_f64());
    let place_found = explained.and_then(|explanation| place(found, explanation.origin));
    for (n, source) in sources.iter().enumerate() {
        let Some((_, written)) = source.values.iter().find(|(name, _)| *name == key) else { continue };
        let here = (format!("f{n}.toml"), format!("{key} = {written}"));
        let after = edited(sources, n, key, written + 500)?;
        if Some(&here) == place_found.as_ref() {
            prop_assert!(after.is_none() || after == Some((written + 500) as f64), "{here:?} {after:?}");
        } else {
            prop_assert!(after.is_none() || after == value, "{key}: {here:?} changed {value:?} to {after:?}");
        }
    }
    for older in explained.iter().flat_map(|explanation| &explanation.overrode) {
        let Some((file, line)) = place(found, older.origin) else { continue };
        match &older.value {
            Some(value) if file.starts_with('f') => prop_assert_eq!(line, format!("{key} = {value}")),
            Some(_) => prop_assert!(file.starts_with("built-in")),
            None => prop_assert!(line.starts_with("unset") || line.contains("remove"), "{line}"),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_place_named_is_the_one_to_edit(sources in family()) {
        let found = resolve_all(&sources);
        let scheme = match &found.result {
            Ok(scheme) => scheme,
            Err(error) => return Err(TestCaseError::reject(error.to_string())),
        };
        let all = scheme.explain(None).unwrap();
        for key in KEYS {
            check_key(&sources, &found, key, all.iter().find(|explanation| explanation.key == key))?;
        }
    }

    /// In a chain of single parents every older value is told, the nearest first.
    #[test]
    fn a_chain_tells_every_older_value(values in prop::collection::vec(prop::option::of(1..50_i64), 1..9)) {
        let sources: Vec<Source> = values.iter().enumerate().map(|(n, value)| Source {
            parents: n.checked_sub(1).into_iter().collect(),
            values: value.map(|value| ("train.epochs", value)).into_iter().collect(),
            ..Source::default()
        }).collect();
        let scheme = resolve_all(&sources).result.unwrap();
        let found = scheme.explain(Some("train.epochs")).unwrap().remove(0);
        let mut told = vec![found.value.as_i64()];
        told.extend(found.overrode.iter().map(|older| older.value.as_ref().and_then(|value| value.as_i64())));
        let mut written: Vec<Option<i64>> = values.iter().rev().copied().filter(Option::is_some).collect();
        written.extend([Some(10), Some(10)]); // those of mnist and of vision/classifier
        prop_assert_eq!(told, written);
    }
}

fn explain(text: &str, key: &str) -> Explanation {
    let files = MemoryFiles([("a.toml".into(), text.as_bytes().to_vec())].into());
    let scheme = resolve(Path::new("a.toml"), &[], &files).result.unwrap_or_else(|error| panic!("{error}"));
    scheme.explain(Some(key)).unwrap().remove(0)
}

#[test]
fn derived_values_name_what_they_follow_from() {
    let mnist = "inherits = [\"mnist\"]\n";
    let table = "inherits = [\"tabular/regressor\"]\ndata.source = \"a.csv\"\ndata.features = [\"a\"]\n\
                 data.target = \"b\"\ndata.split.test = 0.3\nunset = [\"train.loss\", \"evaluate.metrics\"]\n";
    for (text, key, from) in [
        (mnist, "name", &[][..]),
        (mnist, "data.format", &["data.source"]),
        (mnist, "model.layers.pool1.stride", &["model.layers.pool1.size"]),
        (table, "data.split.train", &["data.source", "data.split.test"]),
        (table, "train.loss", &["data.task"]),
        (table, "evaluate.metrics", &["data.task"]),
    ] {
        let found = explain(text, key);
        assert_eq!(
            (found.origin, &*found.derived_from),
            (Origin::Derived, from.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>().as_slice()),
            "{key}"
        );
    }
    assert_eq!(explain(table, "train.loss").overrode[0].value, None);
}

#[test]
fn unknown_keys_are_answered_with_the_nearest() {
    let files = MemoryFiles::default();
    let scheme = resolve(Path::new("mnist"), &["train.optimizer=sgd".to_owned()], &files).result.unwrap();
    let advice = |key: &str| scheme.explain(Some(key)).unwrap_err().help;
    assert_eq!(advice("train.epoch"), ["did you mean `train.epochs`?"]);
    assert_eq!(advice("model.layer"), ["did you mean `model.layers`?"]);
}
