//! The rates at which a run compares algorithms of convolutions.

use engine::{Costs, Level};
use pipeline::{KeptRates, Rates};

use super::kept::Kept;
use super::machine::Machine;

/// What `heirloom engine calibrate` measured of `level`, or the default rates.
pub(crate) fn of_machine(level: Level) -> Costs {
    let kept = Kept::read().map(|kept| kept.of(&Machine::look())).unwrap_or_default();
    let found = kept.rates.iter().find(|each| each.cpu_level == level.name());
    found.and_then(|each| KeptRates::costs(each.rates)).unwrap_or_default()
}

/// As [`of_machine`], for a run.
pub(crate) fn of_run(level: Level) -> Rates {
    Rates::Machine(of_machine(level))
}
