//! The training profile: what the inputs and answers of a model looked like over its test part, kept beside it, so that
//! monitoring can tell whether requests still look so.
//!
//! It is made of the test part, which nothing was fitted on, and of answers of the registered graph itself: what a server
//! computes. Distributions only: no example can be read out of it, but for single values that happen to be quantiles.

use engine::Options;
use graph::Graph;
use monitor::{Inputs, Observed, Profile, Raw};
use scheme::ResolvedScheme;
use store::{ModelVersion, Store};
use tensor::Data;

use crate::cases::{self, Answered, Cases, Expected};
use crate::error::RunError;
use crate::inheritance;
use crate::metrics::greatest;
use crate::options::RunOptions;
use crate::prepare::{Examples, Form, Prepared};
use crate::sitting::{Candidate, Sheet};
use crate::training::EVALUATION_BATCH;

/// Under which role the profile is kept beside a version.
pub(crate) const ROLE: &str = "profile";

/// What the profile is made of.
pub(crate) struct Making<'a> {
    pub(crate) scheme: &'a ResolvedScheme,
    pub(crate) options: &'a RunOptions,
    pub(crate) prepared: &'a Prepared,
    pub(crate) examples: &'a Examples,
    /// Holds the trained weights.
    pub(crate) graph: &'a Graph,
    /// The answers to the cases that the model leaves; empty if it leaves none.
    pub(crate) cases: &'a [u8],
}

/// The profile's bytes: of the test part, at most [`monitor::EXAMPLES_MAX`] examples of it, those with the smallest digests.
/// `None` if the inputs are of a form or size that nothing is counted of.
pub(crate) fn make(making: &Making<'_>) -> Result<Option<Vec<u8>>, RunError> {
    let Making { prepared, examples, .. } = making;
    let (dataset, labels) = (&examples.dataset, &prepared.summary.classes);
    let rows = cases::left_behind(dataset, &examples.judges, monitor::EXAMPLES_MAX);
    let Some(inputs) = inputs_of(prepared) else { return Ok(None) };
    let (mut summaries, mut summary) = (Vec::new(), Vec::new());
    let length: usize = dataset.example_shape().iter().product();
    for &row in &rows {
        let range = row as usize * length..(row as usize + 1) * length;
        let raw = match dataset.input.data() {
            Data::U8(values) => Raw::U8(&values[range]),
            Data::F32(values) => Raw::F32(&values[range]),
            _ => unreachable!("inputs are uint8 or float32, found {}", dataset.input.dtype()),
        };
        if !inputs.summarise(raw, &mut summary) {
            return Ok(None);
        }
        summaries.extend_from_slice(&summary);
    }
    let observed = beside(&Expected::of(dataset, &rows), &answers(making, &rows)?);
    Ok(Some(Profile::of(inputs, labels, &summaries, &observed).to_bytes()))
}

/// The profile beside a version; `None` if it was made before there were any.
///
/// Errors   the store; a profile that cannot be read.
pub fn profile_of(store: &Store, version: &ModelVersion) -> Result<Option<Profile>, RunError> {
    let read = |bytes: Vec<u8>| {
        let what = || format!("the profile of {}", version.id());
        Profile::from_bytes(&bytes).map_err(|reason| RunError::damaged(what(), reason))
    };
    store.attachment(version, ROLE)?.map(read).transpose()
}

/// What the model answers to `rows`: as it did for the cases that it leaves, if those are the same.
fn answers(making: &Making<'_>, rows: &[u32]) -> Result<Answered, RunError> {
    let Making { scheme, options, prepared, examples, graph, cases } = making;
    let cases_max = scheme.evaluate.cases_max as usize;
    if !cases.is_empty() && cases::left_behind(&examples.dataset, &examples.judges, cases_max) == rows {
        let kept = Cases::decode(cases).map_err(|reason| RunError::damaged("the cases just made", reason))?;
        return Ok(kept.answered);
    }
    let features = inheritance::features(prepared);
    let labels = &prepared.summary.classes;
    let options = Options { batch: EVALUATION_BATCH, threads: options.threads.max(1), level: options.level };
    let model = Candidate { id: "this model", graph, labels, features: &features, options };
    let sheet = Sheet::of(&examples.dataset, rows, features.clone());
    let numbers = model.answers(&sheet, &(0..rows.len()).collect::<Vec<_>>(), None)?;
    Ok(match labels.is_empty() {
        true => Answered::Values(numbers.into_iter().map(f64::from).collect()),
        false => {
            let best = |row: &[f32]| (greatest(row) as u32, row[greatest(row)]);
            Answered::Classes(numbers.chunks_exact(model.width()).map(best).collect())
        }
    })
}

fn beside(expected: &Expected, answered: &Answered) -> Vec<Observed> {
    match (expected, answered) {
        (Expected::Classes { classes, .. }, Answered::Classes(answers)) => {
            let each = classes.iter().zip(answers);
            each.map(|(&expected, &(answered, confidence))| Observed::Class {
                answered,
                confidence,
                expected,
            })
            .collect()
        }
        (Expected::Values(values), Answered::Values(answers)) => {
            let each = values.iter().zip(answers);
            each.map(|(&expected, &answered)| Observed::Value { answered, expected }).collect()
        }
        (expected, answered) => panic!("{expected:?} and {answered:?} are of different kinds"),
    }
}

/// The form of a model's inputs, if it is one that anything is counted of.
fn inputs_of(prepared: &Prepared) -> Option<Inputs> {
    let shape = &prepared.summary.example_shape;
    let features = || prepared.summary.features.clone();
    match (prepared.form, shape.as_slice()) {
        (Form::Image, &[channels, height, width]) => Some(Inputs::Picture { channels, height, width }),
        (Form::Table, [_]) => Some(Inputs::Table { features: features() }),
        (Form::Series, &[window, _]) => Some(Inputs::Series { window, features: features() }),
        _ => None,
    }
}
