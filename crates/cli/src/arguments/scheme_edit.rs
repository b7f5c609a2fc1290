//! `heirloom scheme`: the commands that write scheme files.

use std::path::PathBuf;

use clap::Args;

use super::{Json, StoreChoice};

/// Moves a scheme file to another version of its parent
///
/// Where only the parent changed, the scheme follows; where both set a key, you decide with --ours or
/// --theirs. Nothing else in the file changes.
#[derive(Debug, Args)]
pub(crate) struct Rebase {
    /// The scheme file to move
    pub(crate) child: PathBuf,
    /// The new parent: NAME@VERSION, or a file
    #[arg(long, value_name = "PARENT")]
    pub(crate) onto: String,
    /// The parent to replace, as the file writes it [default: the one of the same name, or the only one]
    #[arg(long, value_name = "PARENT")]
    pub(crate) from: Option<String>,
    /// Keep what the scheme says about KEY; without =KEY, about all that is not decided otherwise
    #[arg(long, value_name = "KEY", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) ours: Vec<String>,
    /// Take KEY out of the scheme, so that the new parent's value counts; without =KEY, as above
    #[arg(long, value_name = "KEY", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) theirs: Vec<String>,
    /// Show what would change, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// Brings scheme files into their canonical form; prints the files that changed
///
/// Tables stand in the order of the reference manual, one blank line between them; comments stay with
/// what they stand beside. What the schemes say does not change.
#[derive(Debug, Args)]
pub(crate) struct Form {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Also bring what an older scheme format said into the newest one, and tell what changed
    #[arg(long)]
    pub(crate) upgrade: bool,
    /// Write nothing; fail if a file is not in form
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Writes a scheme that inherits another and holds only what differs
#[derive(Debug, Args)]
pub(crate) struct NewScheme {
    /// The parent: a file, NAME or NAME@VERSION of a scheme, or a model of the store, whose scheme is
    /// then written beside as a file
    #[arg(long, value_name = "PARENT")]
    pub(crate) from: String,
    /// The file to write [default: my-PARENT.toml in the working directory]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Set a value, such as train.epochs=1; as often as needed. Paths are as seen from the new file
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}
