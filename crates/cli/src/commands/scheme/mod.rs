//! `heirloom scheme`: one file for each command, and here what they share.

mod check;
mod children;
mod diff;
mod explain;
mod fmt;
mod list;
mod new;
mod rebase;
mod register;
mod schema;
mod show;

use std::path::PathBuf;

use base::SourceMap;
use scheme::{ResolvedScheme, resolve};

use crate::arguments::{Scheme, SchemeChoice, StoreChoice};
use crate::failure::Failure;
use crate::scheme_files::SchemePlaces;

/// Carries out one of the commands.
pub(crate) fn command(command: Scheme) -> Result<(), Failure> {
    match command {
        Scheme::Check { scheme, json, store } => check::check(&scheme, json, &store),
        Scheme::Show { scheme, json, store } => show::show(&scheme, json, &store),
        Scheme::Explain { scheme, key, json, store } => {
            explain::explain(&scheme, key.as_deref(), json, &store)
        }
        Scheme::Diff { before, after, json, store } => {
            diff::diff(&SchemeChoice::named(before), &SchemeChoice::named(after), json, &store)
        }
        Scheme::Register { file, name, json, store } => {
            register::register(&file, name.as_deref(), json, &store)
        }
        Scheme::Children { name, json, store } => children::children(&name, json, &store),
        Scheme::Schema => schema::schema(),
        Scheme::New(arguments) => new::new(&arguments),
        Scheme::Fmt(form) => fmt::format(&form),
        Scheme::Rebase(rebase) => rebase::rebase(&rebase),
        Scheme::List { json, store } => list::list(json, &store),
    }
}

/// A scheme without mistakes, and the texts that it came from.
pub(crate) struct Checked {
    pub(crate) scheme: ResolvedScheme,
    pub(crate) sources: SourceMap,
    /// Its files, the root first, with their texts.
    pub(crate) files: Vec<(PathBuf, String)>,
}

impl SchemeChoice {
    /// A scheme as it is, with nothing set over it.
    pub(crate) fn named(path: PathBuf) -> Self {
        SchemeChoice { path, overrides: Vec::new() }
    }

    /// Resolves and checks the scheme; a name that is not built in is looked up in `store`.
    ///
    /// Errors   everything that is wrong with it.
    pub(crate) fn resolve(&self, store: &StoreChoice) -> Result<Checked, Failure> {
        let resolution = resolve(&self.path, &self.overrides, &SchemePlaces::new(store));
        let files =
            resolution.files().into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        match resolution.result {
            Ok(scheme) => Ok(Checked { scheme, sources: resolution.sources, files }),
            Err(found) => Err(Failure::mistakes(found, resolution.sources)),
        }
    }

    /// The scheme as the user typed it.
    pub(crate) fn typed(&self) -> String {
        self.path.display().to_string()
    }
}
