//! Checkpoints of training: everything that the next step depends on.

use engine::Trainer;
use serde::{Deserialize, Serialize};
use tensor::{DType, Tensor};

use super::{Position, Training, step};
use crate::error::RunError;
use crate::events::Event;
use crate::journal::Journal;
use crate::keys::to_value;

/// A checkpoint in memory.
pub(super) struct Saved {
    pub(super) position: Position,
    /// Weights, moments, running statistics.
    pub(super) state: Vec<(String, Tensor)>,
    /// The tensors of the best epoch so far, if they are to be kept.
    pub(super) best: Option<Vec<(String, Tensor)>>,
}

/// The manifest: what the tensors' bytes, one after the other, mean.
#[derive(Serialize, Deserialize)]
struct Manifest {
    position: Position,
    state: Vec<Entry>,
    best: Option<Vec<Entry>>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    dtype: String,
    shape: Vec<usize>,
}

/// Saves the state after the newest step.
pub(super) fn save(
    training: &Training<'_>,
    trainer: &mut Trainer,
    position: &Position,
    best: Option<&[(String, Tensor)]>,
) -> Result<(), RunError> {
    let state = trainer.state();
    let manifest = Manifest { position: position.clone(), state: entries(&state), best: best.map(entries) };
    let tensors = state.iter().chain(best.unwrap_or_default());
    let bytes: Vec<u8> = tensors.flat_map(|(_, tensor)| tensor.to_bytes()).collect();
    let step = step(training, position);
    Ok(training.store.save_checkpoint(training.key, step, &to_value(&manifest), &bytes)?)
}

fn entries(tensors: &[(String, Tensor)]) -> Vec<Entry> {
    let entry = |(name, tensor): &(String, Tensor)| Entry {
        name: name.clone(),
        dtype: tensor.dtype().name().to_owned(),
        shape: tensor.shape().to_vec(),
    };
    tensors.iter().map(entry).collect()
}

/// The newest intact checkpoint, if the run is to be resumed; without `resume`, what there is is removed. Tells
/// what was done.
pub(super) fn load(
    training: &Training<'_>,
    journal: &mut Journal<'_, '_>,
) -> Result<Option<Saved>, RunError> {
    let found = training.store.load_checkpoint(training.key)?;
    for damaged in &found.damaged {
        let text = format!("the checkpoint {} is passed over: {}", damaged.path.display(), damaged.reason);
        journal.tell(&Event::Notice { text })?;
    }
    let text = match (found.checkpoint, training.options.resume) {
        (None, false) => return Ok(None),
        (None, true) => "there is no checkpoint of this work to resume: it starts anew".to_owned(),
        (Some(checkpoint), true) => match decode(&checkpoint) {
            Ok(saved) => {
                let (epoch, done) = (saved.position.epoch + 1, saved.position.counts.steps);
                let text = format!("resumed from the checkpoint before step {} of epoch {epoch}", done + 1);
                journal.tell(&Event::Notice { text })?;
                return Ok(Some(saved));
            }
            Err(reason) => format!("the checkpoint cannot be used, and training starts anew: {reason}"),
        },
        (Some(_), false) => {
            "an interrupted run left a checkpoint of this work; without --resume it starts anew".to_owned()
        }
    };
    training.store.clear_checkpoints(training.key)?;
    journal.tell(&Event::Notice { text })?;
    Ok(None)
}

fn decode(checkpoint: &store::Checkpoint) -> Result<Saved, String> {
    let manifest: Manifest =
        serde_json::from_value(checkpoint.manifest.clone()).map_err(|error| error.to_string())?;
    let mut rest = checkpoint.tensors.as_slice();
    let state = tensors(&manifest.state, &mut rest)?;
    let best = manifest.best.map(|best| tensors(&best, &mut rest)).transpose()?;
    if !rest.is_empty() {
        return Err(format!("{} bytes are left over", rest.len()));
    }
    Ok(Saved { position: manifest.position, state, best })
}

/// Takes the tensors of `entries` from the front of `rest`.
fn tensors(entries: &[Entry], rest: &mut &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    let mut taken = Vec::new();
    for entry in entries {
        let dtype =
            DType::from_name(&entry.dtype).ok_or_else(|| format!("no type is called {}", entry.dtype))?;
        let sizes = entry.shape.iter();
        let length = sizes.fold(dtype.size(), |size, &length| size.saturating_mul(length));
        let (bytes, after) = rest.split_at_checked(length).ok_or("it ends before its tensors do")?;
        *rest = after;
        let tensor = Tensor::from_bytes(dtype, &entry.shape, bytes).map_err(|error| error.to_string())?;
        taken.push((entry.name.clone(), tensor));
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(manifest: serde_json::Value, tensors: Vec<u8>) -> store::Checkpoint {
        store::Checkpoint { step: 1, manifest, tensors }
    }

    #[test]
    fn manifests_that_do_not_fit_their_bytes_are_refused() {
        let position = serde_json::json!({
            "epoch": 0,
            "counts": {"steps": 1, "images": 2, "loss": 0.5, "correct": 1, "seconds": 0.1},
            "history": {"epochs": [], "best_epoch": 0, "stopped_early": false},
        });
        let manifest = |shape: serde_json::Value| {
            serde_json::json!({
                "position": position, "best": null, "state": [{"name": "w", "dtype": "float32", "shape": shape}],
            })
        };
        let refused = |shape, bytes| decode(&checkpoint(manifest(shape), vec![0; bytes])).is_err();
        assert!(!refused(serde_json::json!([2]), 8));
        assert!(refused(serde_json::json!([2]), 7));
        assert!(refused(serde_json::json!([2]), 9));
        assert!(refused(serde_json::json!([u64::MAX, 2]), 8));
        assert!(decode(&checkpoint(serde_json::json!({}), vec![])).is_err());
    }
}
