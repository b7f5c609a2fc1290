//! Measuring an epoch's weights on the validation part.

use std::time::Instant;

use data::Target;
use engine::{Feed, Predictor, Targets};
use graph::{Graph, ValueId};
use tensor::Tensor;

use super::epoch::Counts;
use super::{Learner, Training};
use crate::error::RunError;
use crate::metrics::{greatest, log_loss};
use crate::report::EpochReport;

/// Examples per batch where nothing is learnt.
pub(crate) const EVALUATION_BATCH: usize = 128;

/// The network up to what is compared with the target.
pub(super) struct Validator {
    graph: Graph,
    predictor: Option<Predictor>,
}

/// Mean loss, and the share of right answers of classifiers.
struct Scores {
    loss: f64,
    accuracy: Option<f64>,
}

impl Validator {
    /// Plans nothing yet.
    pub(super) fn new(graph: &Graph, prediction: ValueId) -> Self {
        let mut graph = graph.clone();
        graph.outputs = vec![prediction];
        Validator { graph, predictor: None }
    }

    /// The report of an epoch that ended with the weights `kept`.
    pub(super) fn finish_epoch(
        &mut self,
        training: &Training<'_>,
        learner: &Learner<'_>,
        counts: &Counts,
        epoch: usize,
        kept: &[(String, Tensor)],
    ) -> Result<EpochReport, RunError> {
        let started = Instant::now();
        let scores = match training.examples.splits.validation.as_slice() {
            [] => None,
            rows => Some(self.scores(training, learner.feed, rows, kept)?),
        };
        let share = |part: usize| part as f64 / counts.images.max(1) as f64;
        let classifies = matches!(training.examples.dataset.target, Target::Classes { .. });
        Ok(EpochReport {
            epoch,
            seconds: counts.seconds,
            validation_seconds: started.elapsed().as_secs_f64(),
            images: counts.images,
            train_loss: counts.loss / counts.images.max(1) as f64,
            train_accuracy: classifies.then(|| share(counts.correct)),
            validation_loss: scores.as_ref().map(|scores| scores.loss),
            validation_accuracy: scores.and_then(|scores| scores.accuracy),
        })
    }

    /// The share of right answers on `rows` with the weights `kept`; 0 where answers are numbers, of which none is right.
    pub(super) fn accuracy(
        &mut self,
        training: &Training<'_>,
        feed: Feed<'_>,
        rows: &[u32],
        kept: &[(String, Tensor)],
    ) -> Result<f64, RunError> {
        Ok(self.scores(training, feed, rows, kept)?.accuracy.unwrap_or(0.0))
    }

    fn scores(
        &mut self,
        training: &Training<'_>,
        feed: Feed<'_>,
        rows: &[u32],
        kept: &[(String, Tensor)],
    ) -> Result<Scores, RunError> {
        // Constants of the frozen part are not in the graph behind it.
        let own = kept.iter().filter(|(name, _)| self.graph.find_value(name).is_some());
        let own: Vec<(String, Tensor)> = own.cloned().collect();
        let predictor = self.predictor(training, &own)?;
        let feed = Feed { targets: Targets::None, ..feed };
        let answers = predictor.run(feed, rows)?.remove(0);
        Ok(measure(training, rows, answers.values::<f32>()))
    }

    /// The planned network with the weights `kept`. A plan in which a weight was folded is made anew.
    fn predictor(
        &mut self,
        training: &Training<'_>,
        kept: &[(String, Tensor)],
    ) -> Result<&mut Predictor, RunError> {
        let usable = self.predictor.as_mut().is_some_and(|predictor| predictor.set_constants(kept).is_ok());
        if !usable {
            for (name, tensor) in kept {
                if let Some(id) = self.graph.find_value(name) {
                    self.graph.set_constant(id, tensor.clone());
                }
            }
            self.predictor = Some(Predictor::new(&self.graph, training.engine_options(EVALUATION_BATCH))?);
        }
        Ok(self.predictor.as_mut().unwrap_or_else(|| unreachable!("it was made just now")))
    }
}

/// In `f64`, in the rows' order.
fn measure(training: &Training<'_>, rows: &[u32], answers: &[f32]) -> Scores {
    let count = rows.len() as f64;
    match &training.examples.dataset.target {
        Target::Classes { labels, names } => {
            let (mut loss, mut right) = (0.0, 0usize);
            for (logits, &row) in answers.chunks_exact(names.len()).zip(rows) {
                let class = labels[row as usize] as usize;
                loss += log_loss(logits, class);
                right += usize::from(greatest(logits) == class);
            }
            Scores { loss: loss / count, accuracy: Some(right as f64 / count) }
        }
        Target::Values { .. } => {
            let squares = answers
                .iter()
                .zip(rows)
                .map(|(&answer, &row)| (f64::from(answer) - training.examples.standardized(row)).powi(2));
            Scores { loss: squares.sum::<f64>() / count, accuracy: None }
        }
    }
}
