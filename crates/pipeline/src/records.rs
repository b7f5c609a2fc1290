//! Which records a model has seen: digests of its examples, kept beside it, and the search through them.
//!
//! A record is named by the digest of its input as the model takes it, without its label, so that the same
//! picture or row is found whatever it was called. The list holds the first 16 bytes of each digest: two
//! different records among a thousand million share those once in 10^20.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Digest};
use data::{Dataset, Splits};
use store::{ModelVersion, Store};

use crate::error::RunError;
use crate::infer::{load_model, read_inputs};

/// Under which role the list is kept beside a version.
pub(crate) const ROLE: &str = "records";
/// First bytes of a list; the last is the format's version.
const MAGIC: [u8; 8] = *b"HLMRECS\x01";
/// Bytes of a digest that are kept.
const PREFIX: usize = 16;

/// The part of the data that a record was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenIn {
    /// Weights were fitted on it.
    Train,
    /// It chose between epochs.
    Validation,
    /// It judged the result.
    Test,
}

impl SeenIn {
    const ALL: [SeenIn; 3] = [SeenIn::Train, SeenIn::Validation, SeenIn::Test];

    /// The word used in documents.
    pub fn name(self) -> &'static str {
        match self {
            SeenIn::Train => "train",
            SeenIn::Validation => "validation",
            SeenIn::Test => "test",
        }
    }
}

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
/// Errors   a text that is neither a digest nor a file; the world.
pub fn who_saw(store: &Store, subject: &str) -> Result<Sightings, RunError> {
    let path = Path::new(subject);
    let digest: Option<Digest> = subject.parse().ok();
    if digest.is_none() && !path.is_file() {
        let message = format!("`{}` is neither a file nor the digest of a record", subject.escape_debug());
        return Err(RunError::from(base::Diagnostics::from(
            Diagnostic::new("no-record", message)
                .help("name a file as `heirloom infer` takes it, or 64 hexadecimal digits"),
        )));
    }
    let mut sightings = Sightings::default();
    for summary in store.list_models()? {
        for version in store.versions(&summary.newest.name)? {
            let Some(bytes) = store.attachment(&version, ROLE)? else {
                sightings.unknown.push(version.id());
                continue;
            };
            let records = match digest {
                Some(digest) => Some(vec![(None, digest)]),
                None => records_of(store, &version, path)?,
            };
            let Some(records) = records else {
                sightings.other_input.push(version.id());
                continue;
            };
            let lists = decode(&bytes).map_err(|reason| RunError::damaged("a list of records", reason))?;
            for (record, digest) in records {
                for part in lists.parts_with(digest) {
                    let record = record.clone();
                    sightings.found.push(Sighting { version: version.clone(), record, digest, part });
                }
            }
        }
    }
    Ok(sightings)
}

type Record = (Option<(PathBuf, usize)>, Digest);

/// The digests of the records in a file as `version` takes them; `None` if it takes no such file.
fn records_of(store: &Store, version: &ModelVersion, path: &Path) -> Result<Option<Vec<Record>>, RunError> {
    let model = load_model(store, &version.id())?;
    let inputs = match read_inputs(&model, &[path.to_owned()]) {
        Ok(inputs) => inputs,
        Err(RunError::Diagnostics(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let mut records = Vec::new();
    for (path, tensor) in inputs {
        let digests = data::input_digests(&tensor);
        records.extend(
            digests.into_iter().enumerate().map(|(index, digest)| (Some((path.clone(), index)), digest)),
        );
    }
    Ok(Some(records))
}

/// The list of a data set's records, part by part, sorted.
pub(crate) fn encode(dataset: &Dataset, splits: &Splits) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let parts = [&splits.train, &splits.validation, &splits.test];
    for rows in parts {
        bytes.extend((rows.len() as u64).to_le_bytes());
    }
    for rows in parts {
        let mut digests: Vec<&[u8]> =
            rows.iter().map(|&row| &dataset.input_digests[row as usize].0[..PREFIX]).collect();
        digests.sort_unstable();
        digests.iter().for_each(|digest| bytes.extend(*digest));
    }
    bytes
}

/// How many of the inputs `digests` were in the training part of the model whose list is `list`; `None` if that cannot be
/// read.
pub(crate) fn trained_on(list: &[u8], digests: &BTreeSet<Digest>) -> Option<usize> {
    let lists = decode(list).ok()?;
    let trained = |digest: &&Digest| lists.parts_with(**digest).any(|part| part == SeenIn::Train);
    Some(digests.iter().filter(trained).count())
}

/// Three sorted lists of digests' beginnings.
struct Lists<'a>([&'a [u8]; 3]);

impl Lists<'_> {
    fn parts_with(&self, digest: Digest) -> impl Iterator<Item = SeenIn> {
        let holds = move |list: &[u8]| {
            let (chunks, _) = list.as_chunks::<PREFIX>();
            chunks.binary_search_by(|each| each[..].cmp(&digest.0[..PREFIX])).is_ok()
        };
        SeenIn::ALL.into_iter().zip(self.0).filter(move |(_, list)| holds(list)).map(|(part, _)| part)
    }
}

/// Reads a list; safe on any bytes.
fn decode(bytes: &[u8]) -> Result<Lists<'_>, String> {
    let rest =
        bytes.strip_prefix(&MAGIC).ok_or("it does not begin as a list of records of a known version")?;
    let (counts, mut rest) = rest.split_at_checked(3 * 8).ok_or("it is too short")?;
    let (counts, _) = counts.as_chunks::<8>();
    let mut lists = [&rest[..0]; 3];
    for (list, count) in lists.iter_mut().zip(counts) {
        let length =
            usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(PREFIX));
        (*list, rest) = length.and_then(|length| rest.split_at_checked(length)).ok_or("it is too short")?;
    }
    if rest.is_empty() { Ok(Lists(lists)) } else { Err("something follows it".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_lists_are_refused() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1u64, 0, 1].iter().flat_map(|count| count.to_le_bytes()));
        let first = Digest::of(b"first");
        bytes.extend(&first.0[..PREFIX]);
        bytes.extend([0; PREFIX]);
        let parts = |digest| decode(&bytes).unwrap().parts_with(digest).collect::<Vec<_>>();
        assert_eq!(parts(first), [SeenIn::Train]);
        assert_eq!(parts(Digest([0; 32])), [SeenIn::Test]);
        assert_eq!(parts(Digest::of(b"second")), []);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        bytes[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(decode(&bytes).is_err());
    }
}
