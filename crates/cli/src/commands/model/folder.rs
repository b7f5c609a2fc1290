//! `heirloom model export --format folder`.

use std::fs;
use std::path::{Path, PathBuf};

use provenance::{FolderForm, Lineage};
use serde_json::{Value, json};
use store::{Model, Store};

use crate::disk;
use crate::failure::Failure;

/// Writes the folder form of `model` to `output` and its signatures into the folder beside it.
/// Returns what there is to say about it.
pub(super) fn write(store: &Store, model: &Model, output: &Path) -> Result<Value, Failure> {
    let lineage = Lineage::of(store, &model.version)?;
    let form = FolderForm::new(store, model, &lineage)?;
    let signatures = store.signatures(&model.version)?;
    let beside = signature_folder(output);
    if !signatures.is_empty() && fs::symlink_metadata(&beside).is_ok() {
        return Err(disk::exists_already(&beside));
    }
    form.write(output)?;
    let mut written = Vec::new();
    if !signatures.is_empty() {
        disk::create_folder(&beside)?;
    }
    for signature in &signatures {
        let path = beside.join(format!("{}.json", short(&signature.key_id)));
        disk::write_public(&path, signature.document.as_bytes())?;
        written.push(path.display().to_string());
    }
    Ok(json!({ "signatures": written }))
}

/// `FOLDER.sig`: beside the folder, for what is in it is signed.
pub(super) fn signature_folder(folder: &Path) -> PathBuf {
    let name = folder.components().as_path().as_os_str();
    let mut name = name.to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// Enough of a key's id to name a file.
fn short(key_id: &str) -> String {
    key_id.chars().filter(char::is_ascii_hexdigit).take(16).collect()
}
