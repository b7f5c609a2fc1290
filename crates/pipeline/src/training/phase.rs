//! A phase of training: epochs in which the same tensors learn.

use engine::{Objective, Trainer, training_graph};
use graph::{Graph, ValueId};
use tensor::Tensor;

use super::checkpoint::{Saved, save};
use super::epoch::{check_finite, train_epoch};
use super::objective::{learning_rate, objective};
use super::planned::{account, planned};
use super::prefix::{self, Activations, Divided};
use super::schedule::Schedule;
use super::taught::Lessons;
use super::treatments::{Fisher, treatments};
use super::validation::Validator;
use super::{Learner, Position, Training, kept_tensors, note_epoch, step};
use crate::architecture::layer_of;
use crate::convolutions::ConvolutionsReport;
use crate::error::RunError;
use crate::events::Event;
use crate::journal::Journal;

/// What all phases share.
pub(super) struct Common<'a> {
    pub(super) training: &'a Training<'a>,
    pub(super) schedule: Schedule,
    pub(super) lessons: Option<Lessons>,
    pub(super) fisher: Option<Fisher>,
    /// The network that learns, where it is another than the model: with low-rank updates.
    pub(super) adapted: Option<(Graph, ValueId)>,
}

impl Common<'_> {
    /// The network that learns, and its scores.
    fn network(&self) -> (&Graph, ValueId) {
        match &self.adapted {
            Some((graph, prediction)) => (graph, *prediction),
            None => (&self.training.plan.graph, self.training.plan.prediction),
        }
    }

    /// Whether a tensor learns in the phase.
    fn learns(&self, phase: usize, name: &str) -> bool {
        self.training.plan.steps(name) && self.schedule.begins(name) <= phase
    }

    /// The network divided behind what does not learn in the phase, if it is worth it.
    fn divided(&self, phase: usize) -> Result<Option<Divided>, RunError> {
        let (network, scores) = self.network();
        match self.training.scheme.train.cache_frozen {
            Some(false) => Ok(None),
            _ => prefix::divide(network, scores, &|name: &str| self.learns(phase, name))
                .map_err(|error| RunError::damaged("a frozen part", error)),
        }
    }

    /// The plan of the phase's steps.
    fn trainer(&self, phase: usize, graph: &Graph, prediction: ValueId) -> Result<Trainer, RunError> {
        let training = self.training;
        let prediction = &graph.value(prediction).name;
        let treatments = treatments(training, &self.schedule, self.fisher.as_ref());
        let objective = Objective { treatments, ..objective(training.scheme, training.teacher) };
        let model = training_graph(graph, prediction, &|name: &str| self.learns(phase, name), &objective)?;
        planned(training.scheme, model, training.engine_options(training.batch_size), training.convolutions)
    }

    /// Errors if a phase behind that of `epoch` cannot keep within `train.memory_limit`: better now than hours later.
    pub(super) fn check_memory(&self, epoch: usize) -> Result<(), RunError> {
        if self.training.scheme.train.memory_limit.is_none() {
            return Ok(());
        }
        let epochs = self.training.scheme.train.epochs;
        for phase in self.schedule.phases().filter(|&phase| epoch < phase && phase < epochs) {
            match self.divided(phase)? {
                Some(Divided { behind, prediction, .. }) => self.trainer(phase, &behind, prediction)?,
                None => {
                    let (network, scores) = self.network();
                    self.trainer(phase, network, scores)?
                }
            };
        }
        Ok(())
    }
}

/// Where training stands, from phase to phase.
pub(super) struct Course {
    pub(super) position: Position,
    /// Weights, moments and running statistics after the newest step; none before the first.
    pub(super) state: Option<Vec<(String, Tensor)>>,
    /// The tensors of the best epoch so far, if they are to be kept.
    pub(super) best: Option<Vec<(String, Tensor)>>,
    /// The tensors that learning changes, as they are now.
    pub(super) kept: Vec<(String, Tensor)>,
    /// Whether it was told that training starts.
    pub(super) told: bool,
}

impl Course {
    /// From a checkpoint, or from the beginning.
    pub(super) fn new(saved: Option<Saved>) -> Self {
        let (position, state, best) = match saved {
            Some(Saved { position, state, best }) => (position, Some(state), best),
            None => (Position::default(), None, None),
        };
        Course { position, state, best, kept: Vec::new(), told: false }
    }

    /// Whether there is nothing left to do.
    pub(super) fn finished(&self, training: &Training<'_>) -> bool {
        self.position.epoch >= training.scheme.train.epochs || self.position.history.stopped_early
    }
}

/// Trains to the end of the phase that `course` is in.
pub(super) fn train_phase(
    common: &Common<'_>,
    course: &mut Course,
    journal: &mut Journal<'_, '_>,
) -> Result<(), RunError> {
    let Common { training, schedule, .. } = common;
    let plan = training.plan;
    let phase = schedule.phase(course.position.epoch);
    let (network, scores) = common.network();
    let impossible = |error| RunError::damaged("a frozen part", error);
    let divided = common.divided(phase)?;
    let activations = activations(training, divided.as_ref(), journal)?;
    let mut learner = match (&divided, &activations) {
        (Some(divided), Some(activations)) => Learner {
            graph: &divided.behind,
            prediction: divided.prediction,
            feed: activations.feed(training.examples),
        },
        _ => Learner { graph: network, prediction: scores, feed: training.examples.feed() },
    };
    if let Some(lessons) = &common.lessons {
        learner.feed = lessons.beside(learner.feed);
    }
    let mut trainer = common.trainer(phase, learner.graph, learner.prediction)?;
    let report = ConvolutionsReport::of(training.scheme, training.convolutions, &trainer.algorithms());
    course.position.history.convolutions = Some(report);
    match course.state.take() {
        Some(state) => {
            let before = schedule.phase_before(course.position.epoch, course.position.counts.steps);
            let state = if before == phase { state } else { joined(&mut trainer, state)? };
            trainer.restore(&state)?;
            course.kept = kept_tensors(plan, &mut trainer);
        }
        None => {
            course.kept = kept_tensors(plan, &mut trainer);
            plan.check_inherited(&course.kept, None)?;
        }
    }
    tell(common, course, phase, journal)?;
    if let Some(text) = account(training.scheme, &trainer) {
        journal.tell(&Event::Notice { text })?;
    }
    // What is validated is the model as it will be delivered, without updates beside its weights.
    let mut validator = match (&common.adapted, &divided, &activations) {
        (None, ..) => Validator::new(learner.graph, learner.prediction),
        (Some(_), Some(divided), Some(_)) => {
            let (graph, prediction) = divided.behind_of(&plan.graph, plan.prediction).map_err(impossible)?;
            Validator::new(&graph, prediction)
        }
        (Some(_), ..) => Validator::new(&plan.graph, plan.prediction),
    };
    while !course.finished(training) && schedule.phase(course.position.epoch) == phase {
        let Course { position, best, kept, .. } = &mut *course;
        let rate = learning_rate(&training.scheme.train.optimizer);
        train_epoch(training, learner.feed, &mut trainer, position, best.as_deref(), rate, journal)?;
        *kept = kept_tensors(plan, &mut trainer);
        check_finite(training, position, kept)?;
        if let Some(watch) = training.watch {
            watch(kept)?;
        }
        let report =
            validator.finish_epoch(training, &learner, &position.counts, position.epoch + 1, kept)?;
        let is_best = note_epoch(training, position, report.clone());
        if is_best && training.keeps_best() {
            *best = Some(kept.clone());
        }
        // Who watches has to see every epoch, so a watched training never goes on from the middle.
        if training.watch.is_none() {
            save(training, &mut trainer, position, best.as_deref())?;
        }
        let epochs = training.scheme.train.epochs;
        journal.tell(&Event::EpochFinished { report, epochs, best: is_best })?;
        if training.watch.is_none() {
            let step = step(training, position);
            journal.tell(&Event::CheckpointSaved { epoch: position.epoch, step })?;
        }
    }
    course.state = Some(trainer.state());
    Ok(())
}

/// The state of a trainer that goes on from that of an earlier phase: what begins now is as the trainer has it.
fn joined(trainer: &mut Trainer, earlier: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, RunError> {
    let mut state = trainer.state();
    for (name, tensor) in earlier {
        match state.iter_mut().find(|(own, _)| *own == name) {
            Some((_, own)) => *own = tensor,
            None => {
                return Err(RunError::damaged("a checkpoint", format!("`{name}` has stopped learning")));
            }
        }
    }
    Ok(state)
}

/// Tells what begins with the phase.
fn tell(
    common: &Common<'_>,
    course: &mut Course,
    phase: usize,
    journal: &mut Journal<'_, '_>,
) -> Result<(), RunError> {
    let Common { training, schedule, .. } = common;
    if !course.told {
        journal.tell(&Event::TrainingStarted {
            epochs: training.scheme.train.epochs,
            batch_size: training.batch_size,
            batches: training.steps_per_epoch(),
            epoch: course.position.epoch + 1,
            done: course.position.counts.steps,
        })?;
        course.told = true;
    }
    if training.scheme.train.unfreeze.is_none() || course.finished(training) {
        return Ok(());
    }
    let text = if phase == 0 {
        let learning = training.plan.kept.iter();
        let learning = learning.filter(|name| training.plan.changes(name) && schedule.begins(name) == 0);
        let mut layers: Vec<&str> = learning.map(|name| layer_of(name)).collect();
        layers.dedup();
        format!("at first only the head learns: {}", layers.join(", "))
    } else {
        format!("from epoch {} on there learn as well: {}", phase + 1, schedule.beginning(phase).join(", "))
    };
    journal.tell(&Event::Notice { text })
}

/// What the part of the network that does not learn gives for every example, if there is such a part. Tells.
fn activations(
    training: &Training<'_>,
    divided: Option<&Divided>,
    journal: &mut Journal<'_, '_>,
) -> Result<Option<Activations>, RunError> {
    let Some(divided) = divided else { return Ok(None) };
    // In batches as learning takes them: whether a sum is cut, and so its last bit, depends on the length of a batch.
    let options = training.engine_options(training.batch_size);
    let found =
        divided.activations(training.store, training.examples, (options, Some(training.convolutions)))?;
    let text = match &found {
        Some(found) if found.found() => {
            "what the frozen layers give was computed before, taken from the store"
        }
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
