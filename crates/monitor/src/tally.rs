//! Requests as codes, and windows of them as counts.

use crate::profile::Profile;

/// A statistic that is not there: not logged, or hashed.
pub(crate) const ABSENT: u8 = u8::MAX;
/// A class that the profile does not know, or no class at all.
pub(crate) const NO_CLASS: u32 = u32::MAX;

/// One request as bins of a profile. Made by [`Profile::code`]; a code of one profile means nothing to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coded {
    /// One for each sketch of the profile.
    pub(crate) bins: Box<[u8]>,
    /// The class that was answered.
    pub(crate) class: u32,
}

/// Sums of codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub(crate) requests: u64,
    /// Counts of the bins of each sketch of the profile.
    pub(crate) bins: Vec<Vec<u32>>,
    /// Counts of the classes answered.
    pub(crate) classes: Vec<u32>,
}

impl Tally {
    /// No requests yet, to be counted by the bins of `profile`.
    pub fn new(profile: &Profile) -> Self {
        let bins = profile.sketches().map(|sketch| vec![0; sketch.counts.len()]).collect();
        Tally { requests: 0, bins, classes: vec![0; profile.classes().len()] }
    }

    /// Counts one more request.
    pub fn add(&mut self, request: &Coded) {
        self.requests += 1;
        self.each(request, |count| *count = count.saturating_add(1));
    }

    /// Takes back a request that was counted before.
    pub fn remove(&mut self, request: &Coded) {
        self.requests = self.requests.saturating_sub(1);
        self.each(request, |count| *count = count.saturating_sub(1));
    }

    /// How many requests are counted.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    fn each(&mut self, request: &Coded, change: fn(&mut u32)) {
        for (counts, &bin) in self.bins.iter_mut().zip(&request.bins) {
            if let Some(count) = counts.get_mut(usize::from(bin)).filter(|_| bin != ABSENT) {
                change(count);
            }
        }
        if let Some(count) = self.classes.get_mut(request.class as usize) {
            change(count);
        }
    }
}
