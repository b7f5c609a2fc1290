//! The folder form of a model: the files that a signature is over, in memory and on disk.
//!
//! Written down in `docs/formats/folder.md`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base::{Digest, Location};
use store::{BlobEntry, Manifest, Model, Store, StoreError};

use crate::error::{FolderError, io_at, mistake};
use crate::hash::{FileHash, hexadecimal};
use crate::limits::DOCUMENT_BYTES_MAX;
use crate::lineage::Lineage;
use crate::statement::SignedFile;
use crate::write::write_tree;

const MANIFEST: &str = "model.json";
const GRAPH: &str = "graph.onnx";
const SCHEME: &str = "scheme.toml";
const LINEAGE: &str = "lineage.json";
const TENSORS: &str = "tensors";

const GET_AGAIN: &str = "get the folder again from who wrote it";

/// The files that make up one model version. Every store that holds the version gives the same bytes.
pub struct FolderForm<'a> {
    store: &'a Store,
    /// By name.
    files: Vec<(String, Content)>,
}

enum Content {
    Text(String),
    Blob(Digest),
}

impl<'a> FolderForm<'a> {
    /// The folder form of `model`, whose lineage is `lineage`.
    ///
    /// Errors   a lineage of another model; a manifest that does not fit its digest.
    pub fn new(store: &'a Store, model: &Model, lineage: &Lineage) -> Result<Self, FolderError> {
        let digest = model.version.digest;
        let inconsistent = |reason: String| FolderError::Inconsistent { model: digest, reason };
        let manifest = model.manifest.encode()?;
        let found = Digest::of(manifest.as_bytes());
        if found != digest {
            return Err(inconsistent(format!("its manifest has the digest {found}")));
        }
        if lineage.model.digest != digest {
            return Err(inconsistent(format!("the lineage is that of {}", lineage.model.id())));
        }
        let lineage = lineage.encode().map_err(|error| inconsistent(error.to_string()))?;
        let tensors = model.manifest.tensors.iter();
        let mut files: Vec<(String, Content)> =
            tensors.map(|tensor| (tensor_name(tensor.digest), Content::Blob(tensor.digest))).collect();
        files.extend([
            (MANIFEST.to_owned(), Content::Text(manifest)),
            (GRAPH.to_owned(), Content::Blob(model.manifest.graph.digest)),
            (SCHEME.to_owned(), Content::Blob(model.version.scheme)),
            (LINEAGE.to_owned(), Content::Text(lineage)),
        ]);
        files.sort_by(|left, right| left.0.cmp(&right.0));
        // Equal tensors are one blob, and one file.
        files.dedup_by(|left, right| left.0 == right.0);
        Ok(FolderForm { store, files })
    }

    /// Every file with its bytes, by name; one at a time is held in memory.
    pub fn files(&self) -> impl Iterator<Item = Result<(&str, Vec<u8>), StoreError>> {
        self.files.iter().map(|(name, content)| {
            let bytes = match content {
                Content::Text(text) => text.as_bytes().to_vec(),
                Content::Blob(digest) => self.store.get(*digest)?,
            };
            Ok((name.as_str(), bytes))
        })
    }

    /// Every file with its digest, by name: what is signed.
    pub fn digests(&self, hash: FileHash) -> Result<Vec<SignedFile>, StoreError> {
        self.files()
            .map(|file| {
                let (name, bytes) = file?;
                Ok(SignedFile { name: name.to_owned(), digest: hash.of(&bytes) })
            })
            .collect()
    }

    /// Writes the files into the new folder `target`, as [`write_tree`] does.
    pub fn write(&self, target: &Path) -> Result<(), FolderError> {
        write_tree(target, self.files().map(|file| Ok(file.map(|(name, bytes)| (name.to_owned(), bytes))?)))
    }
}

/// A model's folder that was read: every file is what the others say it is.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderModel {
    /// The model's digest: that of its manifest's text.
    pub digest: Digest,
    /// What it consists of.
    pub manifest: Manifest,
    /// What it descends from.
    pub lineage: Lineage,
    /// The text of the resolved scheme that made it.
    pub scheme: String,
}

/// Reads the folder form of a model and compares the digest of every blob with the one in its manifest.
/// Who made it is another question: that is what a signature answers.
///
/// Errors   a file is missing, damaged or does not belong to the others; the disk.
pub fn read_folder(folder: &Path) -> Result<FolderModel, FolderError> {
    let manifest_text = read_text(&folder.join(MANIFEST))?;
    let manifest = Manifest::decode(&manifest_text).map_err(|error| {
        let path = folder.join(MANIFEST);
        mistake("invalid-folder", error.to_string(), &path, GET_AGAIN)
    })?;
    let digest = Digest::of(manifest_text.as_bytes());
    let lineage_path = folder.join(LINEAGE);
    let lineage = Lineage::decode(&read_text(&lineage_path)?)
        .map_err(|found| FolderError::Mistakes(found.label(Location::file(&lineage_path), "").into()))?;
    if lineage.model.digest != digest {
        let message = format!(
            "{} is that of {}, not of the model {digest}",
            lineage_path.display(),
            lineage.model.id()
        );
        return Err(mistake("invalid-folder", message, &lineage_path, GET_AGAIN));
    }
    let scheme = read_text(&folder.join(SCHEME))?;
    check_blob(&folder.join(GRAPH), manifest.graph)?;
    for blob in manifest.blobs().into_iter().filter(|blob| is_tensor(&manifest, blob.digest)) {
        check_blob(&folder.join(tensor_name(blob.digest)), blob)?;
    }
    Ok(FolderModel { digest, manifest, lineage, scheme })
}

fn is_tensor(manifest: &Manifest, digest: Digest) -> bool {
    digest != manifest.graph.digest || manifest.tensors.iter().any(|tensor| tensor.digest == digest)
}

fn tensor_name(digest: Digest) -> String {
    format!("{TENSORS}/{digest}")
}

fn check_blob(path: &Path, expected: BlobEntry) -> Result<(), FolderError> {
    let file = open(path)?.take(expected.bytes.saturating_add(1));
    let (digest, length) = FileHash::Blake3.of_reader(file).map_err(io_at("read", path))?;
    if length == expected.bytes && Digest(digest) == expected.digest {
        return Ok(());
    }
    let message = format!(
        "{} is not the file that {MANIFEST} speaks of: expected {} bytes with the digest {}, found {}{length} with {}",
        path.display(),
        expected.bytes,
        expected.digest,
        if length > expected.bytes { "at least " } else { "" },
        hexadecimal(&digest)
    );
    Err(mistake("changed-file", message, path, GET_AGAIN))
}

fn read_text(path: &Path) -> Result<String, FolderError> {
    let mut bytes = Vec::new();
    open(path)?.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io_at("read", path))?;
    let not_text = |what: &str| {
        let message = format!("{} {what}", path.display());
        mistake("invalid-folder", message, path, GET_AGAIN)
    };
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(not_text(&format!("has more than {DOCUMENT_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| not_text("is not UTF-8 text"))
}

fn open(path: &Path) -> Result<File, FolderError> {
    File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => {
            let message = format!("{} is missing", path.display());
            let help = "name a folder that `heirloom model export --format folder` wrote";
            mistake("missing-file", message, path, help)
        }
        _ => io_at("read", path)(source),
    })
}
