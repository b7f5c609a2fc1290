//! `heirloom scheme`.

use std::path::PathBuf;

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
    /// Tells where a value came from: its place, what it overrode, what it was derived from
    Explain {
        #[command(flatten)]
        scheme: SchemeChoice,
        /// The dotted key of a value, such as train.epochs, or of a table [default: every value]
        key: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Tells what differs between two schemes, by key
    Diff {
        /// The first scheme: a file that ends in .toml, or one built in
        #[arg(value_name = "A")]
        before: PathBuf,
        /// The second scheme
        #[arg(value_name = "B")]
        after: PathBuf,
        #[command(flatten)]
        json: Json,
    },
    /// Lists the schemes built in, to run or to inherit from
    List {
        #[command(flatten)]
        json: Json,
    },
}
