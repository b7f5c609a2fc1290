//! Golden examples: a few inputs with what the trained model answered, so that whoever runs the model elsewhere can
//! show that it is the same one.
//!
//! They are left beside a version as `golden`. The answers come from the graph that was trained, before it was packed,
//! written and read again; so a served path that reproduces them has lost neither weights nor preprocessing nor the
//! order of the classes. The form is described in docs/formats/golden.md.

use base::Diagnostic;
use data::{Dataset, Target};
use engine::{Feed, Level, Options, Predictor, Rows, Targets};
use graph::Graph;
use scheme::ResolvedScheme;
use serde::{Deserialize, Serialize};
use store::{ModelVersion, Store};
use tensor::{DType, Data, Tensor};

use crate::architecture::Plan;
use crate::cases::{framed, left_behind, unframed};
use crate::error::RunError;
use crate::infer::LoadedModel;
use crate::options::RunOptions;
use crate::prepare::Examples;

/// Under which role they are kept beside a version.
pub(crate) const ROLE: &str = "golden";
/// First bytes; the last is the format's version.
const MAGIC: [u8; 8] = *b"HLMGOLD\x01";
/// Examples of one version.
const EXAMPLES_MAX: usize = 32;
/// Their inputs; of larger ones there are fewer.
const INPUT_BYTES_MAX: usize = 16 << 20;
/// Dimensions of inputs and outputs.
const RANK_MAX: usize = 8;
/// How far an answer may be off, as [`Golden::tolerance`] says. Processors sum in different orders, which moves a
/// probability by less than 1e-5; a lost scaling or a swapped class moves it by far more.
const TOLERANCE: f64 = 1e-4;

/// Inputs and the answers that the trained model gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// `uint8` or `float32` `[examples, ..]`, as the model takes them.
    pub inputs: Tensor,
    /// `float32` `[examples, answers]`: probabilities by class number, or one number in the target's unit.
    pub outputs: Tensor,
    /// `|found - expected| <= tolerance * max(1, |expected|)` must hold for every number.
    pub tolerance: f64,
}

/// What came of asking a model its golden examples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParityReport {
    /// How many were asked.
    pub examples: usize,
    /// The greatest `|found - expected| / max(1, |expected|)`.
    pub difference_max: f64,
    /// The limit that it was held against.
    pub tolerance: f64,
    /// The first example whose answer is too far off; none if the model is the one that was trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<ParityDifference>,
}

/// An answer that is not the one that was recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParityDifference {
    /// The example, from 0.
    pub example: usize,
    /// The number within its answer, from 0: the class.
    pub output: usize,
    /// What the trained model answered.
    pub expected: f32,
    /// What came now.
    pub found: f32,
}

impl ParityReport {
    /// The mistake of serving the model `id`, if its answers differ.
    pub fn mistake(&self, id: &str) -> Option<Diagnostic> {
        let ParityDifference { example, output, expected, found } = self.first.as_ref()?;
        let message = format!(
            "{id} does not answer as it did when it was trained: golden example {example}, output {output}: expected {expected}, found {found}"
        );
        let told = format!(
            "the greatest difference over {} examples is {:.3e}, and {:.0e} is allowed",
            self.examples, self.difference_max, self.tolerance
        );
        Some(
            Diagnostic::new("golden-differs", message).help(told).help(
                "do not serve it: check the store with `heirloom store verify`, or make the version again",
            ),
        )
    }
}

impl Golden {
    /// Holds what a model answered to [`Golden::inputs`] against what was recorded.
    ///
    /// Errors   as many numbers as were recorded are expected: else a mistake that says so.
    pub fn compare(&self, found: &[f32]) -> Result<ParityReport, Diagnostic> {
        let expected = self.outputs.values::<f32>();
        if found.len() != expected.len() {
            let message = format!(
                "the golden examples have {} numbers as answers, and the model gave {}",
                expected.len(),
                found.len()
            );
            return Err(Diagnostic::new("golden-shape", message)
                .help("the examples are those of another model, or the model was changed"));
        }
        let examples = self.outputs.shape()[0];
        let width = (expected.len() / examples.max(1)).max(1);
        let (mut difference_max, mut first) = (0f64, None);
        for (place, (&expected, &found)) in expected.iter().zip(found).enumerate() {
            let difference = apart(expected, found);
            difference_max = difference_max.max(difference);
            if difference > self.tolerance && first.is_none() {
                let (example, output) = (place / width, place % width);
                first = Some(ParityDifference { example, output, expected, found });
            }
        }
        Ok(ParityReport { examples, difference_max, tolerance: self.tolerance, first })
    }

    /// The blob.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let part = |tensor: &Tensor| Part {
            dtype: tensor.dtype().name().to_owned(),
            shape: tensor.shape().to_vec(),
        };
        let header =
            Header { tolerance: self.tolerance, inputs: part(&self.inputs), outputs: part(&self.outputs) };
        [framed(&MAGIC, &header), self.inputs.to_bytes(), self.outputs.to_bytes()].concat()
    }

    /// Reads a blob; safe on any bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (header, body): (Header, _) = unframed(&MAGIC, bytes)?;
        let Header { tolerance, inputs, outputs } = header;
        if !(tolerance.is_finite() && tolerance >= 0.0) {
            return Err(format!("its tolerance is {tolerance}"));
        }
        let length = inputs.bytes(&[DType::U8, DType::F32])?;
        outputs.bytes(&[DType::F32])?;
        if inputs.shape[0] != outputs.shape[0] || inputs.shape[0] == 0 {
            return Err(format!("{} inputs for {} answers", inputs.shape[0], outputs.shape[0]));
        }
        let (given, answers) = body.split_at_checked(length).ok_or("it is too short")?;
        Ok(Golden { inputs: inputs.read(given)?, outputs: outputs.read(answers)?, tolerance })
    }
}

/// `|found - expected| / max(1, |expected|)`; infinite where only one of the two is a number.
fn apart(expected: f32, found: f32) -> f64 {
    let (expected, found) = (f64::from(expected), f64::from(found));
    if expected == found || (expected.is_nan() && found.is_nan()) {
        return 0.0;
    }
    let difference = (found - expected).abs() / expected.abs().max(1.0);
    if difference.is_nan() { f64::INFINITY } else { difference }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    tolerance: f64,
    inputs: Part,
    outputs: Part,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    dtype: String,
    shape: Vec<usize>,
}

impl Part {
    fn dtype(&self) -> Result<DType, String> {
        DType::from_name(&self.dtype).ok_or_else(|| format!("unknown element type `{}`", self.dtype))
    }

    /// How many bytes it has, if it is of one of these types and no length is 0.
    fn bytes(&self, allowed: &[DType]) -> Result<usize, String> {
        let dtype = self.dtype()?;
        if !allowed.contains(&dtype) || !(1..=RANK_MAX).contains(&self.shape.len()) || self.shape.contains(&0)
        {
            return Err(format!("it holds {} {:?}", self.dtype, self.shape));
        }
        let bytes = self.shape.iter().try_fold(dtype.size(), |size, &length| size.checked_mul(length));
        bytes.ok_or_else(|| format!("{:?} cannot be addressed", self.shape))
    }

    fn read(&self, bytes: &[u8]) -> Result<Tensor, String> {
        Tensor::from_bytes(self.dtype()?, &self.shape, bytes).map_err(|error| error.to_string())
    }
}

/// The golden examples of `version`; none if it left none.
///
/// Errors   examples that were never written by this program; the store.
pub fn golden(store: &Store, version: &ModelVersion) -> Result<Option<Golden>, RunError> {
    let Some(bytes) = store.attachment(version, ROLE)? else { return Ok(None) };
    let what = || format!("the golden examples of {}", version.id());
    Golden::decode(&bytes).map(Some).map_err(|reason| RunError::damaged(what(), reason))
}

/// Asks `model` its golden examples on `threads` threads.
///
/// Errors   examples of another model; the engine.
pub fn verify_golden(model: &LoadedModel, golden: &Golden, threads: usize) -> Result<ParityReport, RunError> {
    let takes = model.input.shape();
    if golden.inputs.dtype() != model.input.dtype() || golden.inputs.shape()[1..] != takes[..] {
        let message = format!(
            "{} takes {} {takes:?}, and its golden examples are {} {:?}",
            model.id,
            model.input.dtype().name(),
            golden.inputs.dtype().name(),
            &golden.inputs.shape()[1..]
        );
        return Err(Diagnostic::new("golden-shape", message)
            .help("the examples are those of another model, or the model was changed")
            .into());
    }
    Ok(golden.compare(&answers(model.graph(), &golden.inputs, threads, Level::detect())?)?)
}

/// The golden examples that a new version leaves, with their role: some of the test cases that are left behind anyway,
/// answered by the trained graph of `plan`. `None` if none is left behind.
pub(crate) fn attachment(
    scheme: &ResolvedScheme,
    plan: &Plan,
    examples: &Examples,
    options: &RunOptions,
) -> Result<Option<(String, Vec<u8>)>, RunError> {
    let dataset = &examples.dataset;
    let rows = left_behind(dataset, &examples.judges, scheme.evaluate.cases_max as usize);
    let chosen = chosen(dataset, &rows);
    if chosen.is_empty() {
        return Ok(None);
    }
    let inputs = picked(&dataset.input, &chosen);
    let answers = answers(&plan.graph, &inputs, options.threads, options.level)?;
    let outputs = Tensor::new([chosen.len(), answers.len() / chosen.len()], answers);
    Ok(Some((ROLE.to_owned(), Golden { inputs, outputs, tolerance: TOLERANCE }.encode())))
}

/// At most [`EXAMPLES_MAX`] of `rows`: of each class in turn the one with the smallest digest that is not yet taken;
/// of numbers those with the smallest digests.
fn chosen(dataset: &Dataset, rows: &[u32]) -> Vec<u32> {
    let row_bytes = dataset.example_shape().iter().product::<usize>() * dataset.input.dtype().size();
    let limit = EXAMPLES_MAX.min(INPUT_BYTES_MAX / row_bytes.max(1));
    let mut ordered = rows.to_vec();
    ordered.sort_by_key(|&row| (dataset.input_digests[row as usize], row));
    ordered.dedup_by_key(|row| dataset.input_digests[*row as usize]);
    let mut classes = vec![Vec::new()];
    for row in ordered {
        let class = match &dataset.target {
            Target::Classes { labels, .. } => labels[row as usize] as usize,
            Target::Values { .. } => 0,
        };
        if class >= classes.len() {
            classes.resize(class + 1, Vec::new());
        }
        classes[class].push(row);
    }
    let longest = classes.iter().map(Vec::len).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| classes.iter().filter_map(move |class| class.get(turn)));
    turns.copied().take(limit).collect()
}

/// Rows of an input.
fn picked(input: &Tensor, rows: &[u32]) -> Tensor {
    let length = input.shape()[1..].iter().product::<usize>();
    let range = |row: &u32| *row as usize * length..(*row as usize + 1) * length;
    let shape: Vec<usize> = std::iter::once(rows.len()).chain(input.shape()[1..].iter().copied()).collect();
    match input.data() {
        Data::U8(values) => {
            Tensor::new(shape, rows.iter().flat_map(|row| values[range(row)].to_vec()).collect())
        }
        Data::F32(values) => {
            Tensor::new(shape, rows.iter().flat_map(|row| values[range(row)].to_vec()).collect::<Vec<f32>>())
        }
        _ => unreachable!("inputs are uint8 or float32, found {}", input.dtype()),
    }
}

fn answers(graph: &Graph, inputs: &Tensor, threads: usize, level: Level) -> Result<Vec<f32>, RunError> {
    let rows = match inputs.data() {
        Data::U8(values) => Rows::U8(values),
        Data::F32(values) => Rows::F32(values),
        _ => unreachable!("golden inputs are uint8 or float32, found {}", inputs.dtype()),
    };
    let count = inputs.shape()[0];
    let options = Options { batch: count.max(1), threads: threads.max(1), level };
    let feed = Feed { rows, row_len: inputs.shape()[1..].iter().product(), targets: Targets::None };
    let order: Vec<u32> = (0..count as u32).collect();
    let outputs = Predictor::new(graph, options)?.run(feed, &order)?;
    Ok(outputs.first().and_then(|answer| answer.get::<f32>()).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Golden {
        Golden {
            inputs: Tensor::new([2, 2], vec![1u8, 2, 3, 4]),
            outputs: Tensor::new([2, 2], vec![0.25f32, 0.75, 1.0, 0.0]),
            tolerance: 1e-4,
        }
    }

    /// The bytes are the format: a change here leaves what was written before unreadable.
    #[test]
    fn the_bytes_are_as_documented() {
        let header = concat!(
            r#"{"tolerance":0.0001,"inputs":{"dtype":"uint8","shape":[2,2]},"#,
            r#""outputs":{"dtype":"float32","shape":[2,2]}}"#
        );
        let mut expect = b"HLMGOLD\x01".to_vec();
        expect.extend((header.len() as u32).to_le_bytes());
        expect.extend(header.as_bytes());
        expect.extend([1, 2, 3, 4]);
        expect.extend([0.25f32, 0.75, 1.0, 0.0].iter().flat_map(|value| value.to_le_bytes()));
        assert_eq!(String::from_utf8_lossy(&small().encode()), String::from_utf8_lossy(&expect));
        assert_eq!(Golden::decode(&expect).unwrap(), small());
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bytes = small().encode();
        for end in 0..bytes.len() {
            assert!(Golden::decode(&bytes[..end]).is_err(), "{end}");
        }
        for (from, to) in
            [("[2,2]},\"o", "[9,2]},\"o"), ("uint8", "int64"), ("0.0001", "-1.000"), ("[2,2]}}", "[0,2]}}")]
        {
            let text: Vec<u8> = bytes.clone();
            let at = text.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            let mut changed = text;
            changed[at..at + to.len()].copy_from_slice(to.as_bytes());
            assert!(Golden::decode(&changed).is_err(), "{to}");
        }
    }

    #[test]
    fn the_first_difference_is_told() {
        let golden = small();
        let near = golden.compare(&[0.25005, 0.74995, 1.0, 0.0]).unwrap();
        assert_eq!((near.first.clone(), near.mistake("m@1")), (None, None));
        assert!((4e-5..6e-5).contains(&near.difference_max), "{near:?}");
        let far = golden.compare(&[0.25, 0.75, 0.5, f32::NAN]).unwrap();
        let first = ParityDifference { example: 1, output: 0, expected: 1.0, found: 0.5 };
        assert_eq!((far.first.clone(), far.difference_max), (Some(first), f64::INFINITY));
        let told = far.mistake("m@1").unwrap();
        assert_eq!(told.code, "golden-differs");
        assert!(told.message.contains("example 1, output 0: expected 1, found 0.5"), "{}", told.message);
        assert_eq!(golden.compare(&[0.5]).unwrap_err().code, "golden-shape");
    }
}
