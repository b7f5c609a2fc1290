//! Answers of a registered model.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use store::Store;
use tensor::Tensor;

use crate::error::RunError;

/// A registered model in memory.
pub struct LoadedModel {
    /// `name@N`.
    pub id: String,
    /// The model's digest.
    pub digest: String,
    /// Class names by number; empty if the model answers with a number.
    pub labels: Vec<String>,
    /// What it takes.
    pub input: ModelInput,
}

/// What a model takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelInput {
    /// `u8` [batch, channels, height, width]: PNG, JPEG or IDX files.
    Images {
        /// 1 or 3.
        channels: usize,
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
    },
    /// `f32` [batch, ..]: rows of a table.
    Features {
        /// Lengths behind the batch.
        shape: Vec<usize>,
    },
}

/// The answer to one example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The file it came from.
    pub file: PathBuf,
    /// Its place in the file, from 0.
    pub index: usize,
    /// The class of the greatest probability; of classifiers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
    /// Every class and its probability, in the order of the classes' numbers; of classifiers. As JSON: an object.
    #[serde(skip_serializing_if = "Vec::is_empty", default, with = "as_object")]
    pub probabilities: Vec<(String, f32)>,
    /// The number; of regressions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<f32>,
}

mod as_object {
    use serde::ser::SerializeMap;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(pairs: &[(String, f32)], to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(pairs.len()))?;
        for (name, value) in pairs {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, f32)>, D::Error> {
        let map = serde_json::Map::deserialize(from)?;
        Ok(map.into_iter().map(|(name, value)| (name, value.as_f64().unwrap_or(f64::NAN) as f32)).collect())
    }
}

/// Loads the model that `reference` names: `name`, `name@N`, `name@alias` or a digest's beginning.
pub fn load_model(store: &Store, reference: &str) -> Result<LoadedModel, RunError> {
    let _ = (store, reference);
    Err(RunError::Interrupted)
}

/// The inputs in `paths` as `model` takes them: PNG, JPEG or IDX files, or a `.csv` or `.csv.gz` of the scheme's columns.
/// Everything that is wrong with any of the files is reported at once.
pub fn read_inputs(model: &LoadedModel, paths: &[PathBuf]) -> Result<Vec<(PathBuf, Tensor)>, RunError> {
    let _ = (model, paths);
    Err(RunError::Interrupted)
}

/// The answers to every example of `inputs`, in their order.
pub fn infer(
    model: &LoadedModel,
    inputs: &[(PathBuf, Tensor)],
    threads: usize,
) -> Result<Vec<Prediction>, RunError> {
    let _ = (model, inputs, threads);
    Err(RunError::Interrupted)
}
