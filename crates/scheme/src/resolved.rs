//! The checked, typed scheme.

use std::sync::Arc;

use base::{Diagnostic, Digest, Span};
use serde::Deserialize;

use crate::history::History;
use crate::parts::Part;
use crate::sections::{
    About, Data, Deploy, Evaluate, Format, Model, Preprocess, Steps, TargetForm, Task, Train,
};
use crate::show;
use crate::tree::{Node, Place, Table};
use crate::upgrade::FORMAT;

/// A scheme after inheritance, defaults and checks. The public fields are plain data; where each
/// value came from stays available through [`ResolvedScheme::origin`].
#[derive(Debug, Clone)]
pub struct ResolvedScheme {
    /// The model's name in the registry.
    pub name: String,
    /// What it is for, and what may be done with its models.
    pub about: About,
    /// All randomness is a function of it.
    pub seed: u64,
    /// What the model learns from.
    pub data: Data,
    /// What happens to an example before the first layer.
    pub preprocess: Steps<Preprocess>,
    /// The network.
    pub model: Model,
    /// How the network learns.
    pub train: Train,
    /// What is measured on the test part.
    pub evaluate: Evaluate,
    /// What becomes of a model that passed its gates; none: it is registered and no more.
    pub deploy: Option<Deploy>,
    /// What the user should know though it is no mistake: inherited settings that dropped out
    /// because a child chose another algorithm.
    pub notes: Vec<Diagnostic>,
    pub(crate) tree: Table,
    written: Vec<Written>,
    pub(crate) history: Arc<History>,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The settings table.
    Default,
    /// Computed from other values after the merge.
    Derived,
    /// A scheme file; generation 0 is the root, 1 its parents, and so on.
    File {
        /// The value in the file.
        span: Span,
        /// Distance from the root.
        generation: u32,
    },
    /// A layer of an architecture.
    Architecture {
        /// The value in the architecture's text.
        span: Span,
        /// Distance from the root: one more than that of the scheme that chose it, 0 if `--set` did.
        generation: u32,
    },
    /// A `--set` argument.
    Override {
        /// The value in the argument.
        span: Span,
    },
}

/// What a source text is, with its distance from the root.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Written {
    Scheme(u32),
    Architecture(u32),
    Override,
}

impl Written {
    /// What the text `part` is; only `--set` has no generation.
    pub(crate) fn by(part: &Part, generation: Option<u32>) -> Self {
        match (part, generation) {
            (Part::Architecture { .. }, generation) => Written::Architecture(generation.unwrap_or(0)),
            (_, Some(generation)) => Written::Scheme(generation),
            (_, None) => Written::Override,
        }
    }
}

/// What the graph answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// One probability for each class.
    Probabilities,
    /// The number itself, back from standardised units.
    Value,
    /// `last value · (1 + return)`: the number, from the learnt relative change.
    ValueFromReturn,
}

/// The typed part of [`ResolvedScheme`], as it stands in the canonical JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    name: String,
    about: About,
    seed: u64,
    data: Data,
    preprocess: Steps<Preprocess>,
    model: Model,
    train: Train,
    evaluate: Evaluate,
    deploy: Option<Deploy>,
}

impl ResolvedScheme {
    /// From a tree that passed every check; `written` by source text.
    pub(crate) fn new(tree: Table, written: Vec<Written>, notes: Vec<Diagnostic>, history: History) -> Self {
        let typed: Typed = serde_json::from_value(show::json(&tree))
            .unwrap_or_else(|error| panic!("the settings tables and the typed scheme disagree: {error}"));
        ResolvedScheme {
            name: typed.name,
            about: typed.about,
            seed: typed.seed,
            data: typed.data,
            preprocess: typed.preprocess,
            model: typed.model,
            train: typed.train,
            evaluate: typed.evaluate,
            deploy: typed.deploy,
            notes,
            tree,
            written,
            history: Arc::new(history),
        }
    }

    /// What kind of answer is learnt.
    pub fn task(&self) -> Task {
        match &self.data.format {
            Format::Csv(table) => table.task,
            Format::Idx(_) | Format::Images(_) => Task::Classification,
        }
    }

    /// What the graph answers with; follows from the task and `data.target_form`.
    pub fn answer(&self) -> Answer {
        match &self.data.format {
            Format::Csv(table) if table.task == Task::Regression => match table.target_form {
                TargetForm::Value => Answer::Value,
                TargetForm::Return => Answer::ValueFromReturn,
            },
            _ => Answer::Probabilities,
        }
    }

    /// Whether the target is standardised on the training part while learning: always in regression.
    pub fn standardizes_target(&self) -> bool {
        self.task() == Task::Regression
    }

    /// The whole scheme as TOML with its format and every default, in a fixed order. Resolving this text gives an
    /// equal scheme, as long as relative paths are read from the same folder.
    pub fn to_toml(&self) -> String {
        format!("format = {FORMAT}\n{}", show::toml(&self.tree))
    }

    /// The whole scheme as JSON, keys in a fixed order.
    pub fn to_json(&self) -> serde_json::Value {
        show::json(&self.tree)
    }

    /// One section, or any table or value by its dotted key, as canonical JSON text; `null` if absent.
    pub fn section_json(&self, key: &str) -> String {
        self.tree.at(key).map_or(serde_json::Value::Null, |node| show::json_value(&node.value)).to_string()
    }

    /// Names the resolved scheme: equal digests, equal settings (names and description included).
    pub fn digest(&self) -> Digest {
        Digest::of(show::json(&self.tree).to_string().as_bytes())
    }

    /// Where the value at the dotted `key` came from; for a table, where it was last opened.
    /// `None` if there is no such key.
    pub fn origin(&self, key: &str) -> Option<Origin> {
        Some(self.origin_of(self.tree.at(key)?.place))
    }

    pub(crate) fn origin_of(&self, place: Place) -> Origin {
        match place {
            Place::Default => Origin::Default,
            Place::Derived => Origin::Derived,
            Place::At(span) => match self.written.get(span.file.0 as usize) {
                Some(&Written::Scheme(generation)) => Origin::File { span, generation },
                Some(&Written::Architecture(generation)) => Origin::Architecture { span, generation },
                Some(Written::Override) | None => Origin::Override { span },
            },
        }
    }

    /// The place to point at when something is wrong with the dotted `key`: its own, or that of the
    /// nearest enclosing table that was written down.
    pub fn span_of(&self, key: &str) -> Option<Span> {
        let mut key = key;
        loop {
            if let Some(Place::At(span)) = self.tree.at(key).map(|node| node.place) {
                return Some(span);
            }
            key = key.rsplit_once('.')?.0;
        }
    }

    /// Every value with its dotted key and origin, in canonical order.
    pub fn origins(&self) -> Vec<(String, String, Origin)> {
        let leaf =
            |(key, node): (String, &Node)| (key, show::toml_value(&node.value), self.origin_of(node.place));
        self.tree.leaves().into_iter().map(leaf).collect()
    }
}
