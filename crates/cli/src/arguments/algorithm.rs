//! `heirloom algorithm`.

use clap::Subcommand;

use super::Json;

/// Commands about what a scheme can choose by name.
#[derive(Debug, Subcommand)]
pub(crate) enum Algorithm {
    /// Lists optimizers, layers, preprocessing steps and data formats
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Shows what one of them computes, and its settings
    Show {
        /// Its name, as in a scheme
        name: String,
        #[command(flatten)]
        json: Json,
    },
}
