//! Reads a scheme and everything it inherits, each text once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics, Digest, FileId, SourceMap, Span};

use crate::architectures::{Chosen, chosen, put_layers};
use crate::combine::{Lineage, combine};
use crate::dotted;
use crate::files::SchemeFiles;
use crate::locate::{Locator, Target, Text, Writer, labelled};
use crate::merge::{at, overlay, unset};
use crate::overrides::parse_override;
use crate::parse::parse;
use crate::parts::{Parent, Part};
use crate::show;
use crate::tree::{Entry, Node, Table, Value};
use crate::upgrade::upgrade_tree;

/// Longest chain of parents.
const DEPTH_MAX: usize = 32;
/// Most texts that take part in one resolution.
const TEXTS_MAX: usize = 256;

/// A merged scheme, not yet checked.
pub(crate) struct Loaded {
    pub(crate) sources: SourceMap,
    /// The merged tree; `None` if some text could not be read.
    pub(crate) tree: Option<Table>,
    /// By source: the folder that relative paths start from.
    pub(crate) folders: Vec<PathBuf>,
    /// By source: distance from the root; `None` for `--set`.
    pub(crate) generations: Vec<Option<u32>>,
    /// By source: where it came from.
    pub(crate) parts: Vec<Part>,
    /// What the root inherits directly.
    pub(crate) parents: Vec<Parent>,
    pub(crate) lineage: Lineage,
    /// What is old but read.
    pub(crate) notes: Vec<Diagnostic>,
    pub(crate) diagnostics: Diagnostics,
}

/// Loads `root` and lays `overrides` over it.
pub(crate) fn load(root: &Path, overrides: &[String], files: &dyn SchemeFiles) -> Loaded {
    let mut loader = Loader::new(files);
    let writer = Writer { folder: Path::new(""), package: None, from: None };
    let found = loader.load_named(&root.to_string_lossy(), writer);
    let parents = found.map(|file| loader.parents_of(file)).unwrap_or_default();
    let mut tree = found.and_then(|file| loader.trees.remove(&file));
    for text in overrides {
        let file = loader.add_source("--set", text, PathBuf::new(), Part::Override);
        let older: Vec<FileId> = (0..file.0).map(FileId).collect();
        loader.lineage.add(file, &older);
        let Some(mut layer) = parse_override(text, file, &mut loader.diagnostics) else { continue };
        loader.refuse_inherits(&mut layer);
        loader.upgrade(&mut layer, file);
        expand_short_forms(&mut layer);
        loader.write_out(tree.as_mut(), &layer, file, &older);
        loader.lay(tree.as_mut(), layer);
    }
    let generations = loader.generations(found);
    Loaded {
        sources: loader.sources,
        tree: if loader.broken { None } else { tree },
        generations,
        folders: loader.folders,
        parts: loader.parts,
        parents,
        lineage: loader.lineage,
        notes: loader.notes,
        diagnostics: loader.diagnostics,
    }
}

/// A parent as a text names it.
struct Link {
    reference: String,
    file: FileId,
}

struct Loader<'a> {
    locator: Locator<'a>,
    sources: SourceMap,
    folders: Vec<PathBuf>,
    parts: Vec<Part>,
    parents: BTreeMap<FileId, Vec<Link>>,
    /// By the text of an architecture: the text that chose it.
    architectures: BTreeMap<FileId, FileId>,
    lineage: Lineage,
    /// Merged tree of each text.
    trees: BTreeMap<FileId, Table>,
    known: BTreeMap<Target, FileId>,
    /// The chain of texts being loaded, each with the place that asked for it.
    chain: Vec<(Target, Option<Span>)>,
    /// Whether some text is missing or is no TOML, so that checking would only report its absence.
    broken: bool,
    notes: Vec<Diagnostic>,
    diagnostics: Diagnostics,
}

impl<'a> Loader<'a> {
    fn new(files: &'a dyn SchemeFiles) -> Self {
        Loader {
            locator: Locator::new(files),
            sources: SourceMap::default(),
            folders: Vec::new(),
            parts: Vec::new(),
            parents: BTreeMap::new(),
            architectures: BTreeMap::new(),
            lineage: Lineage::default(),
            trees: BTreeMap::new(),
            known: BTreeMap::new(),
            chain: Vec::new(),
            broken: false,
            notes: Vec::new(),
            diagnostics: Diagnostics::default(),
        }
    }

    fn add_source(&mut self, name: &str, text: &str, folder: PathBuf, part: Part) -> FileId {
        self.folders.push(folder);
        self.parts.push(part);
        self.sources.add(name, text)
    }

    fn fail(&mut self, diagnostic: Diagnostic) {
        self.broken = true;
        self.diagnostics.push(diagnostic);
    }

    /// Loads what `name`, written by `writer`, stands for.
    fn load_named(&mut self, name: &str, writer: Writer) -> Option<FileId> {
        match self.locator.target(name, writer) {
            Ok(target) => self.load(target, writer.from),
            Err(diagnostic) => {
                self.fail(diagnostic);
                None
            }
        }
    }

    /// Loads one text and its parents; `from` is the place that asked for it.
    fn load(&mut self, target: Target, from: Option<Span>) -> Option<FileId> {
        if let Some(start) = self.chain.iter().position(|(seen, _)| *seen == target) {
            self.fail(self.cycle(start, &target, from));
            return None;
        }
        if let Some(file) = self.known.get(&target) {
            return Some(*file);
        }
        if self.chain.len() > DEPTH_MAX || self.known.len() >= TEXTS_MAX {
            let message =
                format!("a scheme inherits at most {DEPTH_MAX} generations and {TEXTS_MAX} files in all");
            self.fail(labelled(Diagnostic::new("too-many-parents", message), from));
            return None;
        }
        let Text { name, text, folder } = match self.locator.read(&target, from) {
            Ok(text) => text,
            Err(diagnostic) => {
                self.fail(diagnostic);
                return None;
            }
        };
        let package = target.package();
        let part = self.locator.part(&target);
        let file = self.add_source(&name, &text, folder.clone(), part);
        self.known.insert(target.clone(), file);
        let Some(mut own) = parse(&text, file, &mut self.diagnostics) else {
            self.broken = true;
            return Some(file);
        };
        if !self.upgrade(&mut own, file) {
            return Some(file);
        }
        self.chain.push((target, from));
        let links = self.load_parents(&mut own, Writer { folder: &folder, package, from });
        self.chain.pop();
        let parents: Vec<FileId> = links.iter().map(|link| link.file).collect();
        self.lineage.add(file, &parents);
        let mut tree = self.inherited(&parents);
        self.parents.insert(file, links);
        expand_short_forms(&mut own);
        self.write_out(Some(&mut tree), &own, file, &parents);
        self.lay(Some(&mut tree), own);
        self.trees.insert(file, tree);
        Some(file)
    }

    /// Brings a text to the newest format; says whether it could be. Only the user's own texts are
    /// worth a note.
    fn upgrade(&mut self, own: &mut Table, file: FileId) -> bool {
        match (upgrade_tree(own), &self.parts[file.0 as usize]) {
            (Ok(notes), Part::File(path)) => {
                let how = format!("`heirloom scheme fmt --upgrade {}` rewrites it", path.display());
                self.notes.extend(notes.into_iter().map(|note| note.help(&how)));
            }
            (Ok(notes), Part::Override) => self.notes.extend(notes),
            (Ok(_), Part::Embedded { .. } | Part::Registered { .. } | Part::Architecture { .. }) => {}
            (Err(diagnostic), _) => {
                self.fail(diagnostic);
                return false;
            }
        }
        true
    }

    /// Loads what `inherits` names and takes the key out.
    fn load_parents(&mut self, own: &mut Table, writer: Writer) -> Vec<Link> {
        let Some(inherits) = own.take("inherits") else { return Vec::new() };
        let Value::List(items) = &inherits.node.value else {
            let message =
                format!("`inherits` is an array of paths and names, not {}", inherits.node.value.kind());
            let diagnostic =
                at(Diagnostic::new("wrong-type", message), inherits.node.place, "expected an array");
            self.fail(diagnostic.help("write it in brackets: inherits = [\"vision/classifier\"]"));
            return Vec::new();
        };
        let mut parents: Vec<Link> = Vec::new();
        for item in items {
            let Some(name) = item.text() else {
                let message = format!("`inherits` lists paths and names, not {}", item.value.kind());
                self.fail(at(Diagnostic::new("wrong-type", message), item.place, "expected a text"));
                continue;
            };
            let Some(file) = self.load_named(name, Writer { from: item.place.span(), ..writer }) else {
                continue;
            };
            if parents.iter().all(|link| link.file != file) {
                parents.push(Link { reference: name.to_owned(), file });
            }
        }
        parents
    }

    /// What all parents together hand down.
    fn inherited(&self, parents: &[FileId]) -> Table {
        let mut trees = parents.iter().filter_map(|parent| self.trees.get(parent));
        let mut all = trees.next().cloned().unwrap_or_default();
        trees.for_each(|tree| combine(&mut all, tree.clone(), "", &self.lineage));
        all
    }

    /// Lays one layer over what it inherits: first what it unsets, then what it sets.
    fn lay(&mut self, base: Option<&mut Table>, mut layer: Table) {
        let Some(base) = base else { return };
        if let Some(entry) = layer.take("unset") {
            match &entry.node.value {
                Value::List(keys) => unset(base, keys, &mut self.diagnostics),
                other => {
                    let message = format!("`unset` is an array of dotted keys, not {}", other.kind());
                    let diagnostic = Diagnostic::new("wrong-type", message);
                    self.diagnostics.push(at(diagnostic, entry.node.place, "expected an array"));
                }
            }
        }
        overlay(base, layer, "", &mut self.diagnostics);
    }

    /// Puts the layers of the architecture that `own`, the text of `file`, chooses over what it inherits from `parents`.
    /// They are a text of their own between these and `file`.
    fn write_out(&mut self, base: Option<&mut Table>, own: &Table, file: FileId, parents: &[FileId]) {
        let Some(base) = base else { return };
        let Some(Chosen { name, text, place }) = chosen(own, base) else { return };
        let part = Part::Architecture { name: name.clone() };
        let source = self.add_source(&format!("architecture {name}"), &text, PathBuf::new(), part);
        self.lineage.add(source, parents);
        self.lineage.add(file, &[parents, &[source]].concat());
        self.architectures.insert(source, file);
        if let Some(layers) = parse(&text, source, &mut self.diagnostics) {
            put_layers(base, &layers, place);
        }
    }

    fn refuse_inherits(&mut self, layer: &mut Table) {
        if let Some(entry) = layer.take("inherits") {
            let diagnostic =
                Diagnostic::new("malformed-override", "`inherits` cannot be set from the command line");
            self.diagnostics.push(at(diagnostic, entry.key, "").help("write a scheme file that inherits"));
        }
    }

    /// What `file` inherits directly, for whoever keeps it.
    fn parents_of(&self, file: FileId) -> Vec<Parent> {
        let links = self.parents.get(&file).into_iter().flatten();
        let parent = |link: &Link| {
            let handed_down = self.trees.get(&link.file).map(show::json).unwrap_or_default();
            Parent {
                reference: link.reference.clone(),
                part: self.parts[link.file.0 as usize].clone(),
                digest: Digest::of(handed_down.to_string().as_bytes()),
            }
        };
        links.map(parent).collect()
    }

    fn cycle(&self, start: usize, target: &Target, from: Option<Span>) -> Diagnostic {
        let links = &self.chain[start..];
        let names: Vec<String> = links.iter().map(|(target, _)| self.locator.name(target)).collect();
        let message = format!(
            "a scheme cannot inherit itself: {} -> {}",
            names.join(" -> "),
            self.locator.name(target)
        );
        let diagnostic = labelled(Diagnostic::new("cyclic-inherits", message), from);
        links[1..].iter().fold(diagnostic, |diagnostic, (_, span)| labelled(diagnostic, *span))
    }

    /// Shortest distance of each text from the root.
    fn generations(&self, root: Option<FileId>) -> Vec<Option<u32>> {
        let mut generations = vec![None; self.folders.len()];
        let mut current: Vec<FileId> = root.into_iter().collect();
        let mut generation = 0;
        while !current.is_empty() {
            current.retain(|file| generations[file.0 as usize].is_none());
            current.iter().for_each(|file| generations[file.0 as usize] = Some(generation));
            current = current
                .iter()
                .flat_map(|file| self.parents.get(file).into_iter().flatten())
                .map(|link| link.file)
                .collect();
            generation += 1;
        }
        for (architecture, writer) in &self.architectures {
            let writer = generations[writer.0 as usize];
            generations[architecture.0 as usize] = Some(writer.map_or(0, |generation| generation + 1));
        }
        generations
    }
}

/// The table that may be written as its choice alone.
pub(crate) const SHORT_FORM: &str = "train.optimizer";

/// `optimizer = "sgd"` is short for `optimizer = { name = "sgd" }`; written out before the merge, so
/// that both forms merge alike. So are the names of layers that are written without quotes.
pub(crate) fn expand_short_forms(layer: &mut Table) {
    dotted::join_names(layer);
    if let Some(node) = layer.at_mut(SHORT_FORM)
        && node.text().is_some()
    {
        let place = node.place;
        let name = std::mem::replace(node, Node::new(Value::Table(Table::default()), place));
        if let Value::Table(table) = &mut node.value {
            table.put(Entry { name: "name".to_owned(), key: place, node: name });
        }
    }
}
