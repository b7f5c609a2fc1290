//! The stage `train`: epoch by epoch, with validation and checkpoints.
//!
//! Which examples a step sees is a function of seed, epoch and step; so a run that goes on from a checkpoint comes to
//! the same bytes as one that never stopped.

mod checkpoint;
mod epoch;
pub(crate) mod head;
mod judged;
mod objective;
mod prefix;
mod progress;
mod untrained;
mod validation;

use base::Digest;
use engine::{Feed, Options, Trainer, training_graph};
use graph::{Graph, ValueId};
use scheme::{Keep, Optimizer, ResolvedScheme};
use serde::{Deserialize, Serialize};
use store::Store;
use tensor::Tensor;

use crate::architecture::Plan;
use crate::error::RunError;
use crate::events::Event;
use crate::journal::Journal;
use crate::prepare::{Examples, Prepared};
use crate::report::EpochReport;
use crate::run::RunOptions;

use checkpoint::{load, save};
use epoch::{Counts, check_finite, train_epoch};
pub(crate) use judged::{Judged, train_judged};
use objective::{learning_rate, objective};
use prefix::{Activations, Divided};
pub(crate) use validation::EVALUATION_BATCH;
use validation::Validator;

/// What training came to, without the tensors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) epochs: Vec<EpochReport>,
    /// The epoch with the lowest validation loss so far, from 1; 0 before the first.
    pub(crate) best_epoch: usize,
    pub(crate) stopped_early: bool,
    /// How the head was found before the first epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) head: Option<head::HeadReport>,
}

/// What training came to.
pub(crate) struct Trained {
    pub(crate) history: History,
    /// The kept epoch's tensors, by the names of [`Plan::kept`] and in their order.
    pub(crate) tensors: Vec<(String, Tensor)>,
}

/// Looks at the weights of an epoch.
pub(crate) type Watch<'a> = dyn Fn(&[(String, Tensor)]) -> Result<(), RunError> + 'a;

/// What training works with.
#[derive(Clone, Copy)]
pub(crate) struct Training<'a> {
    pub(crate) scheme: &'a ResolvedScheme,
    pub(crate) options: &'a RunOptions,
    pub(crate) store: &'a Store,
    /// The stage's content key: checkpoints are kept under it.
    pub(crate) key: Digest,
    pub(crate) plan: &'a Plan,
    pub(crate) examples: &'a Examples,
    pub(crate) batch_size: usize,
    /// Is shown every epoch's weights, outside of the time that is counted.
    pub(crate) watch: Option<&'a Watch<'a>>,
}

/// What learns, and from what: the whole network from the examples, or what stands behind its frozen part from the
/// activations of that.
struct Learner<'a> {
    graph: &'a Graph,
    prediction: ValueId,
    feed: Feed<'a>,
}

/// Where training stands: between two steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Position {
    /// The epoch under way, from 0.
    epoch: usize,
    /// What was done of it.
    counts: Counts,
    history: History,
}

/// Examples per step: `train.batch_size`, and for `gradient_descent` the whole training part.
pub(crate) fn batch_size(scheme: &ResolvedScheme, prepared: &Prepared) -> usize {
    match scheme.train.optimizer {
        Optimizer::GradientDescent(_) => prepared.summary.train,
        _ => scheme.train.batch_size,
    }
}

impl Training<'_> {
    /// Steps of one epoch.
    fn steps_per_epoch(&self) -> usize {
        self.examples.splits.train.len().div_ceil(self.batch_size)
    }

    fn engine_options(&self, batch: usize) -> Options {
        Options { batch, threads: self.options.threads.max(1), level: self.options.level }
    }

    /// Whether the best epoch's weights are kept, and not the last one's.
    fn keeps_best(&self) -> bool {
        self.scheme.train.keep == Keep::Best && !self.examples.splits.validation.is_empty()
    }
}

/// Trains, going on from the newest checkpoint if the options say so.
///
/// Errors   a loss that is no number any more; an observer that wants to stop; the world. What was checkpointed stays.
pub(crate) fn train(training: &Training<'_>, journal: &mut Journal<'_, '_>) -> Result<Trained, RunError> {
    if training.scheme.train.epochs == 0 {
        return untrained::untrained(training, journal);
    }
    let plan = training.plan;
    let divided = match training.scheme.train.cache_frozen {
        Some(false) => None,
        _ => prefix::divide(plan).map_err(|error| RunError::damaged("a frozen part", error))?,
    };
    let activations = activations(training, divided.as_ref(), journal)?;
    let learner = match (&divided, &activations) {
        (Some(divided), Some(activations)) => Learner {
            graph: &divided.behind,
            prediction: divided.prediction,
            feed: activations.feed(training.examples),
        },
        _ => Learner { graph: &plan.graph, prediction: plan.prediction, feed: training.examples.feed() },
    };
    let trainable = |name: &str| plan.changes(name);
    let prediction = &learner.graph.value(learner.prediction).name;
    let model = training_graph(learner.graph, prediction, &trainable, &objective(training.scheme))?;
    let mut trainer = Trainer::new(model, training.engine_options(training.batch_size))?;
    let mut validator = Validator::new(&learner);
    let mut best: Option<Vec<(String, Tensor)>> = None;
    let mut position = Position { epoch: 0, counts: Counts::default(), history: History::default() };
    match load(training, journal)? {
        Some(saved) => {
            trainer.restore(&saved.state)?;
            (position, best) = (saved.position, saved.best);
        }
        None => plan.check_inherited(&kept_tensors(plan, &mut trainer), None)?,
    }
    journal.tell(&Event::TrainingStarted {
        epochs: training.scheme.train.epochs,
        batch_size: training.batch_size,
        batches: training.steps_per_epoch(),
        epoch: position.epoch + 1,
        done: position.counts.steps,
    })?;
    while position.epoch < training.scheme.train.epochs && !position.history.stopped_early {
        let rate = learning_rate(&training.scheme.train.optimizer);
        train_epoch(training, learner.feed, &mut trainer, &mut position, best.as_deref(), rate, journal)?;
        let kept = kept_tensors(plan, &mut trainer);
        check_finite(training, &position, &kept)?;
        if let Some(watch) = training.watch {
            watch(&kept)?;
        }
        let report =
            validator.finish_epoch(training, &learner, &position.counts, position.epoch + 1, &kept)?;
        let is_best = note_epoch(training, &mut position, report.clone());
        if is_best && training.keeps_best() {
            best = Some(kept);
        }
        save(training, &mut trainer, &position, best.as_deref())?;
        journal.tell(&Event::EpochFinished {
            report,
            epochs: training.scheme.train.epochs,
            best: is_best,
        })?;
        journal.tell(&Event::CheckpointSaved { epoch: position.epoch, step: step(training, &position) })?;
    }
    let tensors = best.unwrap_or_else(|| kept_tensors(plan, &mut trainer));
    plan.check_inherited(&tensors, Some(&|name: &str| plan.frozen.contains(name)))?;
    let history = position.history;
    journal.tell(&Event::TrainingFinished {
        best_epoch: history.best_epoch,
        epochs: history.epochs.len(),
        stopped_early: history.stopped_early,
    })?;
    Ok(Trained { history, tensors })
}

/// What the frozen part of the network gives for every example, if there is such a part. Tells.
fn activations(
    training: &Training<'_>,
    divided: Option<&Divided>,
    journal: &mut Journal<'_, '_>,
) -> Result<Option<Activations>, RunError> {
    let Some(divided) = divided else { return Ok(None) };
    let options = training.engine_options(EVALUATION_BATCH);
    let found = divided.activations(training.store, training.examples, options)?;
    let text = match &found {
        Some(found) if found.found => "what the frozen layers give was computed before, taken from the store",
        Some(_) => {
            "what the frozen layers give is computed once and kept; only the layers behind them are run again"
        }
        None => {
            "what the frozen layers give would take more than 512 MiB: it is computed anew in every epoch"
        }
    };
    journal.tell(&Event::Notice { text: text.to_owned() })?;
    Ok(found)
}

/// Steps done in all.
fn step(training: &Training<'_>, position: &Position) -> u64 {
    (position.epoch * training.steps_per_epoch() + position.counts.steps) as u64
}

/// The tensors that learning changes, as they are now.
fn kept_tensors(plan: &Plan, trainer: &mut Trainer) -> Vec<(String, Tensor)> {
    let state = trainer.state();
    let now = |name: &String| state.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor.clone());
    // A tensor that no gradient reaches is in no state: it stays as it started.
    let start =
        |name: &String| plan.graph.find_value(name).and_then(|id| plan.graph.value(id).constant.clone());
    let tensors =
        plan.kept.iter().filter_map(|name| Some((name.clone(), now(name).or_else(|| start(name))?)));
    tensors.collect()
}

/// Takes note of a finished epoch and moves to the next; tells whether it is the one to keep so far.
fn note_epoch(training: &Training<'_>, position: &mut Position, report: EpochReport) -> bool {
    let history = &mut position.history;
    let best = history.best_epoch.checked_sub(1).map(|index| &history.epochs[index]);
    let is_best = match (best.and_then(|best| best.validation_loss), report.validation_loss) {
        (Some(best), Some(loss)) if training.keeps_best() => loss < best,
        _ => true,
    };
    if is_best {
        history.best_epoch = report.epoch;
    }
    history.epochs.push(report);
    position.epoch += 1;
    position.counts = Counts::default();
    history.stopped_early = training.scheme.train.early_stopping.is_some_and(|stopping| {
        position.epoch - lowest_loss(&history.epochs) >= stopping.patience
            && position.epoch < training.scheme.train.epochs
    });
    is_best
}

/// The epoch with the lowest validation loss, from 1; the first of equal ones.
fn lowest_loss(epochs: &[EpochReport]) -> usize {
    let loss = |epoch: &EpochReport| epoch.validation_loss.unwrap_or(f64::INFINITY);
    epochs.iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).map_or(0, |epoch| epoch.epoch)
}
