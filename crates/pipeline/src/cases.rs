//! The test cases that a model version leaves beside it, for its descendants to be tried on.
//!
//! Two blobs: `case_inputs` holds the inputs as the model takes them, `cases` the right answers and the model's own.
//! The first is the same for every version that was tested on the same examples, so sixty children cost its bytes
//! once; the second has 6 bytes a case, and more only where there are many classes or numbers. A case is named by the digest of its input, which is computed from the
//! input whenever it is read. The form is described in docs/formats/cases.md.

use base::Digest;
use data::{Dataset, Target};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tensor::{DType, Data, Tensor};

use crate::keys::json;

/// Under which role the answers are kept beside a version.
pub(crate) const ROLE: &str = "cases";
/// Under which role the inputs are.
pub(crate) const INPUTS_ROLE: &str = "case_inputs";
/// First bytes of each; the last is the format's version.
const MAGIC: [u8; 8] = *b"HLMCASE\x01";
const INPUTS_MAGIC: [u8; 8] = *b"HLMINPT\x01";
/// Longest header.
const HEADER_BYTES_MAX: usize = 64 << 20;
/// Inputs that are left beside one version.
pub(crate) const INPUT_BYTES_MAX: usize = 256 << 20;
/// Cases that are read.
const CASES_MAX: u64 = 10_000_000;
/// Dimensions of the inputs.
const RANK_MAX: usize = 8;

/// The right answers to a list of questions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expected {
    /// The classes' names, and the number of each case's.
    Classes { labels: Vec<String>, classes: Vec<u32> },
    /// Numbers, in the target's unit.
    Values(Vec<f64>),
}

/// What the model answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answered {
    /// The class and its probability, for each case.
    Classes(Vec<(u32, f32)>),
    /// Numbers, in the target's unit.
    Values(Vec<f64>),
}

/// What is kept as `cases`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cases {
    /// The blob of the inputs.
    pub(crate) inputs: Digest,
    /// How many cases the model was tested on; more than there are here if a limit was met.
    pub(crate) tested: u64,
    /// Names of a table's columns; empty for images.
    pub(crate) features: Vec<String>,
    /// As long as there are cases.
    pub(crate) expected: Expected,
    /// As long as `expected`, and of the same kind; classes are numbered as there.
    pub(crate) answered: Answered,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    inputs: String,
    cases: u64,
    tested: u64,
    features: Vec<String>,
    /// Empty: the answers are numbers.
    labels: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputsHeader {
    dtype: String,
    shape: Vec<usize>,
}

impl Expected {
    /// The right answers to `rows`.
    pub(crate) fn of(dataset: &Dataset, rows: &[u32]) -> Self {
        let values = |column: &[f64]| rows.iter().map(|&row| column[row as usize]).collect();
        match &dataset.target {
            Target::Classes { labels, names } => Expected::Classes {
                labels: names.clone(),
                classes: rows.iter().map(|&row| labels[row as usize]).collect(),
            },
            Target::Values { forecast: Some(forecast), .. } => Expected::Values(values(&forecast.actual)),
            Target::Values { values, .. } => {
                Expected::Values(rows.iter().map(|&row| f64::from(values[row as usize])).collect())
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Expected::Classes { classes, .. } => classes.len(),
            Expected::Values(values) => values.len(),
        }
    }

    /// The class names; none if the answers are numbers.
    pub(crate) fn labels(&self) -> &[String] {
        match self {
            Expected::Classes { labels, .. } => labels,
            Expected::Values(_) => &[],
        }
    }
}

/// The rows of a test part that are left beside the model: all, or where there is a limit those with the smallest
/// digests, so that every model tested on the same examples leaves the same ones.
pub(crate) fn left_behind(dataset: &Dataset, rows: &[u32], cases_max: usize) -> Vec<u32> {
    let row_bytes = dataset.example_shape().iter().product::<usize>() * dataset.input.dtype().size();
    let limit = cases_max.min(INPUT_BYTES_MAX / row_bytes.max(1));
    if rows.len() <= limit {
        return rows.to_vec();
    }
    let mut places: Vec<usize> = (0..rows.len()).collect();
    places.sort_by_key(|&place| (dataset.input_digests[rows[place] as usize], place));
    places.truncate(limit);
    places.sort_unstable();
    places.into_iter().map(|place| rows[place]).collect()
}

/// The inputs of `rows` as a blob.
pub(crate) fn encode_inputs(input: &Tensor, rows: &[u32]) -> Vec<u8> {
    let shape: Vec<usize> = std::iter::once(rows.len()).chain(input.shape()[1..].iter().copied()).collect();
    let length = shape[1..].iter().product::<usize>();
    let range = |row: u32| row as usize * length..(row as usize + 1) * length;
    let header = InputsHeader { dtype: input.dtype().name().to_owned(), shape };
    let mut bytes = framed(&INPUTS_MAGIC, &header);
    for &row in rows {
        match input.data() {
            Data::U8(values) => bytes.extend(&values[range(row)]),
            Data::F32(values) => {
                bytes.extend(values[range(row)].iter().flat_map(|value| value.to_le_bytes()))
            }
            _ => unreachable!("inputs are u8 or f32, found {}", input.dtype()),
        }
    }
    bytes
}

/// Reads inputs; safe on any bytes.
pub(crate) fn decode_inputs(bytes: &[u8]) -> Result<Tensor, String> {
    let (header, body): (InputsHeader, _) = unframed(&INPUTS_MAGIC, bytes)?;
    let dtype = DType::from_name(&header.dtype).filter(|dtype| matches!(dtype, DType::U8 | DType::F32));
    let dtype = dtype.ok_or_else(|| format!("inputs are uint8 or float32, not `{}`", header.dtype))?;
    if !(2..=RANK_MAX).contains(&header.shape.len()) {
        return Err(format!("it has {} dimensions", header.shape.len()));
    }
    // Without this, a few bytes could claim any number of empty inputs.
    if header.shape[1..].contains(&0) {
        return Err("its inputs are empty".to_owned());
    }
    Tensor::from_bytes(dtype, &header.shape, body).map_err(|error| error.to_string())
}

impl Cases {
    /// The blob.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let header = Header {
            inputs: self.inputs.to_string(),
            cases: self.expected.len() as u64,
            tested: self.tested,
            features: self.features.clone(),
            labels: self.expected.labels().to_vec(),
        };
        let mut bytes = framed(&MAGIC, &header);
        match (&self.expected, &self.answered) {
            (Expected::Classes { labels, classes }, Answered::Classes(answers)) => {
                let width = class_width(labels.len());
                for (expected, (class, confidence)) in classes.iter().zip(answers) {
                    bytes.extend(&expected.to_le_bytes()[..width]);
                    bytes.extend(&class.to_le_bytes()[..width]);
                    bytes.extend(confidence.to_le_bytes());
                }
            }
            (Expected::Values(values), Answered::Values(answers)) => {
                for (expected, answer) in values.iter().zip(answers) {
                    bytes.extend(expected.to_le_bytes());
                    bytes.extend(answer.to_le_bytes());
                }
            }
            (expected, answered) => panic!("{expected:?} and {answered:?} are of different kinds"),
        }
        bytes
    }

    /// Reads a blob; safe on any bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (header, body): (Header, _) = unframed(&MAGIC, bytes)?;
        let inputs = header.inputs.parse().map_err(|error: base::ParseDigestError| error.to_string())?;
        let width = match header.labels.len() {
            0 => 16,
            classes => 2 * class_width(classes) + 4,
        };
        if header.cases > CASES_MAX || body.len() as u64 != header.cases * width as u64 {
            return Err(format!("{} bytes for {} cases", body.len(), header.cases));
        }
        let (expected, answered) = match header.labels.is_empty() {
            true => numbers(body),
            false => classes(header.labels, body)?,
        };
        Ok(Cases { inputs, tested: header.tested, features: header.features, expected, answered })
    }
}

/// Bytes of a class's number among so many.
fn class_width(classes: usize) -> usize {
    match classes {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

fn numbers(body: &[u8]) -> (Expected, Answered) {
    let (words, _) = body.as_chunks::<8>();
    let of =
        |offset: usize| words.iter().skip(offset).step_by(2).map(|word| f64::from_le_bytes(*word)).collect();
    (Expected::Values(of(0)), Answered::Values(of(1)))
}

fn classes(labels: Vec<String>, body: &[u8]) -> Result<(Expected, Answered), String> {
    let width = class_width(labels.len());
    let (mut classes, mut answers) = (Vec::new(), Vec::new());
    for case in body.chunks_exact(2 * width + 4) {
        let number =
            |bytes: &[u8]| bytes.iter().rev().fold(0u32, |number, &byte| number << 8 | u32::from(byte));
        let (expected, class) = (number(&case[..width]), number(&case[width..2 * width]));
        let confidence = f32::from_bits(number(&case[2 * width..]));
        if let Some(strange) = [expected, class].into_iter().find(|&class| class as usize >= labels.len()) {
            return Err(format!("class {strange} of {}", labels.len()));
        }
        classes.push(expected);
        answers.push((class, confidence));
    }
    Ok((Expected::Classes { labels, classes }, Answered::Classes(answers)))
}

/// Magic, length of the header, header; what follows is the caller's.
pub(crate) fn framed(magic: &[u8; 8], header: &impl Serialize) -> Vec<u8> {
    let header = json(header);
    let length = u32::try_from(header.len()).unwrap_or_else(|_| panic!("a header of {} bytes", header.len()));
    [&magic[..], &length.to_le_bytes(), header.as_bytes()].concat()
}

pub(crate) fn unframed<'a, T: DeserializeOwned>(
    magic: &[u8; 8],
    bytes: &'a [u8],
) -> Result<(T, &'a [u8]), String> {
    let rest = bytes.strip_prefix(magic).ok_or("it does not begin as one of a known version")?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or("it is too short")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > HEADER_BYTES_MAX {
        return Err(format!("its header has {length} bytes"));
    }
    let (header, body) = rest.split_at_checked(length).ok_or("it is too short")?;
    Ok((serde_json::from_slice(header).map_err(|error| error.to_string())?, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified() -> Cases {
        Cases {
            inputs: Digest::of(b"inputs"),
            tested: 9,
            features: vec!["width".to_owned()],
            expected: Expected::Classes {
                labels: vec!["no".to_owned(), "yes".to_owned()],
                classes: vec![0, 1],
            },
            answered: Answered::Classes(vec![(1, 0.75), (1, 0.5)]),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let measured = Cases {
            expected: Expected::Values(vec![1.5, -2.0]),
            answered: Answered::Values(vec![1.25, f64::NAN]),
            ..classified()
        };
        assert_eq!(Cases::decode(&classified().encode()).unwrap(), classified());
        for count in [256, 257, 65_536, 65_537u32] {
            let labels = (0..count).map(|class| class.to_string()).collect();
            let many = Cases {
                expected: Expected::Classes { labels, classes: vec![0, count - 1] },
                answered: Answered::Classes(vec![(count - 1, 0.1), (255, 1.0)]),
                ..classified()
            };
            assert_eq!(Cases::decode(&many.encode()).unwrap(), many);
        }
        // A number that is none is a matter for whoever compares.
        assert_eq!(Cases::decode(&measured.encode()).unwrap().encode(), measured.encode());
        let input = Tensor::new([3, 2], vec![1f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let read = decode_inputs(&encode_inputs(&input, &[2, 0])).unwrap();
        assert_eq!(read, Tensor::new([2, 2], vec![5f32, 6.0, 1.0, 2.0]));
    }

    /// The bytes are the format: a change here leaves what was written before unreadable.
    #[test]
    fn the_bytes_are_as_documented() {
        let header = format!(
            r#"{{"inputs":"{}","cases":2,"tested":9,"features":["width"],"labels":["no","yes"]}}"#,
            Digest::of(b"inputs")
        );
        let mut expect = b"HLMCASE\x01".to_vec();
        expect.extend((header.len() as u32).to_le_bytes());
        expect.extend(header.as_bytes());
        expect.extend([0, 1, 0, 0, 0x40, 0x3f, 1, 1, 0, 0, 0, 0x3f]);
        assert_eq!(classified().encode(), expect);
        let inputs = encode_inputs(&Tensor::new([1, 2], vec![7u8, 9]), &[0]);
        let header = r#"{"dtype":"uint8","shape":[1,2]}"#;
        let expect =
            [b"HLMINPT\x01", &[header.len() as u8, 0, 0, 0][..], header.as_bytes(), &[7, 9]].concat();
        assert_eq!(inputs, expect);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let cases = classified().encode();
        let inputs = encode_inputs(&Tensor::new([2, 2], vec![1u8, 2, 3, 4]), &[0, 1]);
        for end in 0..cases.len() {
            assert!(Cases::decode(&cases[..end]).is_err(), "{end}");
        }
        for end in 0..inputs.len() {
            assert!(decode_inputs(&inputs[..end]).is_err(), "{end}");
        }
        let mut strange = cases.clone();
        let at = cases.len() - 6;
        strange[at] = 7;
        assert!(Cases::decode(&strange).unwrap_err().contains("class 7 of 2"));
        let huge = |header: &str| {
            [&INPUTS_MAGIC[..], &(header.len() as u32).to_le_bytes(), header.as_bytes()].concat()
        };
        for header in [
            r#"{"dtype":"uint8","shape":[18446744073709551615,2]}"#,
            r#"{"dtype":"uint8","shape":[9000000000,9000000000,9]}"#,
            r#"{"dtype":"uint8","shape":[0]}"#,
            r#"{"dtype":"uint8","shape":[9000000000,0]}"#,
            r#"{"dtype":"int64","shape":[0,1]}"#,
        ] {
            assert!(decode_inputs(&huge(header)).is_err(), "{header}");
        }
    }
}
