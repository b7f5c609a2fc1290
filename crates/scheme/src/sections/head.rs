//! `train.head`: how a last layer is found without gradients.

use serde::{Deserialize, Serialize};

use crate::settings::Choice;

/// How the last dense layer is found from the features of the training examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// The nearest class mean.
    Prototype,
    /// The class mean in the nearest direction.
    Cosine,
    /// Logistic regression.
    Logistic,
}

impl Head {
    /// The name in a scheme.
    pub fn name(self) -> &'static str {
        match self {
            Head::Prototype => "prototype",
            Head::Cosine => "cosine",
            Head::Logistic => "logistic",
        }
    }
}

/// The ways.
pub(crate) const HEADS: &[Choice] = &[
    Choice::new(
        "prototype",
        "the class whose mean is nearest, `w = m / T`, `b = -|m|² / 2T`, with the variance within classes for `T` \
         (Snell et al. 2017)",
    ),
    Choice::new(
        "cosine",
        "the class whose mean lies in the nearest direction, `w = 10 m / |m|` over the mean length of the features, \
         `b = 0` (Gidaris and Komodakis 2018)",
    ),
    Choice::new(
        "logistic",
        "logistic regression by L-BFGS, its L2 strength chosen by cross-validation on the training part",
    ),
];
