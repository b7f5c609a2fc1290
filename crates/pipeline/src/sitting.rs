//! Models that sit test cases: which cases there are, who can take them, and what they answer.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::Digest;
use data::Dataset;
use engine::{Feed, Options, Predictor, Rows, Targets};
use graph::Graph;
use store::{Direction, ModelVersion, Store};
use tensor::{DType, Data, Tensor};

use crate::cases::{self, Answered, Cases, Expected};
use crate::error::RunError;
use crate::inheritance::feature_names;
use crate::package::unpack;

/// Inputs of stored cases that are in memory at a time.
const INPUT_BYTES_MAX: usize = 1 << 30;
/// Generations whose cases are sat.
const GENERATIONS_MAX: usize = 100;

/// Questions and their right answers.
pub(crate) struct Sheet<'a> {
    /// Whose cases these are: `the test part` or `name@N`.
    pub(crate) owner: String,
    pub(crate) input: Cow<'a, Tensor>,
    /// The rows of `input` that are asked.
    pub(crate) rows: Vec<u32>,
    /// The digest of each of them.
    pub(crate) digests: Vec<Digest>,
    /// Names of a table's columns; empty for images.
    pub(crate) features: Vec<String>,
    /// One for each of `rows`.
    pub(crate) expected: Expected,
    /// What the owner answered when it was registered.
    pub(crate) answered: Option<Answered>,
}

/// A model that sits cases.
pub(crate) struct Candidate<'a> {
    /// `name@N`, or `this model` while it has no name.
    pub(crate) id: &'a str,
    /// From raw input to answer.
    pub(crate) graph: &'a Graph,
    /// Class names by number; empty if it answers with a number.
    pub(crate) labels: &'a [String],
    /// Names of a table's columns; empty for images and where nobody kept them.
    pub(crate) features: &'a [String],
    pub(crate) options: Options,
}

/// A registered model in memory.
pub(crate) struct Registered {
    pub(crate) version: ModelVersion,
    pub(crate) id: String,
    pub(crate) graph: Graph,
    pub(crate) labels: Vec<String>,
    pub(crate) features: Vec<String>,
    pub(crate) parameters: u64,
}

impl Registered {
    /// Loads the model that `reference` names.
    pub(crate) fn load(store: &Store, reference: &str) -> Result<Self, RunError> {
        let model = store.model(reference)?;
        let tensors = store.tensors(&model)?;
        let graph = unpack(&store.graph(&model)?, &tensors)?;
        let features = feature_names(store, &model.version)?;
        let parameters = tensors.iter().map(|(_, tensor)| tensor.len() as u64).sum();
        let (id, labels) = (model.version.id(), model.manifest.labels);
        Ok(Registered { version: model.version, id, graph, labels, features, parameters })
    }

    pub(crate) fn candidate(&self, options: Options) -> Candidate<'_> {
        Candidate {
            id: &self.id,
            graph: &self.graph,
            labels: &self.labels,
            features: &self.features,
            options,
        }
    }
}

impl<'a> Sheet<'a> {
    /// The cases `rows` of a data set.
    pub(crate) fn of(dataset: &'a Dataset, rows: &[u32], features: Vec<String>) -> Self {
        Sheet {
            owner: "the test part".to_owned(),
            input: Cow::Borrowed(&dataset.input),
            rows: rows.to_vec(),
            digests: rows.iter().map(|&row| dataset.input_digests[row as usize]).collect(),
            features,
            expected: Expected::of(dataset, rows),
            answered: None,
        }
    }

    /// Asks `predictor` the first case.
    pub(crate) fn ask(
        &self,
        predictor: &mut Predictor,
        columns: Option<&[usize]>,
    ) -> Result<Vec<f32>, RunError> {
        match columns {
            None => ask(predictor, &self.input, &self.rows[..1]),
            Some(_) => ask(predictor, &picked(&self.input, &self.rows[..1], columns), &[0]),
        }
    }

    /// The input of the case at `place`, without the dimension of the batch.
    pub(crate) fn example(&self, place: usize) -> Tensor {
        let whole = picked(&self.input, &self.rows[place..=place], None);
        let shape = whole.shape()[1..].to_vec();
        whole.reshaped(shape)
    }
}

/// The stored cases of some versions.
#[derive(Default)]
pub(crate) struct Stored {
    pub(crate) sheets: Vec<Sheet<'static>>,
    /// What is left out, and why.
    pub(crate) notices: Vec<String>,
    /// Versions whose cases are in the store, as rows say, and cannot be read.
    pub(crate) unreadable: Vec<String>,
}

/// The cases that `versions` left, in their order. Inputs that stand in an earlier sheet are not read again.
pub(crate) fn stored(store: &Store, versions: &[ModelVersion]) -> Result<Stored, RunError> {
    let (mut found, mut read, mut bytes) = (Stored::default(), BTreeSet::new(), 0usize);
    for version in versions.iter().take(GENERATIONS_MAX) {
        let id = version.id();
        let Some(kept) = store.attachment_digest(version, cases::ROLE)? else {
            found.notices.push(format!("{id} left no test cases"));
            continue;
        };
        match sheet(store, id.clone(), kept, &mut read) {
            Ok(None) => {}
            Ok(Some(_)) if bytes > INPUT_BYTES_MAX => {
                found.notices.push(format!(
                    "the cases of {id} are left out: those before have more than {} MiB",
                    INPUT_BYTES_MAX >> 20
                ));
            }
            Ok(Some((sheet, tested))) => {
                bytes += sheet.input.len() * sheet.input.dtype().size();
                if tested > sheet.rows.len() as u64 {
                    found.notices.push(format!("{id} left {} of its {tested} test cases", sheet.rows.len()));
                }
                found.sheets.push(sheet);
            }
            Err(reason) => found.unreadable.push(format!("the test cases of {id} cannot be read: {reason}")),
        }
    }
    if versions.len() > GENERATIONS_MAX {
        let more = versions.len() - GENERATIONS_MAX;
        found.notices.push(format!("the cases of {more} earlier generations are left out"));
    }
    Ok(found)
}

/// One version's cases and how many it was tested on; nothing if their inputs were read before.
fn sheet(
    store: &Store,
    owner: String,
    kept: Digest,
    read: &mut BTreeSet<Digest>,
) -> Result<Option<(Sheet<'static>, u64)>, String> {
    let blob = |digest| store.get(digest).map_err(|error| error.to_string());
    let Cases { inputs, tested, features, expected, answered } = Cases::decode(&blob(kept)?)?;
    if !read.insert(inputs) {
        return Ok(None);
    }
    let input = cases::decode_inputs(&blob(inputs)?)?;
    let count = input.shape()[0];
    if count != expected.len() {
        return Err(format!("{count} inputs for {} answers", expected.len()));
    }
    let width = *input.shape().last().unwrap_or(&0);
    if !features.is_empty() && features.len() != width {
        return Err(format!("{} names for {width} columns", features.len()));
    }
    let sheet = Sheet {
        owner,
        rows: (0..count as u32).collect(),
        digests: data::input_digests(&input),
        input: Cow::Owned(input),
        features,
        expected,
        answered: Some(answered),
    };
    Ok(Some((sheet, tested)))
}

/// The versions that `references` name, then everything that they descend from, the nearest first; each once.
pub(crate) fn generations(store: &Store, references: &[&str]) -> Result<Vec<ModelVersion>, RunError> {
    let (mut versions, mut edges) = (BTreeMap::new(), Vec::new());
    let mut waiting = VecDeque::new();
    for reference in references {
        let version = store.resolve(reference)?;
        let lineage = store.lineage(&version, Direction::Ancestors)?;
        waiting.push_back((version.name, version.version));
        edges.extend(lineage.edges);
        versions.extend(lineage.versions.into_iter().map(|each| ((each.name.clone(), each.version), each)));
    }
    let mut ordered = Vec::new();
    while let Some(next) = waiting.pop_front() {
        // Taken out on the first visit, so that nothing is there twice.
        let Some(version) = versions.remove(&next) else { continue };
        ordered.push(version);
        let parents = edges.iter().filter(|edge| edge.child == next);
        waiting.extend(parents.map(|edge| edge.parent.clone()));
    }
    Ok(ordered)
}

impl Candidate<'_> {
    /// How many numbers answer one case.
    pub(crate) fn width(&self) -> usize {
        self.labels.len().max(1)
    }

    /// How it can take the cases of `sheet`: as they are (`None`), or these of their columns.
    ///
    /// Errors   why it cannot, to go on "`name@N` ...".
    pub(crate) fn reading(&self, sheet: &Sheet<'_>) -> Result<Option<Vec<usize>>, String> {
        let &[input] = self.graph.inputs.as_slice() else {
            return Err(format!("has {} inputs", self.graph.inputs.len()));
        };
        let ty = self.graph.ty(input);
        let shape: Option<Vec<usize>> = ty.shape.0.iter().skip(1).map(|dim| dim.known()).collect();
        let (Some(shape), given) = (shape, &sheet.input.shape()[1..]) else {
            return Err(format!("takes {ty}"));
        };
        let named = !self.features.is_empty() && !sheet.features.is_empty();
        if ty.dtype == sheet.input.dtype() && shape == given && (!named || self.features == sheet.features) {
            return Ok(None);
        }
        let outer = |shape: &[usize]| shape[..shape.len().saturating_sub(1)].to_vec();
        let table = named && [ty.dtype, sheet.input.dtype()] == [DType::F32; 2];
        if !table || shape.last() != Some(&self.features.len()) || outer(&shape) != outer(given) {
            return Err(format!(
                "takes {} {shape:?}, and the cases are {} {given:?}",
                ty.dtype.name(),
                sheet.input.dtype().name()
            ));
        }
        let places = self.features.iter().map(|name| sheet.features.iter().position(|own| own == name));
        let columns: Option<Vec<usize>> = places.clone().collect();
        columns.map(Some).ok_or_else(|| {
            let missing = self.features.iter().zip(places).filter(|(_, place)| place.is_none());
            let names: Vec<&str> = missing.map(|(name, _)| name.as_str()).take(5).collect();
            format!("takes columns that the cases lack: {}", names.join(", "))
        })
    }

    /// What it answers to the cases at `places` of `sheet`, read as [`Candidate::reading`] says: rows of
    /// [`Candidate::width`] numbers.
    pub(crate) fn answers(
        &self,
        sheet: &Sheet<'_>,
        places: &[usize],
        columns: Option<&[usize]>,
    ) -> Result<Vec<f32>, RunError> {
        let rows: Vec<u32> = places.iter().map(|&place| sheet.rows[place]).collect();
        let mut predictor = Predictor::new(self.graph, self.options)?;
        let answers = match columns {
            None => ask(&mut predictor, &sheet.input, &rows)?,
            Some(_) => {
                let input = picked(&sheet.input, &rows, columns);
                let order: Vec<u32> = (0..rows.len() as u32).collect();
                ask(&mut predictor, &input, &order)?
            }
        };
        if answers.len() != rows.len() * self.width() {
            let reason = format!("{} numbers answer {} cases", answers.len(), rows.len());
            return Err(RunError::damaged(format!("the graph of {}", self.id), reason));
        }
        Ok(answers)
    }
}

fn ask(predictor: &mut Predictor, input: &Tensor, order: &[u32]) -> Result<Vec<f32>, RunError> {
    let rows = match input.data() {
        Data::U8(values) => Rows::U8(values),
        Data::F32(values) => Rows::F32(values),
        _ => unreachable!("inputs are uint8 or float32, found {}", input.dtype()),
    };
    let feed = Feed { rows, row_len: input.shape()[1..].iter().product(), targets: Targets::None };
    let outputs = predictor.run(feed, order)?;
    Ok(outputs.first().and_then(|answer| answer.get::<f32>()).unwrap_or_default().to_vec())
}

/// Rows of an input, and of a table only these columns.
fn picked(input: &Tensor, rows: &[u32], columns: Option<&[usize]>) -> Tensor {
    let length = input.shape()[1..].iter().product::<usize>();
    let range = |row: u32| row as usize * length..(row as usize + 1) * length;
    let mut shape = input.shape().to_vec();
    shape[0] = rows.len();
    match (input.data(), columns) {
        (Data::U8(values), _) => {
            let bytes: Vec<u8> = rows.iter().flat_map(|&row| values[range(row)].iter().copied()).collect();
            Tensor::new(shape, bytes)
        }
        (Data::F32(values), None) => {
            let numbers: Vec<f32> = rows.iter().flat_map(|&row| values[range(row)].iter().copied()).collect();
            Tensor::new(shape, numbers)
        }
        (Data::F32(values), Some(columns)) => {
            let last = shape.len() - 1;
            let width = std::mem::replace(&mut shape[last], columns.len());
            let lines = rows.iter().flat_map(|&row| values[range(row)].chunks_exact(width.max(1)));
            let numbers = lines.flat_map(|line| columns.iter().map(|&column| line[column])).collect();
            Tensor::new(shape, numbers)
        }
        _ => unreachable!("inputs are uint8 or float32, found {}", input.dtype()),
    }
}
