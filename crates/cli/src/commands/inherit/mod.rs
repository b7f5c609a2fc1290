//! `heirloom inherit`: one file for each command.

mod plan;
mod prove;
mod rank;
mod trials;

use crate::arguments::Inherit;
use crate::failure::Failure;

pub(crate) use plan::summary;
pub(crate) use prove::in_brief;

/// Carries out one of the commands.
pub(crate) fn command(command: Inherit) -> Result<(), Failure> {
    match command {
        Inherit::Rank(arguments) => rank::rank(&arguments),
        Inherit::Prove(prove) => prove::prove(&prove),
        Inherit::Plan { scheme, json, store } => plan::plan(&scheme, json, &store),
    }
}
