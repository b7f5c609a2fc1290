//! What two versions did with the requests of one step.

use std::collections::BTreeMap;
use std::time::Duration;

/// Times that are kept of each version: the newest.
const TIMES_MAX: usize = 10_000;

/// One version's share.
#[derive(Debug, Default)]
pub(crate) struct Side {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    times: Vec<Duration>,
}

/// Both versions, and where they answered differently.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) old: Side,
    pub(crate) new: Side,
    /// By the class that the old version answered: examples compared, and those with another answer of the new one.
    pub(crate) classes: BTreeMap<String, (u64, u64)>,
}

impl Side {
    fn count(&mut self, failed: bool, took: Duration) {
        let place = self.requests as usize % TIMES_MAX;
        self.requests += 1;
        self.failed += u64::from(failed);
        match self.times.get_mut(place) {
            Some(time) => *time = took,
            None => self.times.push(took),
        }
    }

    /// The time that 99 in 100 requests kept below.
    pub(crate) fn p99(&self) -> Option<Duration> {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() * 99 / 100).copied()
    }
}

impl Tally {
    pub(super) fn count_old(&mut self, failed: bool, took: Duration) {
        self.old.count(failed, took);
    }

    pub(super) fn count_new(&mut self, failed: bool, took: Duration) {
        self.new.count(failed, took);
    }

    /// Examples compared, of all classes.
    pub(super) fn compared_in_all(&self) -> u64 {
        self.classes.values().map(|(compared, _)| compared).sum()
    }

    pub(super) fn compared(&mut self, class: &str, agree: bool) {
        if !self.classes.contains_key(class) {
            self.classes.insert(class.to_owned(), (0, 0));
        }
        if let Some((compared, differ)) = self.classes.get_mut(class) {
            *compared += 1;
            *differ += u64::from(!agree);
        }
    }
}
