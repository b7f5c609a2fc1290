//! A rate: so many requests a second, with a second's worth saved up.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A bucket that fills at a steady rate and from which each request takes one.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Bucket { per_second, state: Mutex::new((per_second, Instant::now())) }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, then) = *state;
        let filled =
            (left + now.saturating_duration_since(then).as_secs_f64() * self.per_second).min(self.per_second);
        let taken = filled >= 1.0;
        *state = (if taken { filled - 1.0 } else { filled }, now);
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_brings_as_many_as_the_rate_says() {
        let (bucket, start) = (Bucket::new(10), Instant::now());
        let taken = |at: Duration| (0..100).filter(|_| bucket.take_at(start + at)).count();
        assert_eq!(taken(Duration::from_millis(1)), 10);
        assert_eq!(taken(Duration::from_millis(501)), 5);
        assert_eq!(taken(Duration::from_secs(60)), 10);
    }
}
