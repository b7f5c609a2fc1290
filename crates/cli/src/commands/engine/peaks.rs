//! The peak that a profile is held against.

use engine::{Level, Peak};

use super::kept::{Kept, Measurement};
use super::machine::Machine;

/// A peak, and where it comes from.
pub(crate) struct Known {
    /// The peak.
    pub(crate) peak: Peak,
    /// Whether `heirloom engine calibrate` measured it; else it was measured just now.
    pub(crate) kept: bool,
}

/// What was measured of `level` on `threads` threads before, or else is measured now and not kept.
pub(crate) fn found_or_measured(level: Level, threads: usize, say: &dyn Fn(&str)) -> Known {
    let fits = |each: &Measurement| each.cpu_level == level.name() && each.threads == threads;
    let found = Kept::read().map(|kept| kept.of(&Machine::look())).unwrap_or_default().measured;
    match found.iter().find(|each| fits(each)) {
        Some(measurement) => Known { peak: measurement.peak(), kept: true },
        None => {
            say("measuring the machine's peak (`heirloom engine calibrate` keeps it)");
            Known { peak: engine::peak(level, threads), kept: false }
        }
    }
}
