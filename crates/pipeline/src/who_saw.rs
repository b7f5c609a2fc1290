//! The search for who has seen a record, through what is kept beside every model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use base::{Diagnostic, Diagnostics, Digest};
use store::{ModelVersion, Store};

use crate::error::RunError;
use crate::infer::{ModelInput, input_of, read_input};
use crate::records::{ROLE, Records, SeenIn};

/// A model version that has seen a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The version.
    pub version: ModelVersion,
    /// The record's file and place in it, from 0; `None` if a digest was asked for.
    pub record: Option<(PathBuf, usize)>,
    /// The record's digest.
    pub digest: Digest,
    /// In which part of the data it was.
    pub part: SeenIn,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sightings {
    /// Who saw what, by model.
    pub found: Vec<Sighting>,
    /// Versions whose records are not known: registered before they were kept, or by another program.
    pub unknown: Vec<String>,
    /// Versions that do not take such files.
    pub other_input: Vec<String>,
}

/// Which models of the store were made with a record: the digest of one, or those in a file.
///
/// No weight is read, the file once for each form in which models take it, and a list of records that many versions
/// share once. One list is in memory at a time.
///
/// Errors   a text that is neither a digest nor a file; the world.
pub fn who_saw(store: &Store, subject: &str) -> Result<Sightings, RunError> {
    let path = Path::new(subject);
    let digest: Option<Digest> = subject.parse().ok();
    if digest.is_none() && !path.is_file() {
        let message = format!("`{}` is neither a file nor the digest of a record", subject.escape_debug());
        return Err(RunError::from(Diagnostics::from(
            Diagnostic::new("no-record", message)
                .help("name a file as `heirloom infer` takes it, or 64 hexadecimal digits"),
        )));
    }
    let mut sightings = Sightings::default();
    let mut asked = match digest {
        Some(digest) => Asked::Digest(digest),
        None => Asked::File { path, read: BTreeMap::new() },
    };
    // Which of the records in `Form` are in the list `Digest`.
    let mut searched: BTreeMap<(Digest, Form), Vec<(usize, SeenIn)>> = BTreeMap::new();
    for summary in store.list_models()? {
        for version in store.versions(&summary.newest.name)? {
            let kept = store.attachments(&version)?;
            let Some((_, list)) = kept.into_iter().find(|(role, _)| role == ROLE) else {
                sightings.unknown.push(version.id());
                continue;
            };
            let Some((form, records)) = asked.of(store, &version)? else {
                sightings.other_input.push(version.id());
                continue;
            };
            let key = (list, form);
            if !searched.contains_key(&key) {
                let lists = Records::read(store, list)?;
                let in_list = records.iter().enumerate().flat_map(|(number, (_, digest))| {
                    lists.parts_with(digest).map(move |part| (number, part)).collect::<Vec<_>>()
                });
                searched.insert(key.clone(), in_list.collect());
            }
            for &(number, part) in searched.get(&key).into_iter().flatten() {
                let (record, digest) = records[number].clone();
                sightings.found.push(Sighting { version: version.clone(), record, digest, part });
            }
        }
    }
    Ok(sightings)
}

type Record = (Option<(PathBuf, usize)>, Digest);

/// In which form a model takes a file: its input's shape, or for tables the scheme that reads them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Any,
    Images([usize; 3]),
    Table(Digest),
}

/// What is looked for.
enum Asked<'a> {
    Digest(Digest),
    /// The file's records in each form; none if it cannot be taken in it.
    File {
        path: &'a Path,
        read: BTreeMap<Form, Option<Rc<[Record]>>>,
    },
}

/// Records as some versions take them, and in which form.
type Taken = (Form, Rc<[Record]>);

impl Asked<'_> {
    /// The records as `version` takes them, and in which form; `None` if it takes no such file.
    fn of(&mut self, store: &Store, version: &ModelVersion) -> Result<Option<Taken>, RunError> {
        let (path, read) = match self {
            Asked::Digest(digest) => return Ok(Some((Form::Any, Rc::from([(None, *digest)])))),
            Asked::File { path, read } => (*path, read),
        };
        let model = store.model(&version.id())?;
        let input = match model.manifest.inputs.as_slice() {
            [input] => input_of(input.dtype, &input.shape),
            _ => None,
        };
        let Some(input) = input else { return Ok(None) };
        let form = match input {
            ModelInput::Images { channels, height, width } => Form::Images([channels, height, width]),
            ModelInput::Features { .. } => Form::Table(version.scheme),
        };
        if !read.contains_key(&form) {
            let scheme = store.scheme(version)?;
            read.insert(form.clone(), records_of(&input, &scheme, path)?);
        }
        let records = read.get(&form).cloned().flatten();
        Ok(records.map(|records| (form, records)))
    }
}

/// The digests of the records in a file; `None` if it cannot be read so.
fn records_of(input: &ModelInput, scheme: &str, path: &Path) -> Result<Option<Rc<[Record]>>, RunError> {
    let tensor = match read_input(input, scheme, path) {
        Ok(tensor) => tensor,
        Err(RunError::Diagnostics(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let digests = data::input_digests(&tensor).into_iter().enumerate();
    Ok(Some(digests.map(|(index, digest)| (Some((path.to_owned(), index)), digest)).collect()))
}
