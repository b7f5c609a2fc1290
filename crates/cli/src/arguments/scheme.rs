//! `heirloom scheme`.

use clap::Subcommand;

use super::{Json, SchemeChoice};

/// Commands about schemes.
#[derive(Debug, Subcommand)]
pub(crate) enum Scheme {
    /// Finds every mistake in a scheme and in what it inherits, without running it
    Check {
        #[command(flatten)]
        scheme: SchemeChoice,
        #[command(flatten)]
        json: Json,
    },
    /// Shows what a scheme comes to after inheritance and defaults, as TOML
    Show {
        #[command(flatten)]
        scheme: SchemeChoice,
        #[command(flatten)]
        json: Json,
    },
    /// Lists the schemes built in, to run or to inherit from
    List {
        #[command(flatten)]
        json: Json,
    },
}
