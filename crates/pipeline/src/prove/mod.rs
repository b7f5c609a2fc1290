//! Does inheriting pay? The same training with and without the parent, over amounts of labels and seeds.
//!
//! The decision that shaped it: *a trial is a stage*. Each single training is kept under its content key, so a proof that
//! was interrupted goes on where it stopped, another seed costs only that seed, and what was proved can be looked at again
//! for nothing.

mod amounts;
mod kept;
mod trial;

use std::path::Path;

use base::{Diagnostic, Digest};
use data::Target;
use inherit::prove::{Proof, Trial};
use scheme::{Inherit, ResolvedScheme};
use serde::{Deserialize, Serialize};
use store::{By, Store, StoreAddress, StoreError};

use crate::architecture;
use crate::error::RunError;
use crate::events::{Event, Flow};
use crate::inheritance::{Parent, accept, parent_of};
use crate::leak_guard::{self, Ancestors};
use crate::options::RunOptions;
use crate::prepare::prepare;
use crate::source::source_of;

use amounts::{amounts, subset};
pub use kept::{has_proofs, last_proof, proofs_of};
use trial::{Arm, Wanted, trial};

/// What is to be proved.
#[derive(Debug, Clone, PartialEq)]
pub struct ProofWishes {
    /// Shares of the training part, each above 0 and at most 1.
    pub fractions: Vec<f64>,
    /// How many seeds, from the scheme's own on; at least one.
    pub seeds: u64,
}

/// What a proof tells while it goes on.
#[derive(Debug)]
pub enum ProofEvent<'a> {
    /// Something that the user should know; one sentence.
    Notice(&'a str),
    /// One of its trainings goes on.
    Training(&'a Event),
    /// One of its trainings is done.
    Trial {
        /// What it came to.
        trial: &'a Trial,
        /// Whether it had been done before.
        cached: bool,
        /// How many are done.
        done: usize,
        /// How many there are.
        of: usize,
    },
}

/// Receives every event. Answering [`Flow::Stop`] ends the proof with [`RunError::Interrupted`]; what was trained is kept.
pub type ProofObserver<'a> = dyn FnMut(&ProofEvent<'_>) -> Flow + Send + 'a;

/// A proof with its circumstances: the document that is kept in the lineage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProofDocument {
    /// Version of this document's form.
    pub format_version: u32,
    /// The scheme's name: that of the model that inherits.
    pub scheme: String,
    /// Digest of the resolved scheme.
    pub scheme_digest: String,
    /// The parent, `name@N`.
    pub parent: String,
    /// The seeds, ascending.
    pub seeds: Vec<u64>,
    /// Cases that judged.
    pub cases: usize,
    /// Vector instructions: `avx512`, `avx2`, `portable`.
    pub cpu_level: String,
    /// What was found.
    #[serde(flatten)]
    pub proof: Proof,
}

impl ProofDocument {
    /// The version that this program writes and reads.
    pub const FORMAT_VERSION: u32 = 1;
}

/// A proof and where it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Proved {
    /// The proof.
    pub document: ProofDocument,
    /// The model that it is kept beside, `name@N`: the scheme's own if this very scheme made it, else the parent.
    pub kept_with: String,
}

/// What the trials of a proof share.
struct Bench<'a> {
    store: &'a Store,
    options: &'a RunOptions,
    parent: &'a Parent,
    graph_file: Option<&'a [u8]>,
    graph_digest: Option<Digest>,
    ancestors: Option<Digest>,
}

/// Trains `scheme` with its parent and from scratch, on each share of the training part and under each seed, and compares
/// the accuracies on the test part. Both trainings of a seed have the same labels, the same settings of `[train]` and the
/// same number of epochs; test cases that an ancestor was trained on are left out. The validation part is whole in all of
/// them. The proof is kept beside a model.
///
/// Errors   a scheme without a parent, or one that answers with a number; what a run's plan and training refuse; fractions
/// that are none; the world. Holds the store's lock.
pub fn prove(
    scheme: &ResolvedScheme,
    address: &StoreAddress,
    here: &Path,
    wishes: &ProofWishes,
    options: &RunOptions,
    observer: &mut ProofObserver<'_>,
) -> Result<Proved, RunError> {
    let (store, _lock) = match Store::open_at(address, here) {
        Ok(store) => {
            let lock = store.try_lock()?;
            (Some(store), Some(lock))
        }
        Err(StoreError::NotAStore { .. }) => (None, None),
        Err(error) => return Err(error.into()),
    };
    let parent = parent_of(scheme, store.as_ref())?;
    let (Some(store), Some(parent)) = (store, parent) else { return Err(no_parent(scheme).into()) };
    let graph_file = architecture::read_graph_file(scheme)?;
    let (prepared, mut examples) = prepare(scheme, &source_of(scheme)?)?;
    if !matches!(examples.dataset.target, Target::Classes { .. }) {
        return Err(no_classes(scheme).into());
    }
    let plan = architecture::plan(scheme, &prepared, graph_file.as_deref(), Some(&parent))?;
    accept(scheme, plan.summary.transfer.as_ref())?;
    let ancestors = Ancestors::of(Some(&store), &parent.ids())?;
    let leaks = leak_guard::guard(scheme, Some(&store), &ancestors, &mut examples, options.threads)?;
    let train = examples.splits.train.clone();
    let counts = examples.dataset.class_counts(train.iter().copied());
    let (amounts, mut notices) = amounts(&counts, &wishes.fractions)?;
    notices.extend(prepared.notices.iter().cloned());
    notices.extend(leaks.iter().flat_map(|found| leak_guard::notices(found, &prepared)));
    for text in &notices {
        go_on(observer(&ProofEvent::Notice(text)))?;
    }

    // An interrupted trial starts anew: only a whole one has a curve.
    let options = RunOptions { resume: false, ..options.clone() };
    let bench = Bench {
        store: &store,
        options: &options,
        parent: &parent,
        graph_file: graph_file.as_deref(),
        graph_digest: graph_file.as_deref().map(Digest::of),
        ancestors: ancestors.digest(),
    };
    let seeds: Vec<u64> = (0..wishes.seeds).map(|number| scheme.seed.wrapping_add(number)).collect();
    let of = amounts.len() * seeds.len() * Arm::BOTH.len();
    let mut trials = Vec::with_capacity(of);
    for amount in &amounts {
        for &seed in &seeds {
            let Target::Classes { labels, .. } = &examples.dataset.target else {
                unreachable!("answers that are numbers were refused above")
            };
            let rows = subset(labels, &train, amount, seed);
            let prepared;
            (prepared, examples) = examples.with_training_part(scheme, rows)?;
            for arm in Arm::BOTH {
                let scheme = &arm.scheme(scheme, seed);
                let (prepared, fraction) = (&prepared, amount.fraction);
                let wanted = Wanted { arm, scheme, fraction, prepared, examples: &examples };
                let (trial, cached) = trial(&bench, &wanted, observer)?;
                let done = trials.len() + 1;
                go_on(observer(&ProofEvent::Trial { trial: &trial, cached, done, of }))?;
                trials.push(trial);
            }
        }
    }
    let document = ProofDocument {
        format_version: ProofDocument::FORMAT_VERSION,
        scheme: scheme.name.clone(),
        scheme_digest: scheme.digest().to_string(),
        parent: parent.id.clone(),
        seeds,
        cases: examples.judges.len(),
        cpu_level: options.level.name().to_owned(),
        proof: inherit::prove::prove(&trials)?,
    };
    let by = By { actor: options.actor.clone(), unix_ms: options.now_unix_ms };
    let kept_with = kept::keep(&store, &document, &by)?;
    Ok(Proved { document, kept_with })
}

fn go_on(flow: Flow) -> Result<(), RunError> {
    match flow {
        Flow::Continue => Ok(()),
        Flow::Stop => Err(RunError::Interrupted),
    }
}

fn no_parent(scheme: &ResolvedScheme) -> Diagnostic {
    let auto = scheme.model.inherit.as_ref().is_some_and(Inherit::is_auto);
    let (message, help) = match auto {
        true => (
            format!("a proof is about one parent, and {} leaves open which", scheme.name),
            "`heirloom inherit rank` puts them in order; then `--set model.inherit=NAME`",
        ),
        false => (
            format!("{} inherits from no model: there is nothing to prove", scheme.name),
            "write `inherit = \"NAME@N\"` in [model]; `heirloom model list` shows what there is",
        ),
    };
    let found = Diagnostic::new("no-parent", message);
    let place = ["model.inherit", "model"].into_iter().find_map(|key| scheme.span_of(key));
    let found = match place {
        Some(span) => found.at(span, ""),
        None => found,
    };
    found.help(help)
}

fn no_classes(scheme: &ResolvedScheme) -> Diagnostic {
    let message =
        format!("{} answers with a number, and a proof compares shares of right answers", scheme.name);
    let found = Diagnostic::new("no-accuracy", message);
    match scheme.span_of("data.target") {
        Some(span) => found.at(span, "no class"),
        None => found,
    }
    .help("run it with and without `model.inherit`, and compare both with `heirloom model show`")
}
