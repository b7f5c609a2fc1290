//! Training examples that a parent leaves for its children, and how a child rehearses them.
//!
//! Kept beside a version under the role [`ROLE`]: eight bytes that name the format and its version, the length of a JSON
//! header, the header, and the inputs' bytes. Only examples of the training part are ever left: those of each class
//! whose digests come first, so that the choice depends on neither order nor chance.

use std::collections::BTreeMap;

use base::{Diagnostic, Digest, DigestWriter};
use data::{Dataset, Splits, Target};
use scheme::ResolvedScheme;
use serde::{Deserialize, Serialize};
use store::Store;
use tensor::{DType, Data, Tensor};

use crate::error::RunError;
use crate::inheritance::{Parent, at};
use crate::keys::json;
use crate::prepare::{Examples, Prepared};

/// Under which role the examples are kept beside a version.
pub(crate) const ROLE: &str = "rehearsal";
/// First bytes of the document; the last is the format's version.
const MAGIC: [u8; 8] = *b"HLMREHS\x01";
/// The longest header that is read.
const HEADER_BYTES_MAX: usize = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    dtype: String,
    /// Lengths of one example.
    shape: Vec<usize>,
    /// The input's feature names; none for images.
    features: Vec<String>,
    classes: Vec<String>,
    /// The class of each example, by number.
    labels: Vec<u32>,
}

/// Examples of a parent that a child can learn from: in the form of the child's, with the child's classes.
pub(crate) struct Rehearsal {
    input: Tensor,
    labels: Vec<u32>,
    /// Of the document that they come from.
    pub(crate) digest: Digest,
    /// What is told of them.
    pub(crate) notice: String,
}

/// The examples to leave, and how many of them there are; `None` if the scheme leaves none.
pub(crate) fn encode(
    scheme: &ResolvedScheme,
    dataset: &Dataset,
    splits: &Splits,
    features: &[String],
) -> Option<(Vec<u8>, usize)> {
    let per_class = scheme.train.leave?.examples_per_class;
    let Target::Classes { labels, names } = &dataset.target else { return None };
    let mut rows = splits.train.clone();
    rows.sort_by_key(|&row| (labels[row as usize], dataset.input_digests[row as usize].0, row));
    let mut counts = vec![0usize; names.len()];
    rows.retain(|&row| {
        let count = &mut counts[labels[row as usize] as usize];
        *count += 1;
        *count <= per_class
    });
    let header = Header {
        dtype: dataset.input.dtype().name().to_owned(),
        shape: dataset.example_shape().to_vec(),
        features: features.to_vec(),
        classes: names.clone(),
        labels: rows.iter().map(|&row| labels[row as usize]).collect(),
    };
    let header = json(&header);
    let mut bytes = MAGIC.to_vec();
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(taken_rows(&dataset.input, &rows).to_bytes());
    Some((bytes, rows.len()))
}

/// Some rows of a tensor.
fn taken_rows(input: &Tensor, rows: &[u32]) -> Tensor {
    let shape = [&[rows.len()], &input.shape()[1..]].concat();
    let width: usize = input.shape()[1..].iter().product();
    let range = |row: &u32| *row as usize * width..(*row as usize + 1) * width;
    match input.data() {
        Data::U8(values) => {
            Tensor::new(shape, rows.iter().flat_map(|row| &values[range(row)]).copied().collect())
        }
        Data::F32(values) => {
            Tensor::new(shape, rows.iter().flat_map(|row| &values[range(row)]).copied().collect())
        }
        _ => unreachable!("inputs are u8 or f32, found {}", input.dtype()),
    }
}

/// Reads the document; safe on any bytes.
fn decode(bytes: &[u8]) -> Result<(Header, Tensor), String> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or("it is of no known version")?;
    let (length, rest) = rest.split_first_chunk::<8>().ok_or("it is too short")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| error.to_string())?;
    if length > HEADER_BYTES_MAX {
        return Err(format!("its header has {length} bytes"));
    }
    let (header, inputs) = rest.split_at_checked(length).ok_or("it is too short")?;
    let header: Header = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    let dtype = DType::from_name(&header.dtype).filter(|dtype| matches!(dtype, DType::U8 | DType::F32));
    let dtype = dtype.ok_or_else(|| format!("its examples are {}", header.dtype))?;
    let shape = [&[header.labels.len()], &header.shape[..]].concat();
    if header.labels.iter().any(|&label| label as usize >= header.classes.len()) {
        return Err("a label is no class".to_owned());
    }
    let elements = shape.iter().try_fold(dtype.size(), |size, &length| size.checked_mul(length));
    if elements != Some(inputs.len()) {
        return Err("it has not as many bytes as its header says".to_owned());
    }
    let input = Tensor::from_bytes(dtype, &shape, inputs).map_err(|error| error.to_string())?;
    Ok((header, input))
}

/// The examples that the scheme rehearses, if it rehearses any.
///
/// Errors   a parent that leaves none, or none that fit; a damaged document.
pub(crate) fn rehearsal_of(
    scheme: &ResolvedScheme,
    prepared: &Prepared,
    parent: &Parent,
    store: &Store,
) -> Result<Option<Rehearsal>, RunError> {
    if scheme.train.rehearse.is_none() {
        return Ok(None);
    }
    let refused = |code: &'static str, message: String, help: &str| -> RunError {
        at(scheme, "train.rehearse", Diagnostic::new(code, message)).help(help.to_owned()).into()
    };
    let left = match &parent.version {
        Some(version) => store.attachment(version, ROLE)?,
        None => None,
    };
    let Some(bytes) = left else {
        let message = format!("{} leaves no examples for its children", parent.id);
        return Err(refused("nothing-to-rehearse", message, "its scheme would say so: `[train.leave]`"));
    };
    let damaged = |reason: String| RunError::damaged("what a model leaves for its children", reason);
    let (header, input) = decode(&bytes).map_err(damaged)?;
    let features = crate::inheritance::features(prepared);
    let fits = header.shape == prepared.summary.example_shape && header.features == features;
    let same_type = header.dtype == crate::architecture::input_type(prepared).dtype.name();
    if !fits || !same_type {
        let message = format!(
            "the examples that {} leaves are not like these: {}{:?}, here {:?}",
            parent.id, header.dtype, header.shape, prepared.summary.example_shape
        );
        return Err(refused("other-examples", message, "leave [train.rehearse] out"));
    }
    let classes = &prepared.summary.classes;
    let place = |label: u32| classes.iter().position(|name| *name == header.classes[label as usize]);
    let pairs = header.labels.iter().enumerate();
    let (rows, labels): (Vec<u32>, Vec<u32>) =
        pairs.filter_map(|(row, &label)| Some((row as u32, place(label)? as u32))).unzip();
    if rows.is_empty() {
        let message = format!("the examples that {} leaves are of no class that is known here", parent.id);
        return Err(refused("nothing-to-rehearse", message, "classes are matched by their names"));
    }
    let mut notice = format!("{} examples of {} are rehearsed", rows.len(), parent.id);
    if rows.len() < header.labels.len() {
        notice += &format!("; {} are of classes that are not known here", header.labels.len() - rows.len());
    }
    Ok(Some(Rehearsal { input: taken_rows(&input, &rows), labels, digest: Digest::of(&bytes), notice }))
}

impl Rehearsal {
    /// The examples of a child with these behind them. Those that judge the child, by validation or test, are left out; the
    /// second value is how many.
    pub(crate) fn joined(&self, examples: &Examples) -> (Examples, usize) {
        let (dataset, splits) = (&examples.dataset, &examples.splits);
        let judges: BTreeMap<Digest, ()> = splits
            .validation
            .iter()
            .chain(&splits.test)
            .map(|&row| (dataset.input_digests[row as usize], ()))
            .collect();
        let digests = data::input_digests(&self.input);
        let rows: Vec<u32> = (0..self.labels.len() as u32)
            .filter(|&row| !judges.contains_key(&digests[row as usize]))
            .collect();
        let mut joined = dataset.clone();
        let added = taken_rows(&self.input, &rows);
        let shape = [&[dataset.rows() + rows.len()], dataset.example_shape()].concat();
        joined.input = match (dataset.input.data(), added.data()) {
            (Data::U8(own), Data::U8(added)) => Tensor::new(shape, [&own[..], &added[..]].concat()),
            (Data::F32(own), Data::F32(added)) => Tensor::new(shape, [&own[..], &added[..]].concat()),
            _ => unreachable!("the types were compared when the examples were read"),
        };
        if let Target::Classes { labels, names } = &mut joined.target {
            for &row in &rows {
                let (label, digest) = (self.labels[row as usize], digests[row as usize]);
                labels.push(label);
                joined.input_digests.push(digest);
                let mut example = DigestWriter::new("heirloom.rehearsed.1");
                example.field(&digest.0).field(names[label as usize].as_bytes());
                joined.digests.push(example.finish());
            }
        }
        let first = dataset.rows() as u32;
        let rehearsed = (first..first + rows.len() as u32).collect();
        (examples.with_rehearsed(joined, rehearsed), self.labels.len() - rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_documents_are_refused() {
        let document = |shape: &[usize], labels: &[u32], inputs: usize| {
            let header = Header {
                dtype: "uint8".to_owned(),
                shape: shape.to_vec(),
                features: Vec::new(),
                classes: vec!["a".to_owned()],
                labels: labels.to_vec(),
            };
            let header = json(&header);
            let length = (header.len() as u64).to_le_bytes();
            [&MAGIC[..], &length, header.as_bytes(), &vec![7; inputs]].concat()
        };
        let whole = document(&[1, 2], &[0, 0], 4);
        assert_eq!(decode(&whole).unwrap().1.shape(), [2, 1, 2]);
        (0..whole.len()).for_each(|end| assert!(decode(&whole[..end]).is_err(), "{end}"));
        assert!(decode(&document(&[1, 2], &[0, 1], 4)).is_err());
        assert!(decode(&document(&[usize::MAX, 2], &[0, 0], 4)).is_err());
        let mut long = whole;
        long[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(decode(&long).is_err());
    }
}
