//! What can be typed. Help, usage, completions and parsing all come from the definitions here: one file
//! for each group of commands, and what groups share in this one.

mod algorithm;
mod compare;
mod data;
mod engine;
mod infer;
mod inherit;
mod init;
mod key;
mod model;
mod monitor;
mod package;
mod profile;
mod rank;
mod run;
mod scheme;
mod scheme_edit;
mod serve;
mod store;
mod watch;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::engine::{Calibrate, Engine};
pub(crate) use algorithm::Algorithm;
pub(crate) use compare::Compare;
pub(crate) use data::Data;
pub(crate) use infer::Infer;
pub(crate) use inherit::{Inherit, Prove};
pub(crate) use init::Init;
pub(crate) use key::Key;
pub(crate) use model::{
    Annotate, Export, ExportFormat, Import, Lineage, Model, Promote, Recall, Rollback, RolloutOf, Sign,
    Verify,
};
pub(crate) use monitor::Monitor;
pub(crate) use package::{Package, PackageForm};
pub(crate) use profile::{LevelName, Profile};
pub(crate) use rank::Rank;
pub(crate) use run::Run;
pub(crate) use scheme::Scheme;
pub(crate) use scheme_edit::{Form, NewScheme, Rebase};
pub(crate) use serve::Serve;
pub(crate) use store::{Compression, Configure, StoreCommand, Transfer};
pub(crate) use watch::Watch;

/// One program that delivers machine-learning models end to end, and lets every new project inherit
/// what earlier ones left behind.
#[derive(Debug, Parser)]
#[command(name = "heirloom", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Results go to standard output, progress and messages to standard error.
Exit status: 0 done, 1 failed (disk, lock), 2 wrong usage or an invalid scheme, data or model file, \
3 refused by a gate, or an alarm of `monitor`, 130 interrupted.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Run(Run),
    Watch(Watch),
    Infer(Infer),
    Serve(Serve),
    Package(Package),
    Monitor(Monitor),
    Profile(Profile),
    /// Shows the machine under the engine, and measures its peak
    #[command(subcommand)]
    Engine(Engine),
    /// Checks and shows schemes
    #[command(subcommand)]
    Scheme(Scheme),
    /// Ranks models to start from, plans what is taken over, and proves what that is worth
    #[command(subcommand)]
    Inherit(Inherit),
    /// Lists, shows, exports, promotes and recalls the models of the store
    #[command(subcommand)]
    Model(Model),
    /// Makes keys that sign models, and says which keys a store trusts
    #[command(subcommand)]
    Key(Key),
    /// Checks, cleans and copies the store
    #[command(subcommand)]
    Store(StoreCommand),
    /// Looks at data, lists what is built in, and tells who saw a record
    #[command(subcommand)]
    Data(Data),
    /// Lists and documents what a scheme can choose by name
    #[command(subcommand)]
    Algorithm(Algorithm),
    /// Writes a completion script for a shell to standard output
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// A scheme, with what is set over it.
#[derive(Debug, Args)]
pub(crate) struct SchemeChoice {
    /// The scheme: a file that ends in .toml, or the name of one built in or registered (see `heirloom scheme list`)
    #[arg(value_name = "SCHEME")]
    pub(crate) path: PathBuf,
    /// Set a value over the scheme's, such as train.epochs=1; as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// Whether a program reads the answer.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Json {
    /// Print exactly one JSON document to standard output, nothing else there
    #[arg(long = "json")]
    pub(crate) wanted: bool,
}

/// Where the store is.
#[derive(Debug, Args)]
pub(crate) struct StoreChoice {
    /// The store: a folder, or postgres://... [default: .heirloom in the working directory or the nearest one
    /// above]
    #[arg(long = "store", value_name = "STORE")]
    pub(crate) address: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
