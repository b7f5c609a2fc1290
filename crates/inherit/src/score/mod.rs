//! How well a model that is there may serve for a task, before anything is trained.
//!
//! ```text
//! features [n, d] of the parent, labels ──► few examples, few features ──► spectrum ──► LogME, H-score
//!                                                                     └──► folds ─────► probe
//! answers [n, m] of the parent, labels ──────────────────────────────────────────────► LEEP
//! inputs, features and answers side by side ─────────────────────────────────────────► evidence ──► order
//! ```
//!
//! Every score is of the examples that are trained on; none sees validation or test. All of them stay the
//! same (within rounding) when features are rotated, shifted or multiplied as a whole, and when classes are
//! named in another order, so that they say something of the parent and not of how it writes its
//! features. No feature is rescaled by itself: what is large in a parent's last layer is so for a reason, and
//! preprocessed inputs come on scales of their own that are much alike.

mod evidence;
mod examples;
mod folds;
mod h_score;
mod leep;
mod logme;
mod probe;
#[cfg(test)]
mod properties;
mod rank;
mod reduce;
mod ridge;
mod spectrum;

use serde::{Deserialize, Serialize};

pub use evidence::evidence;
pub use examples::{CLASSES_MAX, ExampleError, Examples};
pub use folds::{FOLDS_MAX, Fold, folds};
pub use h_score::h_score;
pub use leep::{Probabilities, ProbabilityError};
pub use logme::log_me;
pub use probe::{Probe, probe};
pub use rank::{Candidate, Ranked, rank};
pub use reduce::{EXAMPLES_MAX, Projection, WIDTH_MAX, sample};
pub use spectrum::Spectrum;
pub(crate) use spectrum::dot;

/// What is known about one candidate without training it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// See [`log_me`]: nats an example, higher is better.
    pub logme: f64,
    /// LEEP of the parent's answers: nats an example, at most 0; `None` without answers.
    pub leep: Option<f64>,
    /// See [`h_score`]: in `[0, classes - 1]`, higher is better.
    pub h_score: f64,
    /// See [`probe`]; `None` where fewer than two classes have two examples.
    pub probe: Option<Probe>,
    /// How much was looked at.
    pub seen: Seen,
}

/// How much of what was given the scores are computed of (but LEEP, which is of all examples).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Examples looked at: all, or about [`EXAMPLES_MAX`] drawn class by class.
    pub examples: usize,
    /// Examples given.
    pub examples_of: usize,
    /// Features looked at: all, or [`WIDTH_MAX`] random sums of them.
    pub width: usize,
    /// Features given.
    pub width_of: usize,
}

/// Why there is no score.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// One class at most has examples.
    #[error("all examples are of one class: scores tell classes apart and need two")]
    OneClass,
    /// The parent was asked about other examples.
    #[error("the parent answered for {answers} examples, but {examples} were given")]
    Answers {
        /// Rows of answers.
        answers: usize,
        /// Examples.
        examples: usize,
    },
    /// The eigenvalues of the features' covariance did not converge.
    #[error("the eigenvalues of the features were not found: the features may be of very unlike sizes")]
    NoEigenvalues,
}

/// Scores of a candidate for the task that `examples` stand for.
///
/// `examples` hold the features of the parent's last layer before its head, for the examples to train on; to
/// score training from scratch, the preprocessed inputs, flattened. `outputs` are the parent's probabilities
/// for the same examples, where it has any. `seed` decides folds, subsample and projection: candidates
/// that are compared must have the same. Classes without examples are left out.
///
/// Time     in the number of features `d <= 512` and examples `n <= 5,000` it computes with, about `7 n d^2`
///          multiplications and the eigenvalues of six matrices of `d` rows.
/// Errors   examples of fewer than two classes; answers for another number of examples; eigenvalues that
///          were not found.
pub fn score(
    examples: &Examples<'_>,
    outputs: Option<&Probabilities<'_>>,
    seed: u64,
) -> Result<Scores, ScoreError> {
    if let Some(outputs) = outputs.filter(|outputs| outputs.count() != examples.count()) {
        return Err(ScoreError::Answers { answers: outputs.count(), examples: examples.count() });
    }
    let leep = outputs.map(|outputs| leep::leep(outputs, &examples.members()));
    let sampled = reduce::subsample(examples, seed).map(|rows| examples.select(&rows));
    let sampled = sampled.as_ref().unwrap_or(examples);
    let projected = reduce::project(sampled, seed);
    let reduced = projected.as_ref().unwrap_or(sampled);
    let spectrum = Spectrum::of(reduced)?;
    Ok(Scores {
        logme: log_me(&spectrum),
        leep,
        h_score: h_score(&spectrum),
        probe: probe(reduced, seed)?,
        seen: Seen {
            examples: reduced.count(),
            examples_of: examples.count(),
            width: reduced.width(),
            width_of: examples.width(),
        },
    })
}
