//! Taking a model out: its parts, and one safetensors file.

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::{Dtype, View};
use serde_json::json;
use tensor::{DType, Tensor};

use crate::{Model, ModelVersion, Store, StoreError};

impl Store {
    /// The ONNX graph of `model`.
    pub fn graph(&self, model: &Model) -> Result<Vec<u8>, StoreError> {
        self.get(model.manifest.graph.digest)
    }

    /// The tensors of `model` by name, in the order they were registered.
    pub fn tensors(&self, model: &Model) -> Result<Vec<(String, Tensor)>, StoreError> {
        let entries = model.manifest.tensors.iter();
        entries
            .map(|entry| {
                let bytes = self.get(entry.digest)?;
                let tensor = Tensor::from_bytes(entry.dtype, &entry.shape, &bytes)
                    .map_err(|error| StoreError::damaged(format!("tensor `{}`", entry.name), error))?;
                Ok((entry.name.clone(), tensor))
            })
            .collect()
    }

    /// The resolved scheme that made `version`.
    pub fn scheme(&self, version: &ModelVersion) -> Result<String, StoreError> {
        String::from_utf8(self.get(version.scheme)?)
            .map_err(|error| StoreError::damaged(format!("the scheme of {}", version.id()), error))
    }

    /// The tensors of `model` as the bytes of a safetensors file.
    ///
    /// Its metadata has the one key `heirloom`, a JSON document with `digest` (the model's),
    /// `labels` and `preprocessing`: one key, because the container writes several in no fixed order,
    /// and the same model shall give the same bytes.
    pub fn safetensors(&self, model: &Model) -> Result<Vec<u8>, StoreError> {
        let manifest = &model.manifest;
        let facts = json!({
            "format_version": 1,
            "digest": model.version.digest.to_string(),
            "labels": manifest.labels,
            "preprocessing": manifest.preprocessing,
        });
        let parts = manifest
            .tensors
            .iter()
            .map(|entry| {
                let part = Part {
                    dtype: dtype(entry.dtype),
                    shape: entry.shape.clone(),
                    bytes: self.get(entry.digest)?,
                };
                Ok((entry.name.as_str(), part))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let metadata = HashMap::from([("heirloom".to_owned(), facts.to_string())]);
        safetensors::serialize(parts, Some(metadata))
            .map_err(|error| StoreError::damaged(format!("model {}", model.version.id()), error))
    }
}

struct Part {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Part {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}
