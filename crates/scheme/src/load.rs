//! Reads a scheme and everything it inherits, each text once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics, FileId, Location, SourceMap, Span};

use crate::combine::{Lineage, combine};
use crate::files::{EMBEDDED, Embedded, SchemeFiles, is_file, normal};
use crate::merge::{at, overlay, unset};
use crate::overrides::parse_override;
use crate::parse::{FILE_BYTES_MAX, parse};
use crate::suggest::suggest;
use crate::tree::{Entry, Node, Place, Table, Value};

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
    pub(crate) lineage: Lineage,
    pub(crate) diagnostics: Diagnostics,
}

/// Where a text is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    File(PathBuf),
    Embedded(&'static str),
}

/// Loads `root` and lays `overrides` over it.
pub(crate) fn load(root: &Path, overrides: &[String], files: &dyn SchemeFiles) -> Loaded {
    let mut loader = Loader::new(files);
    let root = root.to_string_lossy();
    let found = loader.target(&root, Path::new(""), None).and_then(|target| loader.load(target, None));
    let generations = loader.generations(found);
    let mut tree = found.and_then(|file| loader.trees.remove(&file));
    for text in overrides {
        let file = loader.add_source("--set", text, PathBuf::new());
        let older: Vec<FileId> = (0..file.0).map(FileId).collect();
        loader.lineage.add(file, &older);
        let Some(mut layer) = parse_override(text, file, &mut loader.diagnostics) else { continue };
        loader.refuse_inherits(&mut layer);
        loader.lay(tree.as_mut(), layer);
    }
    Loaded {
        sources: loader.sources,
        tree: if loader.broken { None } else { tree },
        generations: loader
            .folders
            .iter()
            .enumerate()
            .map(|(at, _)| generations.get(at).copied().flatten())
            .collect(),
        folders: loader.folders,
        lineage: loader.lineage,
        diagnostics: loader.diagnostics,
    }
}

struct Loader<'a> {
    files: &'a dyn SchemeFiles,
    sources: SourceMap,
    folders: Vec<PathBuf>,
    parents: BTreeMap<FileId, Vec<FileId>>,
    lineage: Lineage,
    /// Merged tree of each text.
    trees: BTreeMap<FileId, Table>,
    known: BTreeMap<Target, FileId>,
    /// The chain of texts being loaded, each with the place that asked for it.
    chain: Vec<(Target, Option<Span>)>,
    /// Whether some text is missing or is no TOML, so that checking would only report its absence.
    broken: bool,
    diagnostics: Diagnostics,
}

impl<'a> Loader<'a> {
    fn new(files: &'a dyn SchemeFiles) -> Self {
        Loader {
            files,
            sources: SourceMap::default(),
            folders: Vec::new(),
            parents: BTreeMap::new(),
            lineage: Lineage::default(),
            trees: BTreeMap::new(),
            known: BTreeMap::new(),
            chain: Vec::new(),
            broken: false,
            diagnostics: Diagnostics::default(),
        }
    }

    fn add_source(&mut self, name: &str, text: &str, folder: PathBuf) -> FileId {
        self.folders.push(folder);
        self.sources.add(name, text)
    }

    fn fail(&mut self, diagnostic: Diagnostic) {
        self.broken = true;
        self.diagnostics.push(diagnostic);
    }

    /// What `name`, written in a file of `folder`, stands for.
    fn target(&mut self, name: &str, folder: &Path, from: Option<Span>) -> Option<Target> {
        if is_file(name) {
            return Some(Target::File(normal(&folder.join(name))));
        }
        let (stem, version) = match name.split_once('@') {
            Some((stem, version)) => (stem, Some(version)),
            None => (name, None),
        };
        let Some(found) = EMBEDDED.iter().find(|embedded| embedded.name == stem) else {
            self.fail(unknown_scheme(name, from));
            return None;
        };
        if version.is_some_and(|version| version != found.version.to_string()) {
            let message = format!("there is no `{name}`; the one built in is `{stem}@{}`", found.version);
            self.fail(labelled(Diagnostic::new("unknown-version", message), from));
            return None;
        }
        Some(Target::Embedded(found.name))
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
        let (name, text, folder) = self.read(&target, from)?;
        let file = self.add_source(&name, &text, folder.clone());
        self.known.insert(target.clone(), file);
        let Some(mut own) = parse(&text, file, &mut self.diagnostics) else {
            self.broken = true;
            return Some(file);
        };
        self.chain.push((target, from));
        let parents = self.load_parents(&mut own, &folder);
        self.chain.pop();
        self.lineage.add(file, &parents);
        let mut tree = self.inherited(&parents);
        self.parents.insert(file, parents);
        self.lay(Some(&mut tree), own);
        self.trees.insert(file, tree);
        Some(file)
    }

    /// Loads what `inherits` names and takes the key out.
    fn load_parents(&mut self, own: &mut Table, folder: &Path) -> Vec<FileId> {
        let Some(inherits) = own.take("inherits") else { return Vec::new() };
        let Value::List(items) = &inherits.node.value else {
            let message =
                format!("`inherits` is an array of paths and names, not {}", inherits.node.value.kind());
            let diagnostic =
                at(Diagnostic::new("wrong-type", message), inherits.node.place, "expected an array");
            self.fail(diagnostic.help("write it in brackets: inherits = [\"vision/classifier\"]"));
            return Vec::new();
        };
        let mut parents = Vec::new();
        for item in items {
            let Some(name) = item.text() else {
                let message = format!("`inherits` lists paths and names, not {}", item.value.kind());
                self.fail(at(Diagnostic::new("wrong-type", message), item.place, "expected a text"));
                continue;
            };
            let from = item.place.span();
            let target = self.target(name, folder, from);
            let parent = target.and_then(|target| self.load(target, from));
            parents.extend(parent.filter(|parent| !parents.contains(parent)));
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
        expand_short_forms(&mut layer);
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

    fn refuse_inherits(&mut self, layer: &mut Table) {
        if let Some(entry) = layer.take("inherits") {
            let diagnostic =
                Diagnostic::new("malformed-override", "`inherits` cannot be set from the command line");
            self.diagnostics.push(at(diagnostic, entry.key, "").help("write a scheme file that inherits"));
        }
    }

    /// Name, text and folder of a text.
    fn read(&mut self, target: &Target, from: Option<Span>) -> Option<(String, String, PathBuf)> {
        let path = match target {
            Target::Embedded(name) => {
                let found = EMBEDDED.iter().find(|embedded| embedded.name == *name)?;
                return Some((embedded_name(found), found.text.to_owned(), PathBuf::new()));
            }
            Target::File(path) => path,
        };
        let bytes = match self.files.read(path, FILE_BYTES_MAX + 1) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let message = format!("there is no scheme file {}", path.display());
                self.fail(labelled_file(Diagnostic::new("missing-file", message), from, path));
                return None;
            }
            Err(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                self.fail(labelled_file(Diagnostic::new("unreadable-file", message), from, path));
                return None;
            }
        };
        if bytes.len() > FILE_BYTES_MAX {
            let message = format!(
                "{} is larger than {FILE_BYTES_MAX} bytes, the most a scheme may have",
                path.display()
            );
            self.fail(labelled_file(Diagnostic::new("file-too-large", message), from, path));
            return None;
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
                Some((path.display().to_string(), text, folder))
            }
            Err(error) => {
                let byte = error.utf8_error().valid_up_to() as u64;
                let message = format!("{} is not UTF-8 text", path.display());
                self.fail(
                    Diagnostic::new("not-text", message)
                        .label(Location::byte(path, byte), "first invalid byte"),
                );
                None
            }
        }
    }

    fn cycle(&self, start: usize, target: &Target, from: Option<Span>) -> Diagnostic {
        let links = &self.chain[start..];
        let names: Vec<String> = links.iter().map(|(target, _)| target_name(target)).collect();
        let message =
            format!("a scheme cannot inherit itself: {} -> {}", names.join(" -> "), target_name(target));
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
                .copied()
                .collect();
            generation += 1;
        }
        generations
    }
}

/// `optimizer = "sgd"` is short for `optimizer = { name = "sgd" }`; written out before the merge, so
/// that both forms merge alike.
fn expand_short_forms(layer: &mut Table) {
    if let Some(node) = layer.at_mut("train.optimizer")
        && node.text().is_some()
    {
        let place = node.place;
        let name = std::mem::replace(node, Node::new(Value::Table(Table::default()), place));
        if let Value::Table(table) = &mut node.value {
            table.put(Entry { name: "name".to_owned(), key: place, node: name });
        }
    }
}

fn target_name(target: &Target) -> String {
    match target {
        Target::File(path) => path.display().to_string(),
        Target::Embedded(name) => (*name).to_owned(),
    }
}

fn embedded_name(embedded: &Embedded) -> String {
    format!("built-in {}@{}", embedded.name, embedded.version)
}

fn labelled(diagnostic: Diagnostic, from: Option<Span>) -> Diagnostic {
    from.map_or(diagnostic.clone(), |span| at(diagnostic, Place::At(span), "inherited here"))
}

fn labelled_file(diagnostic: Diagnostic, from: Option<Span>, path: &Path) -> Diagnostic {
    match from {
        Some(span) => diagnostic.at(span, "inherited here"),
        None => diagnostic.label(Location::file(path), ""),
    }
}

fn unknown_scheme(name: &str, from: Option<Span>) -> Diagnostic {
    let names = EMBEDDED.map(|embedded| embedded.name);
    let diagnostic = Diagnostic::new("unknown-scheme", format!("no scheme is called `{name}`"));
    let diagnostic = labelled(diagnostic, from);
    let diagnostic = match suggest(name, &names) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    };
    diagnostic
        .help(format!("built-in schemes: {}", names.join(", ")))
        .help("a scheme file's path ends in `.toml`")
}
