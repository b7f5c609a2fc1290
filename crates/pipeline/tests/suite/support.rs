//! A project in a temporary folder: small data, schemes, a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pipeline::{Event, Flow, RunError, RunOptions, RunReport};
use scheme::{MemoryFiles, ResolvedScheme};
use tensor::Random;

/// 2025-11-23 20:00:00 UTC.
pub(crate) const NOW_UNIX_MS: i64 = 1_763_928_000_000;

/// A small convolutional classifier of [`Project::digits`].
pub(crate) const CONVOLUTIONAL: &str = r#"
[preprocess.scale]
op = "scale"
divide_by = 255
[model.layers.conv1]
op = "conv"
filters = 4
kernel = 3
activation = "relu"
[model.layers.pool1]
op = "max_pool"
[model.layers.flatten]
op = "flatten"
[model.layers.output]
op = "dense"
units = "classes"
[train]
epochs = 3
batch_size = 16
optimizer = { name = "adam", learning_rate = 0.01 }
"#;

pub(crate) struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        Project { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// IDX files of three classes of 8 x 8 images, told apart by which corner is bright; returns `[data]`.
    pub(crate) fn digits(&self) -> String {
        self.digits_of(200, 60)
    }

    /// The same with so many images to learn from and to test on.
    pub(crate) fn digits_of(&self, train: usize, test: usize) -> String {
        for (part, count) in [("train", train), ("test", test)] {
            let random = Random::new(1, part);
            let pixel = |image: usize, at: usize| {
                let (row, column, class) = (at / 8, at % 8, image % 3);
                let bright = [row < 4 && column < 4, row >= 4, row < 4 && column >= 4][class];
                random.below(image as u64, at as u64, 120) as u8 + if bright { 70 } else { 0 }
            };
            let images = (0..count * 64).map(|index| pixel(index / 64, index % 64));
            self.write(&format!("{part}-images"), idx(&[2051, count as u32, 8, 8], images));
            let labels = (0..count).map(|image| (image % 3) as u8);
            self.write(&format!("{part}-labels"), idx(&[2049, count as u32], labels));
        }
        let file = |name: &str| self.path(name).display().to_string();
        format!(
            "[data]\nimages = '{}'\nlabels = '{}'\ntest_images = '{}'\ntest_labels = '{}'\nclass_names = [\"a\", \"b\", \"c\"]\n",
            file("train-images"),
            file("train-labels"),
            file("test-images"),
            file("test-labels")
        )
    }

    /// The scheme of this text, called `small`.
    pub(crate) fn scheme(&self, text: &str, overrides: &[&str]) -> ResolvedScheme {
        let name = PathBuf::from("small.toml");
        let files = MemoryFiles(BTreeMap::from([(name.clone(), text.as_bytes().to_vec())]));
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        match scheme::resolve(&name, &overrides, &files).result {
            Ok(scheme) => scheme,
            Err(problems) => panic!("{problems}"),
        }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path(".heirloom")
    }

    /// A run in the project's store.
    pub(crate) fn run(&self, scheme: &ResolvedScheme) -> Ran {
        self.run_with(scheme, &self.store(), options(), |_| Flow::Continue)
    }

    pub(crate) fn run_with(
        &self,
        scheme: &ResolvedScheme,
        store: &Path,
        options: RunOptions,
        mut observe: impl FnMut(&Event) -> Flow + Send,
    ) -> Ran {
        let mut events = Vec::new();
        let result = pipeline::run(
            scheme,
            &store::StoreAddress::Folder(store.into()),
            store,
            &options,
            &mut |event: &Event| {
                events.push(event.clone());
                observe(event)
            },
        );
        Ran { result, events }
    }
}

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) result: Result<RunReport, RunError>,
    pub(crate) events: Vec<Event>,
}

impl Ran {
    pub(crate) fn report(&self) -> &RunReport {
        self.result.as_ref().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The codes of the diagnostics that the run ended with, and their text.
    pub(crate) fn diagnostics(&self) -> (Vec<&'static str>, String) {
        match &self.result {
            Err(RunError::Diagnostics(found) | RunError::Refused(found)) => {
                let text =
                    found.0.iter().map(|one| format!("{one} {:?}", one.help)).collect::<Vec<_>>().join("\n");
                (found.0.iter().map(|one| one.code).collect(), text)
            }
            Err(other) => panic!("{other}"),
            Ok(report) => panic!("{} was made: {:?}", report.model, report.epochs),
        }
    }

    pub(crate) fn notices(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Notice { text } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The stages that did work before a gate refused.
    pub(crate) fn worked_before_refusal(&self) -> Vec<&'static str> {
        assert!(matches!(self.result, Err(RunError::Refused(_))), "{:?}", self.result);
        let finished = |event: &Event| match event {
            Event::StageFinished { stage, .. } => Some(stage.name()),
            _ => None,
        };
        self.events.iter().filter_map(finished).collect()
    }

    /// The stages that did work.
    pub(crate) fn worked(&self) -> Vec<&'static str> {
        self.report().stages.iter().filter(|stage| !stage.cached).map(|stage| stage.name.name()).collect()
    }
}

pub(crate) fn options() -> RunOptions {
    RunOptions {
        threads: 1,
        resume: false,
        level: engine::Level::detect(),
        rates: pipeline::Rates::Machine(engine::Costs::default()),
        now_unix_ms: NOW_UNIX_MS,
        actor: "tester".to_owned(),
        overrides: None,
        cause: None,
        scheme_sources: Vec::new(),
    }
}

pub(crate) fn idx(header: &[u32], values: impl Iterator<Item = u8>) -> Vec<u8> {
    header.iter().flat_map(|number| number.to_be_bytes()).chain(values).collect()
}
