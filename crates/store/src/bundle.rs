//! A package as one file: a zip archive with `manifest.json` and `blobs/<digest>`, sealed with its own
//! digest. Nothing in it is ever executed, and no name in it is ever used as a path.
//!
//! The archive's comment is [`SEAL`] and the BLAKE3 digest of every byte before that digest. Any changed
//! or missing byte shows before anything is read.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use base::{Diagnostic, Digest};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::error::io as io_error;
use crate::limits::{BLOB_BYTES_MAX, DOCUMENT_BYTES_MAX, PACKAGE_BLOBS_MAX};
use crate::{BlobSource, By, Package, Received, Store, StoreError};

/// What a bundle's comment begins with.
const SEAL: &str = "heirloom bundle 1, BLAKE3 of all before: ";
const DIGEST_DIGITS: usize = 64;
const MANIFEST: &str = "manifest.json";

/// How the parts of a bundle are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleCompression {
    /// As they are.
    Stored,
    /// In zstd.
    Zstd,
}

impl Store {
    /// Writes the versions that `references` name, with their whole lineage, into the new file `path`.
    /// The same content gives the same bytes.
    ///
    /// Errors   unknown references; the world. Then there is no file.
    pub fn write_bundle(
        &self,
        references: &[String],
        path: &Path,
        compression: BundleCompression,
    ) -> Result<Package, StoreError> {
        let package = self.package(references)?;
        self.write_package(&package, path, compression)?;
        Ok(package)
    }

    /// Writes a package of this store into the new file `path`. The same content gives the same bytes.
    ///
    /// Errors   blobs that are missing or damaged; the world. Then there is no file.
    pub fn write_package(
        &self,
        package: &Package,
        path: &Path,
        compression: BundleCompression,
    ) -> Result<(), StoreError> {
        let folder = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".heirloom-")
            .tempfile_in(folder)
            .map_err(io_error("write a file beside", path))?;
        self.write_archive(package, file.as_file_mut(), path, compression)?;
        file.as_file().sync_all().map_err(io_error("sync", path))?;
        file.persist(path).map_err(|error| error.error).map_err(io_error("write", path))?;
        Ok(())
    }

    fn write_archive(
        &self,
        package: &Package,
        file: &mut File,
        path: &Path,
        compression: BundleCompression,
    ) -> Result<(), StoreError> {
        let failed = |error: zip::result::ZipError| io_error("write", path)(error.into());
        let method = match compression {
            BundleCompression::Stored => CompressionMethod::Stored,
            BundleCompression::Zstd => CompressionMethod::Zstd,
        };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        let mut archive = ZipWriter::new(&mut *file);
        let text = serde_json::to_vec(package).map_err(|error| StoreError::damaged("a package", error))?;
        archive.start_file(MANIFEST, options).map_err(failed)?;
        archive.write_all(&text).map_err(io_error("write", path))?;
        for blob in &package.blobs {
            let options = options.large_file(blob.bytes >= u64::from(u32::MAX));
            archive.start_file(part_name(blob.digest), options).map_err(failed)?;
            archive.write_all(&self.get(blob.digest)?).map_err(io_error("write", path))?;
        }
        archive.set_comment(format!("{SEAL}{}", "0".repeat(DIGEST_DIGITS))).map_err(failed)?;
        archive.finish().map_err(failed)?;
        let length = file.metadata().map_err(io_error("read", path))?.len();
        let digest = seal_of(file, length).map_err(io_error("read", path))?.ok_or_else(|| {
            StoreError::damaged(format!("the new bundle {}", path.display()), "it has no room for its digest")
        })?;
        file.seek(SeekFrom::End(-(DIGEST_DIGITS as i64)))
            .and_then(|_| file.write_all(digest.to_string().as_bytes()))
            .map_err(io_error("write", path))
    }

    /// Takes in the bundle at `path`. See [`Store::receive`].
    ///
    /// Errors   a file that is no bundle, is damaged, or holds what a bundle does not; the world.
    pub fn import_bundle(
        &self,
        path: &Path,
        by: &By,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Received, StoreError> {
        let mut file = OpenOptions::new().read(true).open(path).map_err(io_error("read", path))?;
        check_seal(&mut file).map_err(|error| of_file(error, path))?;
        let mut bundle = Bundle::open(file).map_err(|reason| bad_bundle(path, &reason))?;
        let package = bundle.package.clone();
        if !package.left_out.is_empty() {
            let id = package.wanted.join(", ");
            let reason = format!("it holds {id} to be served, without the weights of its ancestors");
            return Err(bad_bundle(path, &reason));
        }
        self.receive(&package, &mut bundle, by, progress)
    }
}

/// Reads the manifest of a bundle from any bytes, without its seal; for checking the parser.
///
/// Errors   the reason, for people.
pub fn parse_bundle(bytes: &[u8]) -> Result<Package, String> {
    let mut bundle = Bundle::open(io::Cursor::new(bytes))?;
    let package = bundle.package.clone();
    for blob in &package.blobs {
        bundle.part(blob.digest)?;
    }
    Ok(package)
}

/// An open bundle whose list of parts is what its manifest says.
pub(crate) struct Bundle<R: Read + Seek> {
    archive: ZipArchive<R>,
    pub(crate) package: Package,
    /// The length of each part.
    lengths: BTreeMap<String, u64>,
}

impl<R: Read + Seek> Bundle<R> {
    pub(crate) fn open(file: R) -> Result<Self, String> {
        let mut archive = ZipArchive::new(file).map_err(|error| format!("it is no zip archive: {error}"))?;
        if archive.len() as u64 > PACKAGE_BLOBS_MAX + 1 {
            return Err(format!(
                "it has {} parts, and the limit is {}",
                archive.len(),
                PACKAGE_BLOBS_MAX + 1
            ));
        }
        let text = read_part(&mut archive, MANIFEST, DOCUMENT_BYTES_MAX)?;
        let package = Package::decode(&text)?;
        let lengths: BTreeMap<String, u64> =
            package.blobs.iter().map(|blob| (part_name(blob.digest), blob.bytes)).collect();
        for name in archive.file_names() {
            let name = name.map_err(|error| format!("a part's name cannot be read: {error}"))?;
            if name != MANIFEST && !lengths.contains_key(name.as_ref()) {
                return Err(format!(
                    "it holds `{}`, which its manifest does not speak of",
                    name.escape_debug()
                ));
            }
        }
        Ok(Bundle { archive, package, lengths })
    }

    /// Whether the blob `digest` is in it.
    pub(crate) fn holds(&self, digest: Digest) -> bool {
        self.lengths.contains_key(&part_name(digest))
    }

    pub(crate) fn part(&mut self, digest: Digest) -> Result<Vec<u8>, String> {
        let name = part_name(digest);
        let bytes = self.lengths.get(&name).copied().unwrap_or(0);
        read_part(&mut self.archive, &name, bytes.min(BLOB_BYTES_MAX))
    }
}

impl<R: Read + Seek> BlobSource for Bundle<R> {
    fn blob(&mut self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        self.part(digest).map_err(|reason| {
            Diagnostic::new("bad-bundle", format!("the bundle is damaged: {reason}")).into()
        })
    }
}

fn part_name(digest: Digest) -> String {
    format!("blobs/{digest}")
}

/// The bytes of one part, at most `limit` of them, whatever the archive says its length is.
fn read_part<R: Read + Seek>(archive: &mut ZipArchive<R>, name: &str, limit: u64) -> Result<Vec<u8>, String> {
    let part = archive.by_name(name).map_err(|error| format!("its part `{name}` cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    part.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("its part `{name}` cannot be read: {error}"))?;
    if bytes.len() as u64 > limit {
        return Err(format!("its part `{name}` has more than {limit} bytes"));
    }
    Ok(bytes)
}

/// The digest of all of so many bytes but the last 64; `None` if there are fewer.
fn seal_of<R: Read + Seek>(file: &mut R, length: u64) -> io::Result<Option<Digest>> {
    let Some(length) = length.checked_sub(DIGEST_DIGITS as u64) else { return Ok(None) };
    file.seek(SeekFrom::Start(0))?;
    Digest::of_reader(file.take(length)).map(Some)
}

/// Whether the file ends with the digest of all before.
pub(crate) fn check_seal<R: Read + Seek>(file: &mut R) -> io::Result<()> {
    let unsealed = || io::Error::new(io::ErrorKind::InvalidData, "it is no bundle, or its end is missing");
    let length = file.seek(SeekFrom::End(0))?;
    let digest = seal_of(file, length)?.ok_or_else(unsealed)?;
    let mut end = vec![0; SEAL.len() + DIGEST_DIGITS];
    file.seek(SeekFrom::End(-(end.len() as i64))).map_err(|_| unsealed())?;
    file.read_exact(&mut end)?;
    let (seal, digits) = end.split_at(SEAL.len());
    if seal != SEAL.as_bytes() {
        return Err(unsealed());
    }
    if digits != digest.to_string().as_bytes() {
        let message = "its bytes are not those it was made with: it was changed or damaged on the way";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(())
}

fn of_file(error: io::Error, path: &Path) -> StoreError {
    match error.kind() {
        io::ErrorKind::InvalidData => bad_bundle(path, &error.to_string()),
        _ => io_error("read", path)(error),
    }
}

fn bad_bundle(path: &Path, reason: &str) -> StoreError {
    Diagnostic::new("bad-bundle", format!("{} cannot be imported: {reason}", path.display()))
        .help("nothing was added; fetch the file again, or make it again: `heirloom model export MODEL --format bundle`")
        .into()
}
