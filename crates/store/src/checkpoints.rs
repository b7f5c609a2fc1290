//! Checkpoints: one file each, whole or not there, the newest two of every run kept.
//!
//! They are files of their own and not blobs, because almost every byte of them is new each time
//! and they are soon removed. The format is in `docs/formats/store.md`.

use std::fs;
use std::path::{Path, PathBuf};

use base::{Digest, DigestWriter};
use serde_json::Value;

use crate::blobs::disk::read_limited;
use crate::error::{io, within};
use crate::files::{WholeFile, write_whole};
use crate::limits::{CHECKPOINT_BYTES_MAX, CHECKPOINTS_KEPT};
use crate::register::document_text;
use crate::store::{entries, file_name};
use crate::{Store, StoreError};

/// The state of a run at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The step that it was saved after.
    pub step: u64,
    /// What the tensors' bytes mean, and all other state.
    pub manifest: Value,
    /// The tensors, in whatever form the caller gave them.
    pub tensors: Vec<u8>,
}

/// A checkpoint that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedCheckpoint {
    /// Its file.
    pub path: PathBuf,
    /// How the damage shows.
    pub reason: String,
}

/// What there was to load.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointLoad {
    /// The newest intact checkpoint, if there is any.
    pub checkpoint: Option<Checkpoint>,
    /// Newer ones that are damaged and were passed over, newest first: tell the user.
    pub damaged: Vec<DamagedCheckpoint>,
}

/// First bytes of a checkpoint file; the last is the format's version.
const MAGIC: [u8; 8] = *b"HLMCKPT\x01";
/// Magic, step, lengths of manifest and tensors, digest.
const HEADER_BYTES: usize = 8 + 3 * 8 + 32;
const EXTENSION: &str = "checkpoint";

impl Store {
    /// Saves the state of the run `run_key` after `step`, durably, and removes all but the newest
    /// two. If it fails, the earlier ones are untouched.
    pub fn save_checkpoint(
        &self,
        run_key: Digest,
        step: u64,
        manifest: &Value,
        tensors: &[u8],
    ) -> Result<(), StoreError> {
        let manifest = document_text("a checkpoint's manifest", manifest)?;
        let size = (HEADER_BYTES + manifest.len() + tensors.len()) as u64;
        within(|| "the length in bytes of a checkpoint".to_owned(), size, CHECKPOINT_BYTES_MAX)?;
        let header = header(step, manifest.as_bytes(), tensors);
        let folder = self.checkpoint_folder(run_key);
        let _writing = self.database.writing()?;
        write_whole(
            &*self.files,
            &[WholeFile { path: file(&folder, step), parts: vec![&header, manifest.as_bytes(), tensors] }],
        )?;
        steps(&folder)?.into_iter().skip(CHECKPOINTS_KEPT).try_for_each(|old| self.remove_step(&folder, old))
    }

    /// Loads the newest checkpoint of the run `run_key` whose digest is right.
    pub fn load_checkpoint(&self, run_key: Digest) -> Result<CheckpointLoad, StoreError> {
        let folder = self.checkpoint_folder(run_key);
        let mut damaged = Vec::new();
        for step in steps(&folder)? {
            let path = file(&folder, step);
            match decode(&read_limited(&path, CHECKPOINT_BYTES_MAX)?) {
                Ok(checkpoint) if checkpoint.step == step => {
                    return Ok(CheckpointLoad { checkpoint: Some(checkpoint), damaged });
                }
                Ok(_) => damaged.push(DamagedCheckpoint { path, reason: "it is of another step".to_owned() }),
                Err(reason) => damaged.push(DamagedCheckpoint { path, reason }),
            }
        }
        Ok(CheckpointLoad { checkpoint: None, damaged })
    }

    /// Removes every checkpoint of the run `run_key`.
    pub fn clear_checkpoints(&self, run_key: Digest) -> Result<(), StoreError> {
        let folder = self.checkpoint_folder(run_key);
        steps(&folder)?.into_iter().try_for_each(|step| self.remove_step(&folder, step))?;
        // Only an empty folder goes; one that is missing or still used does no harm.
        let _ = fs::remove_dir(&folder);
        Ok(())
    }

    /// Every checkpoint file, by run key and step.
    pub(crate) fn checkpoint_files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut files = Vec::new();
        for folder in entries(&self.root.join(Store::CHECKPOINTS))? {
            files.extend(steps(&folder)?.into_iter().rev().map(|step| file(&folder, step)));
        }
        Ok(files)
    }

    fn checkpoint_folder(&self, run_key: Digest) -> PathBuf {
        self.root.join(Store::CHECKPOINTS).join(run_key.to_string())
    }

    fn remove_step(&self, folder: &Path, step: u64) -> Result<(), StoreError> {
        let path = file(folder, step);
        self.files.remove(&path).map_err(io("remove", &path))
    }
}

fn file(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("{step:020}.{EXTENSION}"))
}

/// The steps with a checkpoint in `folder`, newest first.
fn steps(folder: &Path) -> Result<Vec<u64>, StoreError> {
    let mut steps: Vec<u64> = entries(folder)?
        .iter()
        .filter_map(|path| file_name(path).strip_suffix(EXTENSION)?.strip_suffix('.')?.parse().ok())
        .collect();
    steps.sort_unstable_by(|left, right| right.cmp(left));
    Ok(steps)
}

fn header(step: u64, manifest: &[u8], tensors: &[u8]) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    for number in [step, manifest.len() as u64, tensors.len() as u64] {
        header.extend(number.to_le_bytes());
    }
    header.extend(digest(step, manifest, tensors).0);
    header
}

fn digest(step: u64, manifest: &[u8], tensors: &[u8]) -> Digest {
    let mut writer = DigestWriter::new("heirloom.checkpoint.1");
    writer.field(&step.to_le_bytes()).field(manifest).field(tensors);
    writer.finish()
}

/// Reads a checkpoint file; safe on any bytes. The error says how the damage shows.
pub(crate) fn decode(bytes: &[u8]) -> Result<Checkpoint, String> {
    let (header, body) =
        bytes.split_at_checked(HEADER_BYTES).ok_or("it is shorter than a checkpoint's header")?;
    if header[..8] != MAGIC {
        return Err("it does not begin as a checkpoint of a known version".to_owned());
    }
    let number = |index: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&header[8 + 8 * index..16 + 8 * index]);
        u64::from_le_bytes(word)
    };
    let [step, manifest_bytes, tensor_bytes] = [number(0), number(1), number(2)];
    if manifest_bytes.checked_add(tensor_bytes) != Some(body.len() as u64) {
        return Err(format!(
            "its body should have {manifest_bytes} + {tensor_bytes} bytes, not {}",
            body.len()
        ));
    }
    let (manifest, tensors) = body.split_at(manifest_bytes as usize);
    if digest(step, manifest, tensors).0 != header[32..] {
        return Err("its digest does not match its bytes".to_owned());
    }
    let manifest =
        serde_json::from_slice(manifest).map_err(|error| format!("its manifest is not JSON: {error}"))?;
    Ok(Checkpoint { step, manifest, tensors: tensors.to_vec() })
}
