//! The newest requests, exactly.

use std::collections::VecDeque;

use crate::drift::{Settings, Verdict, judge};
use crate::profile::Profile;
use crate::tally::{Coded, Tally};

/// The newest requests of a model: as many as it was made for, older ones go as new ones come.
///
/// A request costs one step per statistic; nothing is kept of it but its code.
#[derive(Debug, Clone)]
pub struct Window {
    length: usize,
    codes: VecDeque<Coded>,
    tally: Tally,
}

/// Most requests of a window.
const LENGTH_MAX: usize = 1_000_000;

impl Window {
    /// An empty window for the newest `length` requests, between 1 and a million.
    pub fn new(profile: &Profile, length: usize) -> Self {
        Window { length: length.clamp(1, LENGTH_MAX), codes: VecDeque::new(), tally: Tally::new(profile) }
    }

    /// Counts one more request, as [`Profile::code`] has it.
    pub fn push(&mut self, request: Coded) {
        self.tally.add(&request);
        self.codes.push_back(request);
        if self.codes.len() > self.length
            && let Some(oldest) = self.codes.pop_front()
        {
            self.tally.remove(&oldest);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        while let Some(request) = self.codes.pop_front() {
            self.tally.remove(&request);
        }
    }

    /// The counts.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What the tests say of it. Microseconds to milliseconds; not for every request.
    pub fn verdict(&self, profile: &Profile, settings: &Settings) -> Verdict {
        judge(profile, &self.tally, None, settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::tests::line;

    #[test]
    fn old_requests_go() {
        let profile = line(100);
        let code = |value: f32| profile.code(&[Some(value)], None);
        let mut window = Window::new(&profile, 3);
        (0..10).for_each(|value| window.push(code(value as f32)));
        let mut expect = Tally::new(&profile);
        (7..10).for_each(|value| expect.add(&code(value as f32)));
        assert_eq!(window.tally(), &expect);
        window.clear();
        assert_eq!(window.tally(), &Tally::new(&profile));
    }
}
