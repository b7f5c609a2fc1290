//! From a root scheme to its resolved form.

use std::path::Path;

use base::{Diagnostics, FileId, Location, SourceMap, Span};

use crate::architectures::EXPANDED;
use crate::check::Checker;
use crate::combinations::check_combinations;
use crate::derive::derive;
use crate::files::SchemeFiles;
use crate::history::History;
use crate::load::{Loaded, load};
use crate::merge::finish;
use crate::parts::{Parent, Part};
use crate::resolved::{ResolvedScheme, Written};
use crate::sections::SCHEME;
use crate::tree::{Node, Place, Table, Value};

/// What came of resolving a scheme, with all texts that took part.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// The texts that spans point into: the root first, `--set` arguments last.
    pub sources: SourceMap,
    /// By source text: where it came from.
    pub parts: Vec<Part>,
    /// What the root inherits directly, in the order written.
    pub parents: Vec<Parent>,
    /// The scheme, or everything that is wrong with it.
    pub result: Result<ResolvedScheme, Diagnostics>,
}

impl Resolution {
    /// The files of the disk that took part, the root first if it is one: what a registered scheme
    /// keeps of itself. Built-in and registered parents are named, not kept.
    pub fn files(&self) -> Vec<(&Path, &str)> {
        let texts = self.parts.iter().zip(self.sources.iter());
        texts
            .filter_map(|(part, (_, source))| match part {
                Part::File(path) => Some((path.as_path(), source.text.as_str())),
                Part::Embedded { .. }
                | Part::Registered { .. }
                | Part::Architecture { .. }
                | Part::Override => None,
            })
            .collect()
    }
}

/// Resolves the scheme at `root`, a path that ends in `.toml` or the name of a scheme built in or
/// registered (`base`, `base@2`), with `overrides` such as `train.epochs=1` laid over it in order.
///
/// Relative paths in values start from the folder of the file that wrote them, those in overrides
/// from the working directory.
pub fn resolve(root: &Path, overrides: &[String], files: &dyn SchemeFiles) -> Resolution {
    let Loaded { sources, tree, folders, generations, parts, parents, lineage, notes, mut diagnostics } =
        load(root, overrides, files);
    let Some(mut tree) = tree else {
        return Resolution { sources, parts, parents, result: Err(sorted(diagnostics)) };
    };
    let mut removed = Vec::new();
    finish(&mut tree, "", &mut removed, &mut diagnostics);
    let mut derivations = derive(&mut tree, &stem(root), &mut diagnostics);
    let mut checker =
        Checker { folders: &folders, lineage: &lineage, diagnostics, notes, copies: Vec::new() };
    let mut checked =
        checker.section(&SCHEME, &tree, "", Place::At(Span { file: FileId(0), start: 0, end: 0 }));
    check_combinations(&checked, &tree, &mut checker.diagnostics);
    forget_choice(&mut checked);
    let Checker { diagnostics, notes, copies, .. } = checker;
    derivations.extend(copies);
    let history = History { merged: tree, removed, derivations };
    let written = parts.iter().zip(generations).map(|(part, generation)| Written::by(part, generation));
    let written = written.collect();
    let result = sorted(diagnostics).or(()).map(|()| ResolvedScheme::new(checked, written, notes, history));
    Resolution { sources, parts, parents, result }
}

/// Takes out what chose an architecture: the layers say it all, and a text with both would write them out anew.
fn forget_choice(checked: &mut Table) {
    if let Some(Node { value: Value::Table(model), .. }) = checked.get_mut("model") {
        EXPANDED.iter().for_each(|key| drop(model.take(key)));
    }
}

/// The name that the root gives the model.
fn stem(root: &Path) -> String {
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix(".toml").unwrap_or(&name);
    name.split('@').next().unwrap_or(name).to_owned()
}

/// In the order of the texts, so that a reader goes through each file once.
fn sorted(mut diagnostics: Diagnostics) -> Diagnostics {
    diagnostics.0.sort_by_key(|diagnostic| match diagnostic.labels.first().map(|label| &label.at) {
        Some(Location::Source(span)) => (Some(span.file), span.start),
        Some(Location::File { .. }) | None => (None, 0),
    });
    diagnostics
}
