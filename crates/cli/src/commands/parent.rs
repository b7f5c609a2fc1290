//! What a new scheme inherits: a file, a scheme by name, or the scheme of a model.

use std::io;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics, SourceMap};
use scheme::{EMBEDDED, MemoryFiles, NewChild, RegisteredScheme, SchemeFiles, resolve};

use crate::arguments::StoreChoice;
use crate::disk;
use crate::edits;
use crate::failure::Failure;
use crate::scheme_files::SchemePlaces;

/// What a new scheme inherits.
pub(crate) struct Parent<'a> {
    places: SchemePlaces<'a>,
    /// As seen from the working directory.
    pub(crate) path: PathBuf,
    /// As the child writes it.
    pub(crate) reference: String,
    /// A base file that is to be written beside the child, because nothing else holds its text.
    pub(crate) base: Option<(PathBuf, String)>,
}

impl<'a> Parent<'a> {
    /// What `from` stands for: a file, a scheme built in or registered, or else a model of the store, whose scheme is
    /// written as a base file beside the child.
    pub(crate) fn find(from: &str, child: &Path, store: &'a StoreChoice) -> Result<Self, Failure> {
        let places = SchemePlaces::new(store);
        let (stem, version) =
            from.split_once('@').map_or((from, None), |(stem, version)| (stem, Some(version)));
        if let Some(found) = EMBEDDED.iter().find(|embedded| embedded.name == stem) {
            // Pinned, so that a later version of the program changes nothing.
            let version = version.map_or(found.version.to_string(), str::to_owned);
            return Ok(Parent {
                places,
                path: PathBuf::from(from),
                reference: format!("{stem}@{version}"),
                base: None,
            });
        }
        if from.ends_with(".toml") {
            let reference = edits::reference(child, from);
            return Ok(Parent { places, path: PathBuf::from(from), reference, base: None });
        }
        if let Some(found) = places.find(stem, version)? {
            return Ok(Parent { places, path: PathBuf::from(&found), reference: found, base: None });
        }
        let store = match store.open() {
            Ok(store) => store,
            Err(Failure::Mistakes { .. }) => return Err(unknown(from)),
            Err(failure) => return Err(failure),
        };
        let model = store.model(from)?;
        let name = model.version.name.rsplit('/').next().unwrap_or(&model.version.name);
        let file = format!("{name}-{}.toml", model.version.version);
        let path = child.with_file_name(&file);
        let text = resolved_beside(child, store.path(), &store.scheme(&model.version)?)?;
        let text = format!(
            "# The scheme of {}, with every default, as it was when the model was made.\n{text}",
            model.version.id()
        );
        Ok(Parent { places, path: path.clone(), reference: file, base: Some((path, text)) })
    }

    /// The child's text.
    ///
    /// Errors   the parent cannot be read, or the settings do not fit it.
    pub(crate) fn child(&self, settings: &[String], about: &[String]) -> Result<String, Failure> {
        let new = NewChild { parent: &self.path, reference: &self.reference, settings, about };
        let composed = new.compose(self);
        composed.result.map_err(|found| Failure::mistakes(found, composed.sources))
    }

    /// Writes the child, and first the base file that it needs.
    pub(crate) fn write(&self, child: &Path, text: &str) -> Result<(), Failure> {
        if let Some((path, base)) = &self.base {
            if path.exists() && edits::text(path)? != *base {
                let message = format!("{} is there already, with another text", path.display());
                return Err(Diagnostic::new("file-exists", message).help("move it away first").into());
            }
            disk::write_whole(path, base.as_bytes())?;
        }
        disk::write_whole(child, text.as_bytes())
    }
}

/// The disk, with the base file on it.
impl SchemeFiles for Parent<'_> {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        match &self.base {
            Some((base, text)) if path == base => Ok(Some(text.as_bytes()[..text.len().min(limit)].to_vec())),
            _ => self.places.read(path, limit),
        }
    }

    fn registered(&self, name: &str, version: Option<u32>) -> io::Result<Option<RegisteredScheme>> {
        self.places.registered(name, version)
    }
}

/// A model's scheme with its paths as seen from the child's folder, and without the model's name.
fn resolved_beside(child: &Path, store: &Path, text: &str) -> Result<String, Failure> {
    let empty = Path::new("");
    // The store keeps paths as seen from the folder that holds it.
    let home = edits::relative(child.parent().unwrap_or(empty), store.parent().unwrap_or(empty));
    let path = home.join("scheme.toml");
    let files = MemoryFiles([(path.clone(), text.as_bytes().to_vec())].into());
    let resolution = resolve(&path, &[], &files);
    match resolution.result {
        Ok(scheme) => {
            let named = format!("name = \"{}\"\n", scheme.name);
            Ok(scheme.to_toml().replacen(&named, "", 1))
        }
        Err(found) => Err(Failure::mistakes(found, resolution.sources)),
    }
}

fn unknown(from: &str) -> Failure {
    let names = EMBEDDED.each_ref().map(|embedded| embedded.name);
    let message = format!("`{from}` names no scheme, and there is no store with a model of this name");
    let diagnostic = Diagnostic::new("unknown-scheme", message);
    let diagnostic = match base::nearest(from, names) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    };
    let diagnostic = diagnostic
        .help(format!("built-in schemes: {}", names.join(", ")))
        .help("a scheme file's path ends in `.toml`");
    Failure::mistakes(Diagnostics::from(diagnostic), SourceMap::default())
}
