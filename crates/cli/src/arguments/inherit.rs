//! `heirloom inherit`.

use clap::Subcommand;

use super::{Json, Rank, SchemeChoice, StoreChoice};

/// What to do about a parent.
#[derive(Debug, Subcommand)]
pub(crate) enum Inherit {
    Rank(Rank),
    /// Says tensor by tensor what a scheme's network takes over from its parent
    ///
    /// Reads the data and the parent; trains nothing and writes nothing. A run makes the same plan before it trains,
    /// stops if a tensor is refused, and keeps the plan beside the model.
    Plan {
        #[command(flatten)]
        scheme: SchemeChoice,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
}
