//! The scores of a candidate: from the store, or computed now and kept there.

use std::collections::BTreeSet;

use base::{Diagnostic, Digest, DigestWriter};
use data::Target;
use inherit::score::{Examples as Scored, Probabilities, ScoreError, Scores, Seen, evidence, sample, score};
use serde::{Deserialize, Serialize};
use store::{StageResult, Store};

use super::candidates::{Candidate, is_damage};
use super::features::{Asking, Features, reads};
use super::fitting::{Fitting, fitting};
use super::{RANK_EXAMPLES_MAX, RankOptions, Subject};
use crate::architecture;
use crate::error::{Failure, RunError};
use crate::inheritance::{prediction, preprocessing_difference};
use crate::keys::{ENGINE_VERSION, to_value};
use crate::package::unpack;
use crate::prepare::{Examples, prepare};
use crate::records;

/// A candidate and what came of asking it; `None` is from scratch.
pub(super) struct Asked {
    pub(super) candidate: Option<Candidate>,
    pub(super) outcome: Outcome,
}

/// What came of asking a candidate.
pub(super) enum Outcome {
    /// It has scores. The sentences tell what was done to the examples for it.
    Scored(Found, Vec<String>),
    /// Why it has none.
    Unfit(String),
    /// Its turn did not come.
    NotScored,
    /// It is not asked.
    Recalled,
}

/// What is kept of a candidate's scores.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) scores: Scores,
    /// LogME of inputs, features and answers side by side.
    pub(super) evidence: f64,
    pub(super) latency_ms: Option<f64>,
    /// How many of the examples looked at it was trained on; `None` if it left no list.
    pub(super) trained_on: Option<usize>,
    /// Why there is no LEEP where answers were given.
    pub(super) no_leep: Option<String>,
}

/// Asks `candidate`, or starting from scratch. `looked` is filled when the first candidate has no scores in the store;
/// `tell` is called before anything takes time.
pub(super) fn ask(
    subject: &mut Subject<'_>,
    looked: &mut Option<Looked>,
    store: Option<&Store>,
    candidate: Option<&Candidate>,
    options: &RankOptions,
    tell: &mut dyn FnMut() -> Result<(), RunError>,
) -> Result<Outcome, RunError> {
    let (fitting, mut told) = match (candidate, store) {
        (Some(candidate), Some(store)) => {
            let manifest = match &candidate.manifest {
                Ok(manifest) => manifest,
                Err(reason) => return Ok(Outcome::Unfit(format!("it cannot be read: {reason}"))),
            };
            match fitting(subject.prepared, store, candidate, manifest)? {
                Ok(found) => found,
                Err(reason) => return Ok(Outcome::Unfit(reason)),
            }
        }
        _ => (Fitting::AsTheyAre, Vec::new()),
    };
    if let Some(manifest) = candidate.and_then(|candidate| candidate.manifest.as_ref().ok()) {
        let id = candidate.map_or_else(String::new, Candidate::id);
        told.extend(preprocessing_difference(subject.prepared, &manifest.preprocessing, &id));
    }
    let key = key(subject, candidate, options);
    let known = store.map(|store| store.stage_get(key)).transpose()?.flatten();
    if let Some(found) = known.and_then(|known| serde_json::from_value::<Found>(known.result).ok()) {
        told.extend(found.no_leep.clone());
        return Ok(Outcome::Scored(found, told));
    }
    tell()?;
    let found = match compute(subject, looked, store, candidate, &fitting, options)? {
        Ok(found) => found,
        Err(reason) => return Ok(Outcome::Unfit(reason)),
    };
    if let Some(store) = store {
        store.stage_put(key, &StageResult { result: to_value(&found), blobs: Vec::new() })?;
    }
    told.extend(found.no_leep.clone());
    Ok(Outcome::Scored(found, told))
}

/// What scores are a function of: model, examples with their division, and the seed that draws from them.
fn key(subject: &Subject<'_>, candidate: Option<&Candidate>, options: &RankOptions) -> Digest {
    let mut key = DigestWriter::new("heirloom.scores.2");
    key.field(candidate.map_or(b"scratch".as_slice(), |candidate| &candidate.version.digest.0));
    key.field(&subject.prepared.digest().0).field(&subject.scheme.seed.to_le_bytes());
    key.field(&(RANK_EXAMPLES_MAX as u64).to_le_bytes());
    key.field(options.level.name().as_bytes()).field(&ENGINE_VERSION.to_le_bytes());
    key.finish()
}

/// What is looked at for every candidate.
pub(super) struct Looked {
    drawn: Drawn,
    /// The preprocessed inputs, flattened: the features of starting from scratch.
    inputs: Features,
}

/// The examples that are looked at.
struct Drawn {
    rows: Vec<u32>,
    labels: Vec<u32>,
    classes: u32,
}

/// Draws from the training part, the same rows for every candidate.
fn draw(subject: &Subject<'_>, examples: &Examples) -> Drawn {
    let Target::Classes { labels, names } = &examples.dataset.target else {
        unreachable!("a target that is a number was refused before")
    };
    let train = &examples.splits.train;
    let mut members = vec![Vec::new(); names.len()];
    for (place, &row) in train.iter().enumerate() {
        members[labels[row as usize] as usize].push(place);
    }
    let places = sample(&members, RANK_EXAMPLES_MAX, subject.scheme.seed);
    let rows: Vec<u32> = places.into_iter().map(|place| train[place]).collect();
    let labels = rows.iter().map(|&row| labels[row as usize]).collect();
    Drawn { rows, labels, classes: names.len() as u32 }
}

/// Draws the examples, and what preprocessing makes of them.
fn look(
    subject: &Subject<'_>,
    examples: &Examples,
    store: Option<&Store>,
    options: &RankOptions,
) -> Result<Looked, RunError> {
    let drawn = draw(subject, examples);
    let graph = architecture::preprocessed(subject.scheme, subject.prepared)?;
    let asking = Asking {
        features: vec![graph.outputs[0]],
        graph: &graph,
        answers: false,
        digest: subject.prepared.digest(),
        fitting: &Fitting::AsTheyAre,
    };
    match asking.of(examples, &drawn.rows, subject.scheme.seed, store, options)? {
        Ok(inputs) => Ok(Looked { drawn, inputs }),
        Err(reason) => Err(RunError::damaged("what preprocessing gives", reason)),
    }
}

fn compute(
    subject: &mut Subject<'_>,
    looked: &mut Option<Looked>,
    store: Option<&Store>,
    candidate: Option<&Candidate>,
    fitting: &Fitting,
    options: &RankOptions,
) -> Result<Result<Found, String>, RunError> {
    if subject.examples.is_none() {
        *subject.examples = Some(prepare(subject.scheme, subject.source)?.1);
    }
    let Some(examples) = subject.examples.as_ref() else { unreachable!("they were read just now") };
    if looked.is_none() {
        *looked = Some(look(subject, examples, store, options)?);
    }
    let Some(Looked { drawn, inputs }) = looked.as_ref() else { unreachable!("it was filled just now") };
    let seed = subject.scheme.seed;
    let Some((candidate, store)) = candidate.zip(store) else {
        let alone = scored(None, inputs, drawn, 0, seed)?;
        return Ok(alone.map(|judged| found(judged, None, None)));
    };
    let network = match network(store, candidate)? {
        Ok(network) => network,
        Err(reason) => return Ok(Err(reason)),
    };
    let features = prediction(&network).map(|id| reads(&network, id)).unwrap_or_default();
    if features.is_empty() {
        return Ok(Err("it has no layer whose input could be looked at".to_owned()));
    }
    let digest = candidate.version.digest;
    let asking = Asking { graph: &network, features, answers: true, digest, fitting };
    let features = match asking.of(examples, &drawn.rows, seed, Some(store), options)? {
        Ok(features) => features,
        Err(reason) => return Ok(Err(format!("it cannot be asked: {reason}"))),
    };
    let known = candidate.manifest.as_ref().map_or(0, |manifest| manifest.labels.len());
    let judged = match scored(Some(inputs), &features, drawn, known, seed)? {
        Ok(judged) => judged,
        Err(reason) => return Ok(Err(reason)),
    };
    let trained_on = trained_on(store, candidate, examples, drawn)?;
    Ok(Ok(found(judged, features.latency_ms, trained_on)))
}

fn found(judged: Judged, latency_ms: Option<f64>, trained_on: Option<usize>) -> Found {
    let Judged { scores, evidence, no_leep } = judged;
    Found { scores, evidence, latency_ms, trained_on, no_leep }
}

/// The candidate's graph with its weights; errors inside with a sentence where they are damaged.
fn network(store: &Store, candidate: &Candidate) -> Result<Result<graph::Graph, String>, RunError> {
    let read = || {
        let model = store.model(&candidate.id())?;
        unpack(&store.graph(&model)?, &store.tensors(&model)?)
    };
    match read() {
        Ok(graph) => Ok(Ok(graph)),
        Err(RunError::Failed(Failure::Store(error))) if is_damage(&error) => {
            Ok(Err(format!("it cannot be read: {error}")))
        }
        Err(RunError::Failed(Failure::Damaged { what, reason })) => {
            Ok(Err(format!("it cannot be read: {what}: {reason}")))
        }
        Err(error) => Err(error),
    }
}

/// What numbers come to.
struct Judged {
    scores: Scores,
    evidence: f64,
    no_leep: Option<String>,
}

/// The scores, the evidence, and why LEEP is not among them if answers were given; errors inside with a sentence where
/// the numbers are none. `inputs` stand beside the features of a parent, which knows `known` classes.
///
/// Errors   examples of one class: then no candidate has scores.
fn scored(
    inputs: Option<&Features>,
    features: &Features,
    drawn: &Drawn,
    known: usize,
    seed: u64,
) -> Result<Result<Judged, String>, RunError> {
    let views: Result<Vec<Scored<'_>>, String> =
        features.views.iter().map(|view| scorable(&view.values, view.width, drawn)).collect();
    let (views, width_of) = match (views, features.views.first()) {
        (Ok(views), Some(last)) => (views, last.width_of),
        (Err(reason), _) => return Ok(Err(reason)),
        (_, None) => return Ok(Err("it has no features".to_owned())),
    };
    let (answers, no_leep) = match known {
        0 => (None, None),
        classes => match Probabilities::new(&features.answers, classes) {
            Ok(answers) => (Some(answers), None),
            Err(error) => (None, Some(format!("no LEEP: {error}"))),
        },
    };
    let inputs = inputs.iter().flat_map(|inputs| &inputs.views);
    let inputs: Result<Vec<Scored<'_>>, String> =
        inputs.map(|view| scorable(&view.values, view.width, drawn)).collect();
    let inputs = inputs.unwrap_or_default();
    let said = answers.and_then(|_| scorable(&features.answers, known, drawn).ok());
    let beside: Vec<&Scored<'_>> = inputs.iter().chain(&views).chain(&said).collect();
    match score(&views[0], answers.as_ref(), seed).and_then(|scores| Ok((scores, evidence(&beside, seed)?))) {
        Ok((scores, evidence)) => {
            let seen = Seen { width_of, ..scores.seen };
            Ok(Ok(Judged { scores: Scores { seen, ..scores }, evidence, no_leep }))
        }
        Err(error @ ScoreError::OneClass) => Err(one_class(&error).into()),
        Err(other) => Ok(Err(other.to_string())),
    }
}

/// Numbers with the classes of the examples looked at.
fn scorable<'a>(values: &'a [f32], width: usize, drawn: &'a Drawn) -> Result<Scored<'a>, String> {
    Scored::new(values, width, &drawn.labels, drawn.classes)
        .map_err(|error| format!("its features are none: {error}"))
}

fn one_class(error: &ScoreError) -> Diagnostic {
    Diagnostic::new("one-class", error.to_string())
        .help("the training part needs examples of two classes before parents can be ranked")
}

/// How many of the examples looked at the candidate learned from, by the list that it left.
fn trained_on(
    store: &Store,
    candidate: &Candidate,
    examples: &Examples,
    drawn: &Drawn,
) -> Result<Option<usize>, RunError> {
    let list = match store.attachment(&candidate.version, records::ROLE) {
        Ok(list) => list,
        Err(error) if is_damage(&error) => None,
        Err(error) => return Err(error.into()),
    };
    let digests: BTreeSet<Digest> =
        drawn.rows.iter().map(|&row| examples.dataset.input_digests[row as usize]).collect();
    Ok(list.and_then(|list| records::trained_on(list, &digests)))
}
