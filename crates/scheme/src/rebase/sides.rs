//! The three sides of a rebase: the child's own words, what it inherits, what it would inherit.

use std::io;
use std::path::{Path, PathBuf};

use base::{Diagnostics, FileId, SourceMap};

use super::parents::{Entry, Reference, references};
use super::{Rebasing, folder};
use crate::files::{RegisteredScheme, SchemeFiles, is_file, normal};
use crate::load::{Loaded, expand_short_forms, load};
use crate::parse::parse;
use crate::tree::{Dispute, Node, Place, Table, Value};

/// Files among which one has another text.
pub(super) struct Over<'a> {
    files: &'a dyn SchemeFiles,
    path: PathBuf,
    text: &'a str,
}

impl<'a> Over<'a> {
    pub(super) fn new(files: &'a dyn SchemeFiles, path: &Path, text: &'a str) -> Self {
        Over { files, path: normal(path), text }
    }
}

impl SchemeFiles for Over<'_> {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        if path == self.path {
            let bytes = self.text.as_bytes();
            return Ok(Some(bytes[..bytes.len().min(limit)].to_vec()));
        }
        self.files.read(path, limit)
    }

    fn registered(&self, name: &str, version: Option<u32>) -> io::Result<Option<RegisteredScheme>> {
        self.files.registered(name, version)
    }
}

/// What is known before the new parent.
pub(super) struct Sides {
    pub(super) sources: SourceMap,
    /// The child's text.
    pub(super) text: String,
    /// What the child itself says.
    pub(super) tree: Table,
    /// What it inherits.
    pub(super) old: Table,
    /// Its parents, as written.
    pub(super) references: Vec<Reference>,
}

/// Reads the child and what it inherits.
pub(super) fn load_sides(child: &Path, files: &dyn SchemeFiles) -> Result<Sides, Box<Rebasing>> {
    let sources = loaded(child, files)?.sources;
    // The root is the first text.
    let text = sources.get(FileId(0)).text.clone();
    let mut tree = parse(&text, FileId(0), &mut Diagnostics::default()).unwrap_or_default();
    let references = references(&tree);
    expand_short_forms(&mut tree);
    let mut sides = Sides { sources, text, tree, old: Table::default(), references };
    let written = sides.references.iter().map(|reference| reference.text.clone()).collect::<Vec<_>>();
    sides.old = inherited(child, &written, files, &mut sides.sources)?;
    Ok(sides)
}

/// What the child would inherit with `onto` in the place of `entry`.
pub(super) fn load_new(
    child: &Path,
    onto: &str,
    references: &[Reference],
    entry: &Entry,
    files: &dyn SchemeFiles,
    sources: &mut SourceMap,
) -> Result<Table, Box<Rebasing>> {
    // Alone first, so that a parent that is missing is reported as such and not as a line of the child.
    let alone = if is_file(onto) { normal(&folder(child).join(onto)) } else { PathBuf::from(onto) };
    loaded(&alone, files)?;
    let mut written: Vec<String> = references.iter().map(|reference| reference.text.clone()).collect();
    onto.clone_into(&mut written[entry.index]);
    inherited(child, &written, files, sources)
}

/// What a scheme in the place of `child` inherits from `parents`; its texts are added to `sources`.
fn inherited(
    child: &Path,
    parents: &[String],
    files: &dyn SchemeFiles,
    sources: &mut SourceMap,
) -> Result<Table, Box<Rebasing>> {
    let list: toml_edit::Array = parents.iter().map(String::as_str).collect();
    let text = format!("inherits = {list}\n");
    let found = loaded(child, &Over::new(files, child, &text))?;
    let offset = sources.iter().count() as u32;
    found.sources.iter().for_each(|(_, source)| {
        sources.add(source.name.clone(), source.text.clone());
    });
    let mut tree = found.tree.unwrap_or_default();
    shift_table(&mut tree, offset);
    Ok(tree)
}

/// A scheme all of whose texts could be read.
fn loaded(root: &Path, files: &dyn SchemeFiles) -> Result<Loaded, Box<Rebasing>> {
    let found = load(root, &[], files);
    match found.tree {
        Some(_) => Ok(found),
        None => Err(Box::new(Rebasing { sources: found.sources, result: Err(found.diagnostics) })),
    }
}

/// Moves every place to the texts that are numbered from `offset`.
fn shift_table(table: &mut Table, offset: u32) {
    for entry in &mut table.entries {
        shift(&mut entry.key, offset);
        shift_node(&mut entry.node, offset);
    }
    if let Some(Dispute { first, second }) = &mut table.disputed {
        shift(&mut first.1, offset);
        shift(&mut second.1, offset);
    }
}

fn shift_node(node: &mut Node, offset: u32) {
    shift(&mut node.place, offset);
    match &mut node.value {
        Value::Table(inner) => shift_table(inner, offset),
        Value::List(items) => items.iter_mut().for_each(|item| shift_node(item, offset)),
        _ => {}
    }
    if let Some(rival) = &mut node.rival {
        shift_node(rival, offset);
    }
}

fn shift(place: &mut Place, offset: u32) {
    if let Place::At(span) = place {
        span.file.0 += offset;
    }
}
