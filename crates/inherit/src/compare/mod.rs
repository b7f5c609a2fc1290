//! Two models over the same cases: what one breaks and what it fixes, and how sure that is.
//!
//! [`compare`] counts; [`judge`] holds the counts against gates. The decision that shaped it:
//! *classes are compared by name*, for a child's class list is seldom its parent's, and cases whose
//! expected class only one side knows are counted apart instead of being held against the other.
//! Nobody should use the figures as a search criterion: the test set chooses nothing.

mod adjusted;
mod binomial;
mod bootstrap;
mod calibration;
mod case;
mod comparison;
pub(crate) mod digest_text;
mod gate;
mod mcnemar;
pub(crate) mod mistakes;
mod normal;
mod regression;
mod wilson;

pub use adjusted::adjusted_interval;
pub use bootstrap::{DRAWS, bootstrap_interval};
pub use calibration::{BINS, Calibration, CalibrationBin, calibration};
pub use case::{Answer, Case, ClassLists};
pub use comparison::{Apart, Changed, Comparison, Difference, PerClass, Side, compare};
pub use gate::{Gate, Judgement, Outcome, judge};
pub use mcnemar::mcnemar_p;
pub use regression::{ChangedValue, RegressionCase, RegressionComparison, compare_regression};
pub use wilson::wilson_interval;

use serde::{Deserialize, Serialize};

/// The confidence of every interval in a [`Comparison`].
pub const CONFIDENCE: f64 = 0.95;

/// What happened to `cases` paired cases: the cells of the two-by-two table that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// All paired cases.
    pub cases: u64,
    /// Right before, wrong after.
    pub broken: u64,
    /// Wrong before, right after; `broken + fixed <= cases`.
    pub fixed: u64,
}

/// A range that holds the true value with a stated confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}
