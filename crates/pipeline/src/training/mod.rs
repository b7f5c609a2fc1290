//! The stage `train`: epoch by epoch, with validation and checkpoints.
//!
//! Which examples a step sees is a function of seed, epoch and step; so a run that goes on from a checkpoint comes to
//! the same bytes as one that never stopped.

mod answers;
mod checkpoint;
mod epoch;
mod fisher;
pub(crate) mod head;
mod judged;
mod objective;
mod phase;
mod planned;
mod prefix;
mod progress;
mod rehearse;
mod schedule;
mod single_step;
mod taught;
mod treatments;
mod untrained;
mod validation;

use base::Digest;
use engine::{Convolutions, Feed, Options, Trainer};
use graph::{Graph, ValueId};
use scheme::{Keep, Optimizer, ResolvedScheme};
use serde::{Deserialize, Serialize};
use store::Store;
use tensor::Tensor;

use crate::architecture::{Plan, adapted};
use crate::convolutions::ConvolutionsReport;
use crate::error::RunError;
use crate::events::Event;
use crate::journal::Journal;
use crate::options::RunOptions;
use crate::prepare::Examples;
use crate::report::EpochReport;
use crate::teacher::Teacher;

use checkpoint::load;
use epoch::Counts;
use fisher::fisher;
pub(crate) use judged::{Judged, train_judged};
use objective::learning_rate;
use phase::{Common, Course, train_phase};
pub(crate) use rehearse::per_epoch;
use schedule::Schedule;
pub use single_step::{StepOptions, TrainingStep};
use taught::lessons;
pub(crate) use validation::EVALUATION_BATCH;

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
    /// How the convolutions of the last phase were computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) convolutions: Option<ConvolutionsReport>,
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
    pub(crate) teacher: Option<&'a Teacher>,
    pub(crate) batch_size: usize,
    /// How convolutions are computed.
    pub(crate) convolutions: Convolutions,
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

impl<'a> Learner<'a> {
    /// The whole network, from the examples.
    fn whole(training: &Training<'a>) -> Self {
        let plan = training.plan;
        Learner { graph: &plan.graph, prediction: plan.prediction, feed: training.examples.feed() }
    }
}

/// Where training stands: between two steps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Position {
    /// The epoch under way, from 0.
    epoch: usize,
    /// What was done of it.
    counts: Counts,
    history: History,
}

/// Examples per step: `train.batch_size`, and for `gradient_descent` all of an epoch.
pub(crate) fn batch_size(scheme: &ResolvedScheme, epoch: usize) -> usize {
    match scheme.train.optimizer {
        Optimizer::GradientDescent(_) => epoch,
        _ => scheme.train.batch_size,
    }
}

impl Training<'_> {
    /// Steps of one epoch.
    fn steps_per_epoch(&self) -> usize {
        let rehearsed = per_epoch(self.scheme, self.examples);
        (self.examples.splits.train.len() + rehearsed).div_ceil(self.batch_size)
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
    let (plan, settings) = (training.plan, &training.scheme.train);
    let whole = Learner::whole(training);
    let adapted = match plan.adapters.as_slice() {
        [] => None,
        adapters => Some(
            adapted(&plan.graph, plan.prediction, adapters)
                .map_err(|error| RunError::damaged("the network", error))?,
        ),
    };
    let common = Common {
        training,
        schedule: Schedule::new(plan, settings.unfreeze.as_ref()),
        lessons: lessons(training, journal)?,
        fisher: settings.ewc.map(|ewc| fisher(training, &whole, &ewc)).transpose()?,
        adapted,
    };
    let mut course = Course::new(load(training, journal)?);
    common.check_memory(course.position.epoch)?;
    loop {
        train_phase(&common, &mut course, journal)?;
        if course.finished(training) {
            break;
        }
    }
    let Course { position, best, kept, .. } = course;
    let tensors = best.unwrap_or(kept);
    plan.check_inherited(&tensors, Some(&|name: &str| plan.stays(name)))?;
    let history = position.history;
    journal.tell(&Event::TrainingFinished {
        best_epoch: history.best_epoch,
        epochs: history.epochs.len(),
        stopped_early: history.stopped_early,
    })?;
    Ok(Trained { history, tensors })
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
    let updated = |name: &String| {
        let adapter = plan.adapters.iter().find(|adapter| adapter.weight == *name)?;
        let factors = state.iter().filter(|(known, _)| adapter.owns(known));
        adapter.merged(&start(name)?, &factors.map(|(name, tensor)| (name.as_str(), tensor)).collect())
    };
    let value = |name: &String| now(name).or_else(|| updated(name)).or_else(|| start(name));
    let tensors = plan.kept.iter().filter_map(|name| Some((name.clone(), value(name)?)));
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
