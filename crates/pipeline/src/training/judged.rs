//! Training of which every epoch is measured on examples that decide nothing about it.

use std::cell::RefCell;

use tensor::Tensor;

use super::validation::Validator;
use super::{Learner, Trained, Training, train};
use crate::error::RunError;
use crate::journal::Journal;

/// What a classifier's training came to, and its share of right answers on the way.
pub(crate) struct Judged {
    pub(crate) trained: Trained,
    /// With the weights of each epoch.
    pub(crate) epochs: Vec<f64>,
    /// With the weights that were kept.
    pub(crate) kept: f64,
}

/// Trains, and measures the weights of each epoch on `rows`. What is measured changes nothing.
///
/// Errors   as [`train`].
pub(crate) fn train_judged(
    training: Training<'_>,
    rows: &[u32],
    journal: &mut Journal<'_, '_>,
) -> Result<Judged, RunError> {
    // The whole network, whatever part of it learns from kept activations.
    let learner = Learner::whole(&training);
    let judge = RefCell::new(Validator::new(learner.graph, learner.prediction));
    let accuracy =
        |kept: &[(String, Tensor)]| judge.borrow_mut().accuracy(&training, learner.feed, rows, kept);
    let epochs = RefCell::new(Vec::new());
    let watch = |kept: &[(String, Tensor)]| {
        epochs.borrow_mut().push(accuracy(kept)?);
        Ok(())
    };
    let trained = train(&Training { watch: Some(&watch), ..training }, journal)?;
    let kept = accuracy(&trained.tensors)?;
    Ok(Judged { trained, epochs: epochs.take(), kept })
}
