//! How fast it goes: for displays, and for nothing else.

use std::time::{Duration, Instant};

use crate::events::Event;

/// The shortest time between two batch events.
const PAUSE: Duration = Duration::from_millis(100);

/// The progress of one epoch since it was begun or resumed.
pub(super) struct Progress {
    started: Instant,
    told: Option<Instant>,
    /// Examples of this epoch that were done before.
    before: usize,
    pub(super) epoch: usize,
    pub(super) epochs: usize,
    pub(super) batches: usize,
    /// Examples of an epoch.
    pub(super) examples: usize,
}

impl Progress {
    pub(super) fn new(epoch: usize, epochs: usize, batches: usize, examples: usize, before: usize) -> Self {
        Progress { started: Instant::now(), told: None, before, epoch, epochs, batches, examples }
    }

    /// The event to show after a batch, unless the last one was a moment ago. `done` counts examples of this epoch.
    pub(super) fn event(
        &mut self,
        batch: usize,
        done: usize,
        loss: f64,
        correct: Option<usize>,
    ) -> Option<Event> {
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < PAUSE) {
            return None;
        }
        self.told = Some(now);
        let seconds = (now - self.started).as_secs_f64().max(1e-9);
        let rate = (done - self.before) as f64 / seconds;
        let left = (self.examples - done) + (self.epochs - self.epoch) * self.examples;
        Some(Event::BatchFinished {
            epoch: self.epoch,
            epochs: self.epochs,
            batch,
            batches: self.batches,
            loss: loss / done as f64,
            accuracy: correct.map(|correct| correct as f64 / done as f64),
            images_per_second: rate,
            seconds_left: left as f64 / rate.max(1e-9),
        })
    }
}
