//! `heirloom inherit`: one file for each command.

mod plan;
mod rank;

use crate::arguments::Inherit;
use crate::failure::Failure;

pub(crate) use plan::summary;

/// Carries out one of the commands.
pub(crate) fn command(command: Inherit) -> Result<(), Failure> {
    match command {
        Inherit::Rank(arguments) => rank::rank(&arguments),
        Inherit::Plan { scheme, json, store } => plan::plan(&scheme, json, &store),
    }
}
