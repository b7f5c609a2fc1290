//! With and without inheritance: curves over labels and over time, and what follows from them.
//!
//! [`prove`] takes the outcomes of the same training, run with and without a parent over several
//! amounts of labels and several seeds, and says whether inheriting pays; [`plot`] draws it. The
//! decision that shaped it: *the seeds are paired*. Both trainings of a seed see the same labels, so
//! what is judged is the difference within a seed, which varies less than either. The time that the
//! parent's own training took is nowhere in here: it was spent before.

mod curve;
mod plot;
mod proof;
mod scale;
mod student;
mod trial;
mod verdict;

pub use curve::{CurvePoint, ScratchLabels};
pub use plot::plot;
pub use proof::{Area, Arm, Curves, Fraction, Proof, prove};
pub use student::{Estimate, student_quantile};
pub use trial::Trial;

/// The confidence of every interval in a [`Proof`].
pub const CONFIDENCE: f64 = 0.95;
