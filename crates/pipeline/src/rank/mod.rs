//! Which registered model a scheme would best start from: every candidate is asked what it makes of the scheme's own
//! training examples, before anything is trained.
//!
//! ```text
//! store ─► candidates ─► examples as each takes them ─► features before its head ─► scores ─► order
//! ```
//!
//! Only training examples are looked at; validation and test choose nothing here either. Scores are kept in the store
//! under a key of all that they are a function of, so a second ranking reads them. The order does not depend on time: a
//! budget leaves candidates out and says so, latencies are shown and not used.

mod candidates;
mod choose;
mod features;
mod fitting;
mod order;
mod scores;

use std::path::Path;
use std::time::{Duration, Instant};

use base::Diagnostic;
use scheme::{ResolvedScheme, Task};
use serde::Serialize;
use store::{StageResult, Store, StoreAddress, StoreError};

use crate::error::RunError;
use crate::inheritance::at;
use crate::keys::{prepare_key, to_value};
use crate::prepare::{Examples, Prepared, prepare};
use crate::source::source_of;

use candidates::{Candidate, candidates};
pub(crate) use choose::{Chosen, ROLE, choose};
use order::order;
use scores::{Asked, Looked, Outcome, ask};

/// About the most training examples that are looked at: enough for a standard error of at most 1.1 percent.
pub const RANK_EXAMPLES_MAX: usize = 2_000;

/// How a ranking is made.
#[derive(Debug, Clone, Copy)]
pub struct RankOptions {
    /// Threads, at least 1.
    pub threads: usize,
    /// Vector instructions.
    pub level: engine::Level,
    /// After this much time no further candidate is begun. `None` is no limit.
    pub budget: Option<Duration>,
}

/// Called before a candidate's features are computed: with its name, how many candidates are done and how many there are.
pub type RankObserver<'a> = dyn FnMut(&str, usize, usize) -> Result<(), RunError> + 'a;

/// Ways to start, the best first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranking {
    /// The scheme's name.
    pub scheme: String,
    /// Training examples that were looked at; `None` if nothing was scored.
    pub examples: Option<usize>,
    /// Training examples that there are.
    pub examples_of: usize,
    /// The order in words.
    pub explanation: String,
    /// First what may be chosen, the best first; then by [`Standing`].
    pub candidates: Vec<RankedCandidate>,
    /// Versions that were not considered.
    pub left_out: Vec<LeftOut>,
}

/// Why a candidate stands in its part of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has a place and may be chosen.
    Ranked,
    /// It has scores, but somebody said that it should no longer be chosen.
    Deprecated,
    /// The budget was spent before its turn.
    NotScored,
    /// It cannot be asked: it takes other examples, or cannot be read.
    Unfit,
    /// It must not be used.
    Recalled,
}

/// A way to start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankedCandidate {
    /// `name@N`; `None` is from scratch.
    pub model: Option<String>,
    /// What decides: the evidence of the inputs and, beside them, its features and answers, in nats an example (see
    /// `inherit::score::evidence`). `None` without scores.
    pub score: Option<f64>,
    /// The scores by themselves.
    pub scores: ShownScores,
    /// The share of the scheme's classes that the model knows by name, 0 to 1; `None` if it cannot be read.
    pub label_overlap: Option<f64>,
    /// What was done to the examples for it, and how its preprocessing differs: sentences.
    pub preprocessing: Vec<String>,
    /// Why it stands where it does.
    pub reason: String,
    /// Its part of the list.
    pub standing: Standing,
    /// The model's digest.
    pub digest: Option<String>,
    /// The aliases that point at it.
    pub aliases: Vec<String>,
    /// Elements of its tensors.
    pub parameters: Option<usize>,
    /// Bytes of its graph and tensors.
    pub bytes: Option<u64>,
    /// Milliseconds that it takes for one example by itself on one thread, the median of several, measured when its
    /// features were computed.
    pub latency_ms: Option<f64>,
    /// Its licence; `None` if none is stated.
    pub licence: Option<String>,
    /// How many of the examples looked at it was itself trained on: its features know their classes already.
    pub trained_on: Option<usize>,
    /// Why it must not be used, if so.
    pub recalled: Option<String>,
    /// Why it should no longer be chosen, if so.
    pub deprecated: Option<String>,
}

/// What is said of the features and answers of a candidate; see `inherit::score`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ShownScores {
    /// Nats an example, higher is better.
    pub logme: Option<f64>,
    /// Nats an example, at most 0; of classifiers.
    pub leep: Option<f64>,
    /// 0 to one less than the number of classes, higher is better.
    pub h_score: Option<f64>,
    /// The better accuracy of two heads on held-out examples, 0 to 1.
    pub probe: Option<f64>,
    /// The standard error of `probe`.
    pub probe_error: Option<f64>,
}

/// Versions that were not considered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeftOut {
    /// `name@N`, or the name of several.
    pub model: String,
    /// How many versions.
    pub versions: usize,
    /// Why.
    pub reason: String,
}

/// A scheme's data, read as far as it is needed.
pub(crate) struct Subject<'a> {
    pub(crate) scheme: &'a ResolvedScheme,
    pub(crate) source: &'a data::Source,
    pub(crate) prepared: &'a Prepared,
    /// Read when the first candidate has no scores in the store.
    pub(crate) examples: &'a mut Option<Examples>,
}

/// Ranks every model of the store at `address` that is worth considering, and starting from scratch. Without a store there
/// is only the latter. Nothing is trained; in the store, scores and features are kept for the next time.
///
/// Errors   a target that is a number: the scores are about telling classes apart; data that cannot be read; the world. A
///          model that cannot be read is unfit, and no error.
pub fn rank_parents(
    scheme: &ResolvedScheme,
    address: &StoreAddress,
    here: &Path,
    options: &RankOptions,
    observer: &mut RankObserver<'_>,
) -> Result<Ranking, RunError> {
    let started = Instant::now();
    refuse_numbers(scheme)?;
    let store = match Store::open_at(address, here) {
        Ok(store) => Some(store),
        Err(StoreError::NotAStore { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let source = source_of(scheme)?;
    let (prepared, mut examples) = prepared(scheme, &source, store.as_ref())?;
    let mut subject = Subject { scheme, source: &source, prepared: &prepared, examples: &mut examples };
    rank(&mut subject, store.as_ref(), options, started, observer)
}

/// What is known of the data from the store, or read now and kept there.
pub(crate) fn prepared(
    scheme: &ResolvedScheme,
    source: &data::Source,
    store: Option<&Store>,
) -> Result<(Prepared, Option<Examples>), RunError> {
    let key = prepare_key(scheme, data::fingerprint(source)?);
    let kept = store.map(|store| store.stage_get(key)).transpose()?.flatten();
    if let Some(known) = kept.and_then(|kept| serde_json::from_value(kept.result).ok()) {
        return Ok((known, None));
    }
    let (prepared, examples) = prepare(scheme, source)?;
    if let Some(store) = store {
        store.stage_put(key, &StageResult { result: to_value(&prepared), blobs: Vec::new() })?;
    }
    Ok((prepared, Some(examples)))
}

/// Ranks candidates of `store`. `started` is when the budget began to run.
pub(crate) fn rank(
    subject: &mut Subject<'_>,
    store: Option<&Store>,
    options: &RankOptions,
    started: Instant,
    observer: &mut RankObserver<'_>,
) -> Result<Ranking, RunError> {
    refuse_numbers(subject.scheme)?;
    let found = candidates(subject.scheme, store)?;
    let mut asked: Vec<Asked> = Vec::new();
    let mut looked: Option<Looked> = None;
    // From scratch, then the cheapest first; the order of the outcome does not depend on it.
    let mut turns: Vec<Option<Candidate>> = vec![None];
    turns.extend(found.candidates.into_iter().map(Some));
    turns.sort_by_key(|turn| turn.as_ref().map(|candidate| (candidate.version.bytes, candidate.id())));
    let count = turns.len();
    for (done, candidate) in turns.into_iter().enumerate() {
        let spent = options.budget.is_some_and(|budget| started.elapsed() >= budget);
        let outcome = match &candidate {
            Some(Candidate { recalled: Some(_), .. }) => Outcome::Recalled,
            _ if spent => Outcome::NotScored,
            _ => {
                let name = candidate.as_ref().map_or_else(|| "from scratch".to_owned(), Candidate::id);
                let mut tell = || observer(&name, done, count);
                ask(subject, &mut looked, store, candidate.as_ref(), options, &mut tell)?
            }
        };
        asked.push(Asked { candidate, outcome });
    }
    Ok(order(subject, asked, found.left_out))
}

fn refuse_numbers(scheme: &ResolvedScheme) -> Result<(), RunError> {
    if scheme.task() == Task::Classification {
        return Ok(());
    }
    let message =
        "parents are ranked by how well their features tell classes apart, and the target is a number";
    let found = Diagnostic::new("ranking-needs-classes", message);
    let key = match scheme.span_of("model.inherit") {
        Some(_) if scheme.model.inherit.as_ref().is_some_and(scheme::Inherit::is_auto) => "model.inherit",
        _ => "data.target",
    };
    Err(at(scheme, key, found).help("name the parent: `inherit = \"NAME@N\"` in [model]").into())
}
