//! Where the text behind a path or a name is: the disk, the program itself, or the registry.
//!
//! Names are looked up among the schemes built in first, then in the registry. What a registered
//! scheme inherits by path comes out of its own package and never from the disk, and the registered
//! schemes that it inherits by name are pinned to a version: so nothing that changes later changes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Location, Span};

use crate::files::{EMBEDDED, Embedded, RegisteredScheme, SchemeFiles, is_file, normal};
use crate::merge::at;
use crate::parse::FILE_BYTES_MAX;
use crate::parts::Part;
use crate::suggest::suggest;
use crate::tree::Place;
use crate::values::is_scheme_name;

/// Where a text is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    File(PathBuf),
    Embedded(&'static Embedded),
    Registered { package: Package, path: PathBuf },
}

/// A registered scheme that takes part, by its position among those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package(usize);

/// A text that takes part.
pub(crate) struct Text {
    /// As messages name it.
    pub(crate) name: String,
    pub(crate) text: String,
    /// The folder that its relative paths start from.
    pub(crate) folder: PathBuf,
}

/// Where a name or path is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    /// The folder that its relative paths start from.
    pub(crate) folder: &'a Path,
    /// The package that holds it.
    pub(crate) package: Option<Package>,
    /// The place; `None` for the root.
    pub(crate) from: Option<Span>,
}

/// Finds and reads texts.
pub(crate) struct Locator<'a> {
    files: &'a dyn SchemeFiles,
    packages: Vec<RegisteredScheme>,
    /// By name and version asked for: what the registry answered.
    asked: BTreeMap<(String, Option<u32>), Option<Package>>,
}

impl Target {
    /// The package that holds it.
    pub(crate) fn package(&self) -> Option<Package> {
        match self {
            Target::Registered { package, .. } => Some(*package),
            Target::File(_) | Target::Embedded(_) => None,
        }
    }
}

impl<'a> Locator<'a> {
    pub(crate) fn new(files: &'a dyn SchemeFiles) -> Self {
        Locator { files, packages: Vec::new(), asked: BTreeMap::new() }
    }

    /// What `name` stands for.
    pub(crate) fn target(&mut self, name: &str, writer: Writer) -> Result<Target, Diagnostic> {
        if is_file(name) {
            let path = normal(&writer.folder.join(name));
            return Ok(match writer.package {
                Some(package) => Target::Registered { package, path },
                None => Target::File(path),
            });
        }
        let (stem, version) = match name.split_once('@') {
            Some((stem, version)) => (stem, Some(version)),
            None => (name, None),
        };
        if let Some(found) = EMBEDDED.iter().find(|embedded| embedded.name == stem) {
            if version.is_some_and(|version| version != found.version.to_string()) {
                let message = format!("there is no `{name}`; the one built in is `{stem}@{}`", found.version);
                return Err(labelled(Diagnostic::new("unknown-version", message), writer.from));
            }
            return Ok(Target::Embedded(found));
        }
        self.registered(name, stem, version, writer)
    }

    /// The root file of a registered scheme.
    fn registered(
        &mut self,
        name: &str,
        stem: &str,
        version: Option<&str>,
        writer: Writer,
    ) -> Result<Target, Diagnostic> {
        let number = version.map(|version| version.parse::<u32>().ok().filter(|number| *number > 0));
        if !is_scheme_name(stem) {
            return Err(unknown_scheme(name, writer.from));
        }
        if number == Some(None) {
            let message = format!("`{name}` names no version: versions are numbers from 1");
            let diagnostic = labelled(Diagnostic::new("unknown-version", message), writer.from);
            return Err(diagnostic.help(format!("write it as in `{stem}@1`")));
        }
        if writer.package.is_some() && version.is_none() {
            let message = format!("a registered scheme inherits `{name}` without a version");
            let diagnostic = labelled(Diagnostic::new("unpinned-parent", message), writer.from);
            return Err(diagnostic.help(format!("pin it, as in `{name}@1`, and register it again")));
        }
        match self.ask(stem, number.flatten()) {
            Ok(Some(package)) => Ok(self.root(package)),
            Ok(None) if version.is_some() && matches!(self.ask(stem, None), Ok(Some(_))) => {
                let newest = self.asked.get(&(stem.to_owned(), None)).copied().flatten();
                let newest = newest.map_or(String::new(), |package| self.package_name(package));
                let message = format!("there is no `{name}`; the newest one registered is `{newest}`");
                Err(labelled(Diagnostic::new("unknown-version", message), writer.from))
            }
            Ok(None) => Err(unknown_scheme(name, writer.from)),
            Err(error) => {
                let message = format!("`{name}` cannot be read from the store: {error}");
                Err(labelled(Diagnostic::new("unreadable-scheme", message), writer.from))
            }
        }
    }

    /// Asks the registry, once for each question.
    fn ask(&mut self, stem: &str, version: Option<u32>) -> std::io::Result<Option<Package>> {
        let question = (stem.to_owned(), version);
        if let Some(answer) = self.asked.get(&question) {
            return Ok(*answer);
        }
        let answer = self.files.registered(stem, version)?.map(|mut found| {
            let same =
                |known: &RegisteredScheme| (&known.name, known.version) == (&found.name, found.version);
            if let Some(index) = self.packages.iter().position(same) {
                return Package(index);
            }
            found.files.iter_mut().for_each(|(path, _)| *path = normal(path));
            self.packages.push(found);
            Package(self.packages.len() - 1)
        });
        self.asked.insert(question, answer);
        Ok(answer)
    }

    fn root(&self, package: Package) -> Target {
        let root = self.packages[package.0].files.first();
        Target::Registered { package, path: root.map(|(path, _)| path.clone()).unwrap_or_default() }
    }

    fn package_name(&self, package: Package) -> String {
        let RegisteredScheme { name, version, .. } = &self.packages[package.0];
        format!("{name}@{version}")
    }

    /// What it is, for whoever keeps schemes.
    pub(crate) fn part(&self, target: &Target) -> Part {
        match target {
            Target::File(path) => Part::File(path.clone()),
            Target::Embedded(embedded) => {
                Part::Embedded { name: embedded.name.to_owned(), version: embedded.version }
            }
            Target::Registered { package, .. } => {
                let RegisteredScheme { name, version, .. } = &self.packages[package.0];
                Part::Registered { name: name.clone(), version: *version }
            }
        }
    }

    /// As messages name it.
    pub(crate) fn name(&self, target: &Target) -> String {
        match target {
            Target::File(path) => path.display().to_string(),
            Target::Embedded(embedded) => embedded.name.to_owned(),
            Target::Registered { package, path } => {
                let name = self.package_name(*package);
                let root = self.packages[package.0].files.first().is_some_and(|(root, _)| root == path);
                if root { name } else { format!("{name}:{}", path.display()) }
            }
        }
    }

    /// Reads a text; `from` is the place that asked for it.
    pub(crate) fn read(&self, target: &Target, from: Option<Span>) -> Result<Text, Diagnostic> {
        let name = self.name(target);
        let (path, bytes) = match target {
            Target::Embedded(embedded) => {
                let name = format!("built-in {name}@{}", embedded.version);
                return Ok(Text { name, text: embedded.text.to_owned(), folder: PathBuf::new() });
            }
            Target::File(path) => (path, self.read_file(path, from)?),
            Target::Registered { package, path } => (path, self.read_package(*package, path, from)?),
        };
        if bytes.len() > FILE_BYTES_MAX {
            let message = format!("{name} is larger than {FILE_BYTES_MAX} bytes, the most a scheme may have");
            return Err(labelled_file(Diagnostic::new("file-too-large", message), from, path));
        }
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Text { name, text, folder }),
            Err(error) => {
                let byte = error.utf8_error().valid_up_to() as u64;
                let diagnostic = Diagnostic::new("not-text", format!("{name} is not UTF-8 text"));
                Err(diagnostic.label(Location::byte(path, byte), "first invalid byte"))
            }
        }
    }

    fn read_file(&self, path: &Path, from: Option<Span>) -> Result<Vec<u8>, Diagnostic> {
        let (code, message) = match self.files.read(path, FILE_BYTES_MAX + 1) {
            Ok(Some(bytes)) => return Ok(bytes),
            Ok(None) => ("missing-file", format!("there is no scheme file {}", path.display())),
            Err(error) => ("unreadable-file", format!("{} cannot be read: {error}", path.display())),
        };
        Err(labelled_file(Diagnostic::new(code, message), from, path))
    }

    fn read_package(&self, package: Package, path: &Path, from: Option<Span>) -> Result<Vec<u8>, Diagnostic> {
        let files = &self.packages[package.0].files;
        let found = files.iter().find(|(name, _)| name == path).map(|(_, bytes)| bytes.clone());
        found.ok_or_else(|| {
            let message = format!("{} was registered without {}", self.package_name(package), path.display());
            labelled(Diagnostic::new("missing-file", message), from).help("register it again")
        })
    }
}

pub(crate) fn labelled(diagnostic: Diagnostic, from: Option<Span>) -> Diagnostic {
    match from {
        Some(span) => at(diagnostic, Place::At(span), "inherited here"),
        None => diagnostic,
    }
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
