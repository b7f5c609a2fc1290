//! One training of a proof: with or without the parent, on some of the labels, under a seed.

use std::time::Instant;

use base::{Digest, DigestWriter};
use engine::{Convolutions, Costs};
use inherit::prove::Trial;
use scheme::ResolvedScheme;
use store::StageResult;

use super::{Bench, ProofEvent};
use crate::architecture::{self, Plan};
use crate::convolutions::{self, Arithmetic};
use crate::error::RunError;
use crate::events::{Event, Flow};
use crate::inheritance::accept;
use crate::journal::Journal;
use crate::keys::{Judges, Keys, to_value};
use crate::prepare::{Examples, Prepared};
use crate::rehearsal::rehearsal_of;
use crate::teacher::{Teacher, teacher_of};
use crate::training::{Judged, Training, batch_size, head, per_epoch, train_judged};

/// Whether a training starts from the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arm {
    Inherited,
    Scratch,
}

impl Arm {
    pub(super) const BOTH: [Arm; 2] = [Arm::Inherited, Arm::Scratch];

    /// The scheme of this arm under `seed`. From scratch the network is the same and starts by itself: no parent, nothing
    /// that holds it to one, and every layer learns at the full rate, for what never learnt must not stay as it is. All else of
    /// `[train]` stays.
    pub(super) fn scheme(self, scheme: &ResolvedScheme, seed: u64) -> ResolvedScheme {
        let mut scheme = scheme.clone();
        scheme.seed = seed;
        if self == Arm::Scratch {
            scheme.model.inherit = None;
            let train = &mut scheme.train;
            (train.freeze, train.head, train.unfreeze, train.lora) = (None, None, None, None);
            (train.distill, train.l2_sp, train.ewc, train.rehearse) = (None, None, None, None);
            (train.rates, train.rate_decay) = (None, None);
        }
        scheme
    }
}

/// What a trial is to be.
pub(super) struct Wanted<'a> {
    pub(super) arm: Arm,
    /// The arm's scheme.
    pub(super) scheme: &'a ResolvedScheme,
    pub(super) fraction: f64,
    pub(super) prepared: &'a Prepared,
    pub(super) examples: &'a Examples,
}

/// The outcome of the training, and whether it was in the store: there everything is kept that was ever trained for a
/// proof.
///
/// Errors   as a run's: a network that does not fit, a loss that is no number, an observer that wants to stop.
pub(super) fn trial(
    bench: &Bench<'_>,
    wanted: &Wanted<'_>,
    observe: &mut (dyn FnMut(&ProofEvent<'_>) -> Flow + Send),
) -> Result<(Trial, bool), RunError> {
    let key = key(bench, wanted);
    let before = bench.store.stage_get(key)?;
    if let Some(trial) = before.and_then(|found| serde_json::from_value::<Trial>(found.result).ok()) {
        // The key does not know how the fraction was written that came to these labels.
        return Ok((Trial { fraction: wanted.fraction, ..trial }, true));
    }
    let trial = carry_out(bench, wanted, key, observe)?;
    bench.store.stage_put(key, &StageResult { result: to_value(&trial), blobs: Vec::new() })?;
    bench.store.clear_checkpoints(key)?;
    Ok((trial, false))
}

/// Everything that the outcome is a function of.
fn key(bench: &Bench<'_>, wanted: &Wanted<'_>) -> Digest {
    let parent = (wanted.arm == Arm::Inherited).then_some(bench.parent.digest);
    let arithmetic = Arithmetic { level: bench.options.level, convolutions: convolutions(wanted.scheme) };
    let judges = Judges { ancestors: bench.ancestors, rival: None, divided: None };
    // What the parent leaves to rehearse is a function of the parent.
    let keys =
        Keys::new(wanted.scheme, wanted.prepared, bench.graph_digest, parent, None, judges, arithmetic);
    let mut key = DigestWriter::new("heirloom.trial.1");
    // Layers may be the parent's in both arms; which test cases judge is a function of what the ancestors have seen.
    key.field(&keys.train.0).field(&bench.parent.digest.0);
    key.field(bench.ancestors.as_ref().map_or(b"".as_slice(), |digest| &digest.0));
    key.field(if wanted.arm == Arm::Inherited { b"inherited" } else { b"scratch" });
    key.finish()
}

/// How a trial computes convolutions: at the default rates, so that a proof comes out the same on every machine.
fn convolutions(scheme: &ResolvedScheme) -> Convolutions {
    convolutions::convolutions(scheme, Costs::default())
}

/// One training of `plan` on `examples`.
fn course<'a>(
    bench: &Bench<'a>,
    scheme: &'a ResolvedScheme,
    examples: &'a Examples,
    key: Digest,
    plan: &'a Plan,
    teacher: Option<&'a Teacher>,
) -> Training<'a> {
    let batch_size = batch_size(scheme, examples.splits.train.len() + per_epoch(scheme, examples));
    let (options, store) = (bench.options, bench.store);
    let convolutions = convolutions(scheme);
    Training { scheme, options, store, key, plan, examples, teacher, batch_size, convolutions, watch: None }
}

fn carry_out(
    bench: &Bench<'_>,
    wanted: &Wanted<'_>,
    key: Digest,
    observe: &mut (dyn FnMut(&ProofEvent<'_>) -> Flow + Send),
) -> Result<Trial, RunError> {
    let Wanted { arm, scheme, fraction, prepared, examples } = *wanted;
    let mut plan = architecture::plan(scheme, prepared, bench.graph_file, Some(bench.parent))?;
    accept(scheme, plan.summary.transfer.as_ref())?;
    let teacher = teacher_of(scheme, prepared, Some(bench.parent))?;
    let joined =
        rehearsal_of(scheme, prepared, bench.parent, bench.store)?.map(|found| found.joined(examples).0);
    let examples = joined.as_ref().unwrap_or(examples);
    let teacher = teacher.as_ref();
    // From here to the first step the network is planned, and frozen layers are run: that counts.
    let started = Instant::now();
    let mut before = 0.0;
    let mut observer = |event: &Event| {
        if matches!(event, Event::TrainingStarted { .. }) {
            before = started.elapsed().as_secs_f64();
        }
        observe(&ProofEvent::Training(event))
    };
    let mut journal = Journal::new(&mut observer);
    let found = head::find(&course(bench, scheme, examples, key, &plan, teacher), &mut journal)?;
    if let Some(found) = found {
        plan.set_tensors(&found.tensors)?;
    }
    let judged =
        train_judged(course(bench, scheme, examples, key, &plan, teacher), &examples.judges, &mut journal)?;
    let Judged { trained, epochs, kept } = judged;
    let mut clock = before;
    let curve: Vec<(f64, f64)> = trained
        .history
        .epochs
        .iter()
        .zip(epochs)
        .map(|(report, accuracy)| {
            clock += report.seconds;
            (clock, accuracy)
        })
        .collect();
    Ok(Trial {
        fraction,
        labels: examples.splits.train.len() as u64,
        seed: scheme.seed,
        inherited: arm == Arm::Inherited,
        accuracy: kept,
        seconds: clock,
        curve,
    })
}
