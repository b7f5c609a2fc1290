//! One epoch of training, or what is left of it.

use std::time::Instant;

use base::Diagnostic;
use engine::{BatchReport, Feed, Flow, Trainer};
use serde::{Deserialize, Serialize};
use tensor::Tensor;

use super::checkpoint::save;
use super::progress::Progress;
use super::rehearse::epoch_rows;
use super::{Position, Training, step};
use crate::error::RunError;
use crate::events::Event;
use crate::journal::Journal;

/// What was done of an epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Steps.
    pub(super) steps: usize,
    /// Examples.
    pub(super) images: usize,
    /// Sum of the examples' losses.
    pub(super) loss: f64,
    /// Right answers among them.
    pub(super) correct: usize,
    /// Wall time of training.
    pub(super) seconds: f64,
}

impl Counts {
    fn add(&mut self, batch: BatchReport) {
        self.steps += 1;
        self.images += batch.examples;
        self.loss += f64::from(batch.loss) * batch.examples as f64;
        self.correct += batch.correct;
    }
}

/// Why batches stopped before the end.
enum Stopped {
    Asked,
    Diverged { loss: f32 },
}

/// Trains from `position` to the end of its epoch.
pub(super) fn train_epoch(
    training: &Training<'_>,
    feed: Feed<'_>,
    trainer: &mut Trainer,
    position: &mut Position,
    best: Option<&[(String, Tensor)]>,
    learning_rate: f32,
    journal: &mut Journal<'_, '_>,
) -> Result<(), RunError> {
    let Training { scheme, examples, batch_size, .. } = training;
    let rows = epoch_rows(scheme, examples, position.epoch);
    let batches = training.steps_per_epoch();
    let mut progress =
        Progress::new(position.epoch + 1, scheme.train.epochs, batches, rows.len(), position.counts.images);
    while position.counts.steps < batches {
        let from = position.counts.steps;
        let to = piece_end(training, position, batches);
        let order = &rows[from * batch_size..rows.len().min(to * batch_size)];
        let first_step = step(training, position) + 1;
        let stopped =
            train_piece(feed, trainer, position, order, (first_step, learning_rate), |event, counts| {
                progress
                    .event(counts.steps, counts.images, counts.loss, event)
                    .map_or(Flow::Continue, |event| journal.show(&event))
            })?;
        match stopped {
            Some(Stopped::Diverged { loss }) => {
                return Err(diverged(training, position, &format!("the loss became {loss}")));
            }
            Some(Stopped::Asked) => {
                save(training, trainer, position, best)?;
                return Err(RunError::Interrupted);
            }
            None if to < batches => {
                save(training, trainer, position, best)?;
                let (epoch, step) = (position.epoch + 1, step(training, position));
                journal.tell(&Event::CheckpointSaved { epoch, step })?;
            }
            None => {}
        }
    }
    Ok(())
}

/// The step of the epoch before which the next checkpoint is due, or the epoch's end.
fn piece_end(training: &Training<'_>, position: &Position, batches: usize) -> usize {
    match training.scheme.train.checkpoint_steps {
        0 => batches,
        every => {
            let done = step(training, position);
            let next = (done / every + 1).saturating_mul(every);
            let left = usize::try_from(next - done).unwrap_or(usize::MAX);
            position.counts.steps.saturating_add(left).min(batches)
        }
    }
}

/// Trains on `order` and counts. `show` is given the number of right answers, of classifiers, and the counts.
fn train_piece(
    feed: Feed<'_>,
    trainer: &mut Trainer,
    position: &mut Position,
    order: &[u32],
    (first_step, learning_rate): (u64, f32),
    mut show: impl FnMut(Option<usize>, &Counts) -> Flow + Send,
) -> Result<Option<Stopped>, RunError> {
    let classifies = feed.targets.classes().is_some();
    let counts = &mut position.counts;
    let mut stopped = None;
    let started = Instant::now();
    trainer.run(feed, order, first_step, learning_rate, &mut |batch| {
        counts.add(batch);
        if stopped.is_some() {
            return Flow::Continue; // the engine knows already; this batch was on its way
        }
        if !batch.loss.is_finite() {
            stopped = Some(Stopped::Diverged { loss: batch.loss });
        } else if show(classifies.then_some(counts.correct), counts) == Flow::Stop {
            stopped = Some(Stopped::Asked);
        }
        if stopped.is_some() { Flow::Stop } else { Flow::Continue }
    })?;
    counts.seconds += started.elapsed().as_secs_f64();
    Ok(stopped)
}

/// Refuses weights that are no numbers any more, which a ReLU can hide from the loss.
pub(super) fn check_finite(
    training: &Training<'_>,
    position: &Position,
    tensors: &[(String, Tensor)],
) -> Result<(), RunError> {
    let finite = |tensor: &Tensor| {
        tensor.get::<f32>().is_none_or(|values| values.iter().all(|value| value.is_finite()))
    };
    match tensors.iter().find(|(_, tensor)| !finite(tensor)) {
        Some((name, _)) => Err(diverged(training, position, &format!("`{name}` is no longer finite"))),
        None => Ok(()),
    }
}

fn diverged(training: &Training<'_>, position: &Position, what: &str) -> RunError {
    let rate = super::learning_rate(&training.scheme.train.optimizer);
    let (epoch, step) = (position.epoch + 1, position.counts.steps);
    let message = format!("training diverged: {what} in epoch {epoch}, step {step} (learning rate {rate})");
    let diagnostic = Diagnostic::new("training-diverged", message)
        .help(format!("try a smaller `train.optimizer.learning_rate`, such as {}", rate / 10.0))
        .help("numbers far from 0 make it likelier: scale or standardise the input");
    match training.scheme.span_of("train.optimizer.learning_rate") {
        Some(span) => diagnostic.at(span, "").into(),
        None => diagnostic.into(),
    }
}
