//! A child moves from one version of a parent to another.
//!
//! Three sides, compared key by key: what the child inherited so far (*old*), what it would inherit
//! (*new*), and what it says itself (*child*). Where only the parent changed, the child follows;
//! where both speak, the user decides. The child's text changes only where it must: the reference in
//! `inherits`, and the settings that the user gives up for the parent's.

mod conflicts;
mod decisions;
mod parents;
mod sides;

use std::path::{Path, PathBuf};

use base::{Diagnostics, SourceMap, Span};

pub use decisions::Decisions;

use crate::child::introduced;
use crate::edit::{spliced, without};
use crate::files::SchemeFiles;
use crate::resolve::resolve;
use conflicts::{Conflict, compare};
use parents::{Entry, chosen_entry};
use sides::{Over, Sides, load_sides};

/// What to move, and where to.
#[derive(Debug, Clone)]
pub struct Rebase<'a> {
    /// The child, a file that ends in `.toml`.
    pub child: &'a Path,
    /// The new parent as the child is to write it: `name@version`, or a file as seen from the child's
    /// folder.
    pub onto: &'a str,
    /// The parent that is replaced, as the child writes it or without its version. Without it, the one
    /// of the same name as `onto`, or the only one.
    pub from: Option<&'a str>,
    /// Who wins where both sides speak.
    pub decisions: &'a Decisions,
}

/// What came of a rebase, with all texts that took part.
#[derive(Debug, Clone)]
pub struct Rebasing {
    /// The texts that spans point into.
    pub sources: SourceMap,
    /// The child on its new parent, or why it stays where it is: conflicts nobody decided
    /// (`rebase-conflict`), or mistakes that the move would bring in.
    pub result: Result<Rebased, Diagnostics>,
}

/// A child on its new parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebased {
    /// The child's new text.
    pub text: String,
    /// The reference that was replaced, as written.
    pub before: String,
    /// The reference in its place.
    pub after: String,
    /// What the child inherits differently from now on, in the parent's order.
    pub inherited: Vec<Inherited>,
    /// The conflicts that were decided.
    pub decided: Vec<Decided>,
}

/// A value that the parent changed and the child does not set; for a table of steps that stand in
/// another order, their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inherited {
    /// The dotted key.
    pub key: String,
    /// The value so far; `None` if there was none.
    pub before: Option<Stated>,
    /// The value from now on; `None` if there is none.
    pub after: Option<Stated>,
}

/// A value that a scheme states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The value.
    pub value: serde_json::Value,
    /// The same for people, as TOML.
    pub text: String,
    /// Where it stands.
    pub span: Option<Span>,
}

/// A conflict with its decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The dotted key that names it.
    pub key: String,
    /// Whose word counts.
    pub winner: Winner,
}

/// Who is heard where child and new parent both speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Winner {
    /// The child.
    Ours,
    /// The new parent.
    Theirs,
}

impl Rebase<'_> {
    /// Carries out the comparison and the edit; writes nothing.
    ///
    /// Errors   the child or a parent cannot be read; it is not clear which parent is meant; undecided
    /// conflicts; a decision about no conflict; mistakes in the result that the child did not have.
    pub fn carry_out(&self, files: &dyn SchemeFiles) -> Rebasing {
        let sides = match load_sides(self.child, files) {
            Ok(sides) => sides,
            Err(failed) => return *failed,
        };
        let Sides { mut sources, text, tree, old, references } = sides;
        let fail = |sources: SourceMap, found: Diagnostics| Rebasing { sources, result: Err(found) };
        let entry = match chosen_entry(self.child, &references, self.onto, self.from) {
            Ok(entry) => entry,
            Err(found) => return fail(sources, found.into()),
        };
        let new = match sides::load_new(self.child, self.onto, &references, &entry, files, &mut sources) {
            Ok(new) => new,
            Err(failed) => return *failed,
        };
        let (inherited, conflicts) = compare(&tree, &old, &new);
        let decided = match decisions::apply(self.decisions, &conflicts) {
            Ok(decided) => decided,
            Err(found) => return fail(sources, found),
        };
        let result = edited(&text, &entry, self.onto, &conflicts, &decided);
        if let Err(failed) = nothing_new_is_wrong(self.child, &result, files) {
            return *failed;
        }
        let rebased =
            Rebased { text: result, before: entry.text, after: self.onto.to_owned(), inherited, decided };
        Rebasing { sources, result: Ok(rebased) }
    }
}

/// The child's text with the new reference, without what it gives up.
fn edited(text: &str, entry: &Entry, onto: &str, conflicts: &[Conflict], decided: &[Decided]) -> String {
    let given_up = || {
        let theirs = |at: &usize| decided[*at].winner == Winner::Theirs;
        (0..decided.len()).filter(theirs).map(|at| &conflicts[at])
    };
    let keys: Vec<Vec<String>> = given_up().filter(|conflict| !conflict.unset).map(Conflict::drop).collect();
    let unset: Vec<String> =
        given_up().filter(|conflict| conflict.unset).map(|conflict| conflict.key.join(".")).collect();
    // The reference first: what comes out later may stand above it.
    let reference = toml_edit::Value::from(onto).to_string();
    let text = if entry.text == onto {
        text.to_owned()
    } else {
        spliced(text, vec![(entry.span.start..entry.span.end, reference)])
    };
    if keys.is_empty() && unset.is_empty() { text } else { without(&text, &keys, &unset) }
}

/// Everything that is wrong with the result and was not wrong with the child before.
fn nothing_new_is_wrong(child: &Path, text: &str, files: &dyn SchemeFiles) -> Result<(), Box<Rebasing>> {
    let known = resolve(child, &[], files).result.err();
    let after = resolve(child, &[], &Over::new(files, child, text));
    let Err(found) = after.result else { return Ok(()) };
    let found = introduced(found, known);
    found.or(()).map_err(|found| Box::new(Rebasing { sources: after.sources, result: Err(found) }))
}

/// The folder that a file's references start from.
fn folder(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}
