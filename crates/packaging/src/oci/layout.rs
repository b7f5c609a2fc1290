//! The layout on disk: `oci-layout`, `index.json` and blobs named by their SHA-256; a folder, or a tar archive of it.

use std::collections::BTreeMap;
use std::path::Path;

use provenance::{FileHash, hexadecimal};
use serde_json::{Value, json};

use crate::PackageError;
use crate::error::io_at;
use crate::oci::layer::{Mode, Tree};
use crate::output::{Overwrite, Rights, check_output, write_file, write_folder};

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// Blobs and the manifests that an index lists.
#[derive(Debug, Default)]
pub struct Layout {
    /// By hexadecimal SHA-256.
    blobs: BTreeMap<String, Vec<u8>>,
    /// Descriptors.
    manifests: Vec<Value>,
}

impl Layout {
    /// Keeps `bytes` and returns their descriptor.
    pub(crate) fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = hexadecimal(&FileHash::Sha256.of(&bytes));
        let descriptor =
            json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() });
        self.blobs.insert(digest, bytes);
        descriptor
    }

    /// Keeps a manifest and lists it under `reference`.
    pub(crate) fn manifest(
        &mut self,
        manifest: &Value,
        reference: Option<&str>,
        platform: Option<Value>,
    ) -> Result<Value, PackageError> {
        let descriptor = self.blob(MANIFEST_TYPE, serde_json::to_vec(manifest)?);
        let mut listed = descriptor.clone();
        if let Some(kind) = manifest.get("artifactType") {
            listed["artifactType"] = kind.clone();
        }
        if let Some(platform) = platform {
            listed["platform"] = platform;
        }
        if let Some(reference) = reference {
            listed["annotations"] = json!({ "org.opencontainers.image.ref.name": reference });
        }
        self.manifests.push(listed);
        Ok(descriptor)
    }

    /// Attaches a document to the manifest `subject`, as a registry's list of referrers shows it.
    pub(crate) fn referrer(
        &mut self,
        subject: &Value,
        media_type: &str,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<(), PackageError> {
        let empty = self.blob(EMPTY_TYPE, b"{}".to_vec());
        let mut layer = self.blob(media_type, bytes);
        layer["annotations"] = json!({ "org.opencontainers.image.title": name });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": media_type,
            "config": empty,
            "layers": [layer],
            "subject": subject,
        });
        self.manifest(&manifest, None, None).map(|_| ())
    }

    /// Every file of the layout, by name.
    fn files(self) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": self.manifests });
        let blobs = self.blobs.into_iter().map(|(digest, bytes)| (format!("blobs/sha256/{digest}"), bytes));
        let mut files: Vec<(String, Vec<u8>)> = blobs.collect();
        files.push(("index.json".to_owned(), serde_json::to_vec(&index)?));
        files.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
        Ok(files)
    }
}

/// Writes a layout: as a tar archive if `output` ends in `.tar`, else as a folder. Returns the bytes of its files.
///
/// Errors   `output` exists; the disk.
pub fn write_layout(layout: Layout, output: &Path, overwrite: Overwrite) -> Result<u64, PackageError> {
    check_output(output, overwrite)?;
    let files = layout.files()?;
    let bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    if output.extension().is_none_or(|end| end != "tar") {
        write_folder(output, files, overwrite)?;
        return Ok(bytes);
    }
    let mut tree = Tree::default();
    for (name, bytes) in files {
        tree.file(name, Mode::Data, bytes);
    }
    let archive = tree.tar().map_err(io_at("write", output))?;
    write_file(output, &[&archive], Rights::Data, overwrite)?;
    Ok(archive.len() as u64)
}
