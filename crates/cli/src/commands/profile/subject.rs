//! What is profiled: a training step or an answer.

use std::path::{Path, PathBuf};

use base::{Diagnostic, SourceMap};
use engine::Profile as Steps;
use pipeline::{RandomExamples, StepOptions, TrainingStep};
use scheme::EMBEDDED;

use super::Terms;
use super::inference::Inference;
use crate::arguments::{Profile, SchemeChoice, StoreChoice};
use crate::commands::engine::rates;
use crate::commands::onnx_file;
use crate::commands::scheme::Checked;
use crate::failure::Failure;
use crate::scheme_files::SchemePlaces;

/// A training step or an answer, ready to be run.
pub(super) enum Subject {
    /// Of a scheme.
    Training {
        /// As typed.
        name: String,
        /// The step.
        step: Box<TrainingStep>,
    },
    /// Of a model or an ONNX file.
    Inference(Box<Inference>),
}

impl Subject {
    /// What the arguments name.
    ///
    /// Errors   no such thing; settings of a scheme for something that is none; the scheme's or the file's own mistakes.
    pub(super) fn find(arguments: &Profile, terms: &Terms) -> Result<Self, Failure> {
        let name = arguments.subject.display().to_string();
        if onnx_file::is_file(&name) {
            refuse_settings(arguments)?;
            return Ok(Subject::Inference(Box::new(Inference::of_file(arguments, terms)?)));
        }
        if !arguments.answers && names_scheme(&name, &arguments.store)? {
            refuse_keep(arguments)?;
            let step = Box::new(training_step(arguments, terms)?);
            return Ok(Subject::Training { name, step });
        }
        refuse_settings(arguments)?;
        Ok(Subject::Inference(Box::new(Inference::of_model(arguments, terms)?)))
    }

    /// As typed, or the model's id.
    pub(super) fn name(&self) -> &str {
        match self {
            Subject::Training { name, .. } => name,
            Subject::Inference(inference) => inference.name(),
        }
    }

    /// Examples at a time.
    pub(super) fn batch(&self) -> usize {
        match self {
            Subject::Training { step, .. } => step.batch(),
            Subject::Inference(inference) => inference.batch(),
        }
    }

    /// Learnt numbers; of a file all its constants.
    pub(super) fn parameters(&self) -> usize {
        match self {
            Subject::Training { step, .. } => step.parameters(),
            Subject::Inference(inference) => inference.parameters(),
        }
    }

    /// Bytes of the plan.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Subject::Training { step, .. } => step.bytes(),
            Subject::Inference(inference) => inference.bytes(),
        }
    }

    /// Threads that compute examples of their own; 1 where all compute the same ones.
    pub(super) fn replicas(&self) -> usize {
        match self {
            Subject::Training { .. } => 1,
            Subject::Inference(inference) => inference.replicas(),
        }
    }

    /// What the user should know.
    pub(super) fn notices(&self) -> &[String] {
        match self {
            Subject::Training { step, .. } => step.notices(),
            Subject::Inference(_) => &[],
        }
    }

    /// Runs `count` steps, with what each step of the plan takes; the first `warm` are not counted.
    pub(super) fn profile(&mut self, count: usize, warm: usize) -> Result<Steps, Failure> {
        match self {
            Subject::Training { step, .. } => Ok(step.profile(count, warm)?),
            Subject::Inference(inference) => inference.profile(count, warm),
        }
    }

    /// Writes inputs and answers of one batch; of models.
    pub(super) fn keep(&mut self, folder: &Path) -> Result<(), Failure> {
        match self {
            Subject::Training { .. } => unreachable!("refused before"),
            Subject::Inference(inference) => inference.keep(folder),
        }
    }
}

/// Whether `name` is a scheme's: a file's, or a name that is built in or registered.
fn names_scheme(name: &str, store: &StoreChoice) -> Result<bool, Failure> {
    let (stem, version) = name.split_once('@').map_or((name, None), |(stem, version)| (stem, Some(version)));
    let numbered = version.is_none_or(|version| version.parse::<u32>().is_ok());
    if name.ends_with(".toml") || (numbered && EMBEDDED.iter().any(|embedded| embedded.name == stem)) {
        return Ok(true);
    }
    Ok(SchemePlaces::new(store).find(stem, version)?.is_some())
}

fn training_step(arguments: &Profile, terms: &Terms) -> Result<TrainingStep, Failure> {
    let mut overrides = arguments.overrides.clone();
    overrides.extend(arguments.batch.map(|batch| format!("train.batch_size={batch}")));
    let choice = SchemeChoice { path: PathBuf::from(&arguments.subject), overrides };
    let Checked { scheme, sources, .. } = choice.resolve(&arguments.store)?;
    let store = arguments.store.open_if_any()?;
    let random = arguments.input.as_ref().map(|input| RandomExamples {
        shape: input.iter().map(|&length| length as usize).collect(),
        classes: arguments.classes.map(|classes| classes as usize),
    });
    let costs = rates::of_machine(terms.level);
    let options = StepOptions { threads: terms.threads, level: terms.level, costs, random };
    TrainingStep::new(&scheme, store.as_ref(), &options).map_err(|error| placed(error, sources))
}

fn placed(error: pipeline::RunError, sources: SourceMap) -> Failure {
    Failure::of_run(error, sources, || "interrupted".to_owned())
}

fn refuse_settings(arguments: &Profile) -> Result<(), Diagnostic> {
    let given = [("--set", !arguments.overrides.is_empty()), ("--input", arguments.input.is_some())];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => {
            let message = format!("`{flag}` is for schemes, and `{}` is none", arguments.subject.display());
            Err(Diagnostic::new("not-a-scheme", message).help("a scheme file's path ends in `.toml`"))
        }
    }
}

fn refuse_keep(arguments: &Profile) -> Result<(), Diagnostic> {
    match arguments.keep {
        None => Ok(()),
        Some(_) => {
            let message = "`--keep` is for models and ONNX files: a training step has no answer";
            Err(Diagnostic::new("not-a-model", message))
        }
    }
}
