//! A linear head over features: what each way to learn one gives.

use serde::{Deserialize, Serialize};

use crate::score::Examples;

/// What a head takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intake {
    /// The features as they are.
    Plain,
    /// The features divided by their length, so that each row has length 1.
    UnitLength,
}

/// `scores = f W + b`, where `f` is what [`LinearHead::intake`] says of the features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearHead {
    /// `W: [d, classes]`, row-major.
    pub weight: Vec<f32>,
    /// `b: [classes]`.
    pub bias: Vec<f32>,
    /// What must be done with features before they are multiplied: a graph that is given this head has to
    /// do it too.
    pub intake: Intake,
}

/// Why no head was learnt.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HeadError {
    /// Nothing is known about a class.
    #[error("class {class} has no examples: a head needs at least one of each class")]
    MissingClass {
        /// The class, from 0.
        class: usize,
    },
    /// The features of a class point nowhere: all are zeros, or they cancel.
    #[error("the features of class {class} have no direction on average: a cosine needs one")]
    NoDirection {
        /// The class, from 0.
        class: usize,
    },
    /// A temperature that divides by nothing.
    #[error("the temperature {0} is not a number above 0")]
    Temperature(f64),
    /// A strength that leaves the weights without a bound.
    #[error("the L2 strength {0} is not a number above 0")]
    Strength(f64),
    /// Numbers that a model cannot hold.
    #[error("the head's weights are beyond 32-bit numbers: the features are too large or too small")]
    Range,
}

impl LinearHead {
    /// Checks that the numbers can be held (there is a class, as there is an example) and turns `weight: [classes, d]` into `[d, classes]`.
    pub(super) fn of(weight: &[f64], bias: &[f64], intake: Intake) -> Result<Self, HeadError> {
        let (classes, width) = (bias.len(), weight.len() / bias.len());
        let turned = (0..width).flat_map(|at| (0..classes).map(move |class| class * width + at));
        let head = LinearHead {
            weight: turned.map(|at| weight[at] as f32).collect(),
            bias: bias.iter().map(|&value| value as f32).collect(),
            intake,
        };
        let finite = head.weight.iter().chain(&head.bias).all(|value| value.is_finite());
        let largest = weight.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let vanished = largest > 0.0 && largest < f32::MIN_POSITIVE as f64;
        if finite && !vanished { Ok(head) } else { Err(HeadError::Range) }
    }

    /// How many classes the head tells apart.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// The class that is said for each example: the one with the largest score, of equals the first. `[n]`.
    pub fn answers(&self, examples: &Examples<'_>) -> Vec<u32> {
        self.scores(examples).chunks_exact(self.classes()).map(|row| largest(row) as u32).collect()
    }

    /// The scores of each example, `f W + b`, in f64: `[n, classes]`. The largest of a row is the class that
    /// is said; softmax makes probabilities of them. Features are normalised first where the intake says so; a
    /// row of zeros stays one.
    ///
    /// Panics where the examples have another number of features than the head.
    pub fn scores(&self, examples: &Examples<'_>) -> Vec<f64> {
        let classes = self.classes();
        assert_eq!(examples.width() * classes, self.weight.len(), "features of another head");
        let mut scores = Vec::with_capacity(examples.count() * classes);
        for row in examples.rows() {
            let factor = match self.intake {
                Intake::Plain => 1.0,
                Intake::UnitLength => 1.0 / length(row.iter().map(|&value| value as f64)),
            };
            let first = scores.len();
            scores.extend(self.bias.iter().map(|&value| value as f64));
            for (&value, weights) in row.iter().zip(self.weight.chunks_exact(classes)) {
                let value = value as f64 * factor;
                for (score, &weight) in scores[first..].iter_mut().zip(weights) {
                    *score += value * weight as f64;
                }
            }
        }
        scores
    }
}

/// The Euclidean length of `values`; 1 for zeros, which then stay zeros when divided by it.
pub(super) fn length(values: impl Iterator<Item = f64>) -> f64 {
    let length = values.map(|value| value * value).sum::<f64>().sqrt();
    if length > 0.0 { length } else { 1.0 }
}

/// The first class without examples is an error.
pub(super) fn check_classes(examples: &Examples<'_>) -> Result<(), HeadError> {
    match examples.class_counts().iter().position(|&count| count == 0) {
        Some(class) => Err(HeadError::MissingClass { class }),
        None => Ok(()),
    }
}

/// Where the largest of `scores` stands; of equals, the first. 0 for none.
pub(crate) fn largest(scores: &[f64]) -> usize {
    let mut best = 0;
    for (at, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = at;
        }
    }
    best
}
