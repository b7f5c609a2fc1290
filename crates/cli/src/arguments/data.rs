//! `heirloom data`.

use clap::Subcommand;

use super::Json;

/// Commands about data.
#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Lists the data sets built in
    List {
        #[command(flatten)]
        json: Json,
    },
}
