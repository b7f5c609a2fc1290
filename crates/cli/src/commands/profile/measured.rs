//! Whole steps timed undisturbed, then the steps of the plan.

use std::time::{Duration, Instant};

use engine::{Flow, Profile as Steps};

use super::Terms;
use super::subject::Subject;
use crate::failure::Failure;

/// What was measured.
pub(super) struct Measured {
    /// Whole steps.
    pub(super) whole: Times,
    /// Mean loss of the last step; of training.
    pub(super) loss: Option<f32>,
    /// The steps of the plan.
    pub(super) steps: Steps,
    /// The most memory that the process has held, where the system tells it.
    pub(super) peak_memory_bytes: Option<u64>,
}

impl Measured {
    /// Floating-point operations that the network asks for. What is computed again is asked for once.
    pub(super) fn operations(&self) -> u64 {
        self.steps.steps.iter().filter(|step| !step.again).map(|step| step.operations).sum()
    }

    /// Seconds in steps that compute again what was there before.
    pub(super) fn seconds_again(&self) -> f64 {
        self.steps.steps.iter().filter(|step| step.again).map(|step| step.seconds).sum()
    }
}

/// The seconds of whole steps.
pub(super) struct Times {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) count: usize,
}

/// Steps before the clock starts: caches fill, pages are touched.
const WARM: usize = 3;
/// A median of fewer would be one step's luck.
const STEPS_MIN: usize = 5;
/// More would only take memory.
const STEPS_MAX: usize = 20_000;
/// Steps whose parts are timed: at least, and at most.
const PARTS: std::ops::RangeInclusive<usize> = 5..=200;

/// Measures `subject`.
pub(super) fn measure(subject: &mut Subject, terms: &Terms) -> Result<Measured, Failure> {
    let limit = Duration::from_secs_f64(terms.seconds);
    let (seconds, loss) = match subject {
        Subject::Training { step, .. } => {
            training(step, WARM, Duration::ZERO)?;
            let (seconds, loss) = training(step, STEPS_MIN, limit)?;
            (seconds, Some(loss))
        }
        Subject::Inference(inference) => {
            inference.repeat(WARM, Duration::ZERO)?;
            (inference.repeat(STEPS_MIN, limit)?, None)
        }
    };
    let whole = Times::of(seconds);
    let peak_memory_bytes = pipeline::peak_bytes();
    let count = (terms.seconds / 2.0 / whole.median) as usize;
    let count = count.clamp(*PARTS.start(), *PARTS.end());
    let steps = subject.profile(WARM + count, WARM)?;
    Ok(Measured { whole, loss, steps, peak_memory_bytes })
}

/// Trains until `limit` has passed, at least `least` steps after the first. Returns the seconds of each, and the last loss.
fn training(
    step: &mut pipeline::TrainingStep,
    least: usize,
    limit: Duration,
) -> Result<(Vec<f64>, f32), Failure> {
    let started = Instant::now();
    let (mut before, mut seconds, mut last) = (None, Vec::new(), f32::NAN);
    // The first step has no beginning that was noted.
    let most = if limit.is_zero() { least + 1 } else { STEPS_MAX };
    step.run(most, &mut |report| {
        let now = Instant::now();
        seconds.extend(before.replace(now).map(|before: Instant| (now - before).as_secs_f64()));
        last = report.loss;
        let enough = seconds.len() >= least && now - started >= limit;
        if enough { Flow::Stop } else { Flow::Continue }
    })?;
    Ok((seconds, last))
}

impl Times {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let count = seconds.len();
        // At least STEPS_MIN of them.
        let middle = [seconds[(count - 1) / 2], seconds[count / 2]];
        Times { median: (middle[0] + middle[1]) / 2.0, least: seconds[0], most: seconds[count - 1], count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_the_middle() {
        let times = Times::of(vec![4.0, 1.0, 2.0, 3.0]);
        assert_eq!((times.median, times.least, times.most, times.count), (2.5, 1.0, 4.0, 4));
        assert_eq!(Times::of(vec![3.0, 1.0, 2.0]).median, 2.0);
    }
}
