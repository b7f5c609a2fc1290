//! `heirloom scheme register`.

use std::io;
use std::path::{Path, PathBuf};

use base::Diagnostic;
use scheme::{EMBEDDED, Parent, Part, RegisteredScheme, Resolution, ResolvedScheme, SchemeFiles, resolve};
use serde_json::json;
use store::{SchemeParent, SchemeRecord, SchemeRegistered, Store};

use crate::arguments::{Json, StoreChoice};
use crate::failure::Failure;
use crate::scheme_files::{SchemePlaces, path_in_project, registered, sources};
use crate::{author, terminal};

/// Puts a scheme under a name and the next number into the store.
pub(super) fn register(
    file: &Path,
    name: Option<&str>,
    json: Json,
    choice: &StoreChoice,
) -> Result<(), Failure> {
    let resolution = resolve(file, &[], &SchemePlaces::new(choice));
    let name = match &resolution.result {
        Ok(scheme) => name.unwrap_or(&scheme.name).to_owned(),
        Err(_) => return Err(mistakes(resolution)),
    };
    if resolution.files().is_empty() {
        let message = format!("{} is no file: it has a name already", file.display());
        return Err(Diagnostic::new("not-a-file", message).into());
    }
    if EMBEDDED.iter().any(|embedded| embedded.name == name) {
        let diagnostic =
            Diagnostic::new("reserved-name", format!("`{name}` is the name of a scheme built in"));
        return Err(diagnostic.help("choose another one with `--name`").into());
    }
    let store = choice.open_or_create()?;
    let record = record(&store, name, &resolution)?;
    let found = store.register_scheme(&record)?;
    tell(&found, json)
}

fn mistakes(resolution: Resolution) -> Failure {
    match resolution.result {
        Ok(_) => Diagnostic::new("internal", "no mistake").into(),
        Err(found) => Failure::mistakes(found, resolution.sources),
    }
}

/// What is to be kept. The scheme is resolved once more, out of what is kept alone and with paths as
/// seen from the folder that holds the store: so what is registered is sure to be readable, and its
/// digest does not depend on where the command was given.
fn record(store: &Store, name: String, resolution: &Resolution) -> Result<SchemeRecord, Failure> {
    let sources = sources(store.path(), resolution.files())?;
    let version = store.find_scheme(&name, None)?.map_or(0, |newest| newest.version) + 1;
    let files = sources.iter().map(|file| (PathBuf::from(&file.path), file.text.clone().into_bytes()));
    let kept =
        Kept { store, package: RegisteredScheme { name: name.clone(), version, files: files.collect() } };
    let again = resolve(Path::new(&format!("{name}@{version}")), &[], &kept);
    let scheme: &ResolvedScheme = match &again.result {
        Ok(scheme) => scheme,
        Err(_) => return Err(mistakes(again)),
    };
    let mut parents = Vec::new();
    for parent in &resolution.parents {
        parents.push(kept_parent(store, parent)?);
    }
    Ok(SchemeRecord {
        resolved: scheme.to_toml(),
        scheme_digest: scheme.digest(),
        description: scheme.about.description.clone(),
        name,
        sources,
        parents,
        by: author::by(),
    })
}

fn kept_parent(store: &Store, parent: &Parent) -> Result<SchemeParent, Failure> {
    let (name, version) = match &parent.part {
        Part::File(path) => (path_in_project(store.path(), path)?, None),
        Part::Embedded { name, version } | Part::Registered { name, version } => {
            (name.clone(), Some(*version))
        }
        Part::Architecture { .. } | Part::Override => (String::new(), None),
    };
    Ok(SchemeParent { reference: parent.reference.clone(), name, version, digest: parent.digest })
}

/// The store as it will be, and nothing of the disk.
struct Kept<'a> {
    store: &'a Store,
    package: RegisteredScheme,
}

impl SchemeFiles for Kept<'_> {
    fn read(&self, _: &Path, _: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn registered(&self, name: &str, version: Option<u32>) -> io::Result<Option<RegisteredScheme>> {
        if self.package.name == name && version == Some(self.package.version) {
            return Ok(Some(self.package.clone()));
        }
        registered(self.store, Path::new(""), name, version).map_err(io::Error::other)
    }
}

fn tell(found: &SchemeRegistered, json: Json) -> Result<(), Failure> {
    let (version, new) = (found.version(), matches!(found, SchemeRegistered::New(_)));
    if json.wanted {
        let parents = version.parents.iter().map(|parent| {
            json!({
                "reference": parent.reference,
                "name": parent.name,
                "version": parent.version,
                "digest": parent.digest.to_string(),
            })
        });
        return terminal::print_json(&json!({
            "scheme": version.id(),
            "name": version.name,
            "version": version.version,
            "new": new,
            "digest": version.scheme_digest.to_string(),
            "parents": parents.collect::<Vec<_>>(),
        }));
    }
    let said = if new { "registered" } else { "registered already, to the letter" };
    terminal::print(&format!("{}: {said}\n", version.id()))
}
