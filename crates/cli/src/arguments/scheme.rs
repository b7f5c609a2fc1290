//! `heirloom scheme`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Form, Json, NewScheme, Rebase, SchemeChoice, StoreChoice};

/// Commands about schemes.
#[derive(Debug, Subcommand)]
pub(crate) enum Scheme {
    /// Finds every mistake in a scheme and in what it inherits, without running it
    Check {
        #[command(flatten)]
        scheme: SchemeChoice,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// Shows what a scheme comes to after inheritance and defaults, as TOML
    Show {
        #[command(flatten)]
        scheme: SchemeChoice,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// Tells where a value came from: its place, what it overrode, what it was derived from
    Explain {
        #[command(flatten)]
        scheme: SchemeChoice,
        /// The dotted key of a value, such as train.epochs, or of a table [default: every value]
        key: Option<String>,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
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
        #[command(flatten)]
        store: StoreChoice,
    },
    Rebase(Rebase),
    Fmt(Form),
    New(NewScheme),
    /// Prints the JSON Schema of scheme files, for editors
    Schema,
    /// Puts a scheme, with every file it inherits, under a name and the next number into the store
    ///
    /// What is registered never changes: other schemes inherit it as NAME@VERSION. The store is made in
    /// the working directory if there is none.
    Register {
        /// The scheme's file
        file: PathBuf,
        /// What to call it [default: the scheme's own name]
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// Tells who inherits from a scheme, pinned to which version, and how far behind
    Children {
        /// The name of a scheme registered or built in
        name: String,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// Lists the schemes built in and those registered, to run or to inherit from
    List {
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
}
