//! `heirloom scheme`: one file for each command, and here what they share.

mod check;
mod diff;
mod explain;
mod list;
mod show;

use std::path::PathBuf;

use base::SourceMap;
use scheme::{ResolvedScheme, resolve};

use crate::arguments::{Scheme, SchemeChoice};
use crate::disk::DiskFiles;
use crate::failure::Failure;

/// Carries out one of the commands.
pub(crate) fn command(command: Scheme) -> Result<(), Failure> {
    match command {
        Scheme::Check { scheme, json } => check::check(&scheme, json),
        Scheme::Show { scheme, json } => show::show(&scheme, json),
        Scheme::Explain { scheme, key, json } => explain::explain(&scheme, key.as_deref(), json),
        Scheme::Diff { before, after, json } => {
            diff::diff(&SchemeChoice::named(before), &SchemeChoice::named(after), json)
        }
        Scheme::List { json } => list::list(json),
    }
}

/// A scheme without mistakes, and the texts that it came from.
pub(crate) struct Checked {
    pub(crate) scheme: ResolvedScheme,
    pub(crate) sources: SourceMap,
}

impl SchemeChoice {
    /// A scheme as it is, with nothing set over it.
    pub(crate) fn named(path: PathBuf) -> Self {
        SchemeChoice { path, overrides: Vec::new() }
    }

    /// Resolves and checks the scheme.
    ///
    /// Errors   everything that is wrong with it.
    pub(crate) fn resolve(&self) -> Result<Checked, Failure> {
        let resolution = resolve(&self.path, &self.overrides, &DiskFiles);
        match resolution.result {
            Ok(scheme) => Ok(Checked { scheme, sources: resolution.sources }),
            Err(found) => Err(Failure::mistakes(found, resolution.sources)),
        }
    }

    /// The scheme as the user typed it.
    pub(crate) fn typed(&self) -> String {
        self.path.display().to_string()
    }
}
