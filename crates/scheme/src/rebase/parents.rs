//! Which of a child's parents is replaced.

use std::path::Path;

use base::{Diagnostic, Location, Span};

use super::folder;
use crate::files::{is_file, normal};
use crate::tree::{Node, Table};

/// A parent as the child writes it.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) text: String,
    /// The text in quotes.
    pub(super) span: Span,
}

/// The parent that is replaced.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) index: usize,
    pub(super) text: String,
    pub(super) span: Span,
}

/// The elements of `inherits`.
pub(super) fn references(tree: &Table) -> Vec<Reference> {
    let items = tree.get("inherits").and_then(Node::list).unwrap_or_default();
    let reference = |item: &Node| {
        let (text, span) = (item.text()?.to_owned(), item.place.span()?);
        Some(Reference { text, span })
    };
    items.iter().filter_map(reference).collect()
}

/// The entry that gives way to `onto`.
pub(super) fn chosen_entry(
    child: &Path,
    references: &[Reference],
    onto: &str,
    from: Option<&str>,
) -> Result<Entry, Diagnostic> {
    let wanted = from.unwrap_or(onto);
    let exact = position(references, |reference| same_text(child, &reference.text, wanted));
    let named = exact.or_else(|| position(references, |reference| stem(&reference.text) == stem(wanted)));
    let index = match (named, from, references) {
        (Some(index), _, _) => index,
        (None, None, [_]) => 0,
        (None, _, []) => return Err(no_parent(child)),
        (None, Some(from), _) => return Err(unknown_parent(child, from, references)),
        (None, None, _) => return Err(ambiguous(child, onto, references)),
    };
    let other = position(references, |reference| same_text(child, &reference.text, onto));
    if let Some(other) = other.filter(|other| *other != index) {
        let message = format!("{} inherits `{onto}` already", child.display());
        return Err(Diagnostic::new("inherited-already", message)
            .at(references[other].span, "here")
            .at(references[index].span, "this one was to be replaced")
            .help("take one of the two out by hand"));
    }
    let Reference { text, span } = references[index].clone();
    Ok(Entry { index, text, span })
}

fn position(references: &[Reference], matches: impl Fn(&Reference) -> bool) -> Option<usize> {
    references.iter().position(matches)
}

/// Whether both name the same scheme, version included.
fn same_text(child: &Path, a: &str, b: &str) -> bool {
    let path = |text: &str| normal(&folder(child).join(text));
    a == b || (is_file(a) && is_file(b) && path(a) == path(b))
}

/// The name without its version.
fn stem(reference: &str) -> &str {
    reference.split('@').next().unwrap_or(reference)
}

fn no_parent(child: &Path) -> Diagnostic {
    let message = format!("{} inherits nothing, so there is no parent to replace", child.display());
    Diagnostic::new("no-parent", message)
        .label(Location::file(child), "")
        .help("write `inherits = [\"...\"]` at its top")
}

fn unknown_parent(child: &Path, from: &str, references: &[Reference]) -> Diagnostic {
    let message = format!("{} does not inherit `{from}`", child.display());
    with_places(Diagnostic::new("unknown-parent", message), references)
        .help(format!("its parents are {}", names(references)))
}

fn ambiguous(child: &Path, onto: &str, references: &[Reference]) -> Diagnostic {
    let message = format!("{} has several parents and none is called `{}`", child.display(), stem(onto));
    with_places(Diagnostic::new("ambiguous-parent", message), references)
        .help(format!("say which one is replaced with `--from`: {}", names(references)))
}

fn with_places(diagnostic: Diagnostic, references: &[Reference]) -> Diagnostic {
    references.iter().fold(diagnostic, |diagnostic, reference| diagnostic.at(reference.span, ""))
}

fn names(references: &[Reference]) -> String {
    references.iter().map(|reference| format!("`{}`", reference.text)).collect::<Vec<_>>().join(", ")
}
