//! Answers of a registered model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::Diagnostics;
use engine::{Feed, Level, Options, Predictor, Rows, Targets};
use graph::{Graph, ValueId};
use scheme::MemoryFiles;
use serde::{Deserialize, Serialize};
use store::Store;
use tensor::{DType, Data, Shape, Tensor};

use crate::error::RunError;
use crate::inheritance::feature_names;
use crate::metrics::greatest;
use crate::package::unpack;
use crate::source::source_of;
use crate::training::EVALUATION_BATCH;

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
    /// The names of a table's columns in the order of the input; empty for pictures, and where a version did not keep them.
    pub features: Vec<String>,
    /// The resolved scheme's text.
    scheme: String,
    /// From raw input to answer.
    graph: Arc<Graph>,
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

impl ModelInput {
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            ModelInput::Images { .. } => DType::U8,
            ModelInput::Features { .. } => DType::F32,
        }
    }

    /// Lengths behind the batch, outermost first.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            ModelInput::Images { channels, height, width } => vec![*channels, *height, *width],
            ModelInput::Features { shape } => shape.clone(),
        }
    }
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

impl LoadedModel {
    /// From raw input to answer.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }
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
    let model = store.model(reference)?;
    let graph = unpack(&store.graph(&model)?, &store.tensors(&model)?)?;
    let input = match graph.inputs.as_slice() {
        &[input] => model_input(&graph, input)?,
        inputs => {
            return Err(RunError::damaged("the graph of a model", format!("it has {} inputs", inputs.len())));
        }
    };
    Ok(LoadedModel {
        id: model.version.id(),
        digest: model.version.digest.to_string(),
        labels: model.manifest.labels.clone(),
        input,
        features: feature_names(store, &model.version)?,
        scheme: store.scheme(&model.version)?,
        graph: Arc::new(graph),
    })
}

fn model_input(graph: &Graph, input: ValueId) -> Result<ModelInput, RunError> {
    let ty = graph.ty(input);
    input_of(ty.dtype, &ty.shape)
        .ok_or_else(|| RunError::damaged("the graph of a model", format!("its input is {ty}")))
}

/// What a model takes whose one input has this type; `None` if models of ours take no such thing.
pub(crate) fn input_of(dtype: DType, shape: &Shape) -> Option<ModelInput> {
    let shape: Option<Vec<usize>> = shape.0.iter().skip(1).map(|dim| dim.known()).collect();
    match (dtype, shape?.as_slice()) {
        (DType::U8, &[channels, height, width]) => Some(ModelInput::Images { channels, height, width }),
        (DType::F32, shape) => Some(ModelInput::Features { shape: shape.to_vec() }),
        _ => None,
    }
}

/// The inputs in `paths` as `model` takes them: PNG, JPEG or IDX files; for a model of a table (rows that are pictures
/// included) `.csv` or `.csv.gz` files with the scheme's columns, whose complete examples are taken. Everything that is wrong with any of
/// the files is reported at once.
pub fn read_inputs(model: &LoadedModel, paths: &[PathBuf]) -> Result<Vec<(PathBuf, Tensor)>, RunError> {
    let (mut inputs, mut problems) = (Vec::new(), Diagnostics::default());
    for path in paths {
        match read_input(&model.input, &model.scheme, path) {
            Ok(tensor) => inputs.push((path.clone(), tensor)),
            Err(RunError::Diagnostics(found)) => problems.extend(found.0),
            Err(failure) => return Err(failure),
        }
    }
    Ok(problems.or(inputs)?)
}

/// The examples in one file, as a model that takes `input` and was made by `scheme` takes them.
pub(crate) fn read_input(input: &ModelInput, scheme: &str, path: &Path) -> Result<Tensor, RunError> {
    match *input {
        ModelInput::Images { channels, height, width } => match pictures_table(scheme, path)? {
            Some(source) => read_rows(source, path),
            None => read_images(path, channels, height, width),
        },
        ModelInput::Features { .. } => read_table(scheme, path),
    }
}

fn read_images(path: &Path, channels: usize, height: usize, width: usize) -> Result<Tensor, RunError> {
    let colours = data::Channels::from_count(channels)
        .ok_or_else(|| RunError::damaged("the graph of a model", format!("it takes {channels} channels")))?;
    Ok(data::read_images(path, colours, height, width)?)
}

/// The table that a model of pictures was made from, if `path` is one too: its rows are pictures.
fn pictures_table(scheme: &str, path: &Path) -> Result<Option<data::CsvSource>, RunError> {
    let name = path.to_string_lossy();
    match name.ends_with(".csv") || name.ends_with(".csv.gz") {
        true => table_of(scheme),
        false => Ok(None),
    }
}

/// The examples of another table, by the scheme that made the model.
fn read_table(scheme: &str, path: &Path) -> Result<Tensor, RunError> {
    match table_of(scheme)? {
        Some(source) => read_rows(source, path),
        None => Err(RunError::damaged("the scheme of a model", "its data is no table")),
    }
}

fn read_rows(source: data::CsvSource, path: &Path) -> Result<Tensor, RunError> {
    let file = data::TableFile::Path(path.to_owned());
    Ok(data::load(&data::Source::Csv(data::CsvSource { file, ..source }))?.input)
}

/// The table that the model's scheme names, if its data is one.
fn table_of(scheme: &str) -> Result<Option<data::CsvSource>, RunError> {
    let name = PathBuf::from("scheme.toml");
    let files = MemoryFiles(BTreeMap::from([(name.clone(), scheme.as_bytes().to_vec())]));
    let scheme = scheme::resolve(&name, &[], &files)
        .result
        .map_err(|problems| RunError::damaged("the scheme of a model", problems))?;
    Ok(match source_of(&scheme)? {
        data::Source::Csv(source) => Some(source),
        _ => None,
    })
}

/// The answers to every example of `inputs`, in their order. Panics if an input is not of the model's type.
pub fn infer(
    model: &LoadedModel,
    inputs: &[(PathBuf, Tensor)],
    threads: usize,
) -> Result<Vec<Prediction>, RunError> {
    let options = Options { batch: EVALUATION_BATCH, threads: threads.max(1), level: Level::detect() };
    let mut predictor = Predictor::shared(model.graph.clone(), options)?;
    let mut predictions = Vec::new();
    for (file, tensor) in inputs {
        let rows = match tensor.data() {
            Data::U8(values) => Rows::U8(values),
            Data::F32(values) => Rows::F32(values),
            _ => panic!("inputs are uint8 or float32, found {}", tensor.dtype()),
        };
        let row_len = tensor.shape()[1..].iter().product();
        let order: Vec<u32> = (0..tensor.shape()[0] as u32).collect();
        let answers = predictor.run(Feed { rows, row_len, targets: Targets::None }, &order)?.remove(0);
        let width = model.labels.len().max(1);
        let rows = answers.values::<f32>().chunks_exact(width).enumerate();
        predictions.extend(rows.map(|(index, row)| prediction(model, file, index, row)));
    }
    Ok(predictions)
}

fn prediction(model: &LoadedModel, file: &Path, index: usize, row: &[f32]) -> Prediction {
    let file = file.to_owned();
    if model.labels.is_empty() {
        return Prediction { file, index, label: None, probabilities: Vec::new(), value: Some(row[0]) };
    }
    let label = Some(model.labels[greatest(row)].clone());
    let probabilities = model.labels.iter().cloned().zip(row.iter().copied()).collect();
    Prediction { file, index, label, probabilities, value: None }
}
