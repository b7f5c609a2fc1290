//! `heirloom key`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Json, StoreChoice};

/// Commands about keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Makes a key pair: FILE signs and is to be kept secret, FILE.pub verifies and is for everyone
    New {
        /// The file of the private key; neither it nor FILE.pub may exist
        file: PathBuf,
        #[command(flatten)]
        json: Json,
    },
    /// Makes an API key for `serve --access`: shows the key once, and the lines for the access file
    Api {
        /// What the access file calls its holder
        name: String,
        #[command(flatten)]
        json: Json,
    },
    /// Lets the store trust a public key under a name
    Trust {
        /// What the store calls it
        name: String,
        /// The public key
        #[arg(value_name = "FILE.pub")]
        file: PathBuf,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// Lists the keys that the store trusts
    List {
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// From now on only models signed with one of these keys are promoted; with none, all are
    Require {
        /// Names of keys that the store trusts
        names: Vec<String>,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
}
