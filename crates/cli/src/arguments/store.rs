//! `heirloom store`.

use clap::{Args, Subcommand, ValueEnum};

use super::{Json, StoreChoice};

/// Commands about the store as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Hashes every blob again and follows every reference
    Verify {
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// Removes what nothing points to
    Gc {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
        /// Forget the results of finished stages too: later runs do that work again
        #[arg(long)]
        stages: bool,
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// Counts what there is, and how much of it is shared
    Stats {
        #[command(flatten)]
        json: Json,
        #[command(flatten)]
        store: StoreChoice,
    },
    Push(Transfer),
    Pull(Transfer),
    Configure(Configure),
}

/// Copies models with their whole lineage and schemes between this store and another
///
/// A copy that was cut goes on where it stopped; nothing of it is visible before all of it is.
#[derive(Debug, Args)]
pub(crate) struct Transfer {
    /// The other store: a folder, or postgres://...
    #[arg(value_name = "URL")]
    pub(crate) other: String,
    /// The models: NAME, NAME@VERSION, NAME@ALIAS [default: everything]
    #[arg(value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Sets how a store keeps blobs
#[derive(Debug, Args)]
pub(crate) struct Configure {
    /// How new blobs are written
    #[arg(long, value_enum)]
    pub(crate) compression: Compression,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// How new blobs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    /// As they are
    None,
    /// In zstd, where that is smaller
    Zstd,
}
