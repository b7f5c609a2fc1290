//! A question, checked against what the model takes.

use std::time::Duration;

use bytes::Bytes;
use tensor::DType;

use super::signature::{Contents, Port, Signature};
use crate::error::{Kind, Refusal};

/// Examples as the model takes them, row after row.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    U8(Bytes),
    F32(Vec<f32>),
}

/// Examples and their number, at least 1.
#[derive(Debug, Clone)]
pub(crate) struct Examples {
    pub(crate) values: Values,
    pub(crate) count: usize,
}

/// An output that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its place in [`Signature::outputs`].
    pub(crate) output: usize,
    /// After the JSON part as raw bytes.
    pub(crate) binary: bool,
    /// Only so many best classes, as `value:number:label` texts.
    pub(crate) classes: Option<usize>,
}

/// A checked question to one model.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The caller's own name for it; empty for none.
    pub(crate) id: String,
    pub(crate) examples: Examples,
    pub(crate) wanted: Vec<Wanted>,
    /// How long the caller waits.
    pub(crate) timeout: Option<Duration>,
}

/// An input tensor as it arrived, before its contents were looked at.
pub(crate) struct RawTensor<'a> {
    pub(crate) name: &'a str,
    pub(crate) datatype: &'a str,
    pub(crate) shape: &'a [i64],
}

/// How many examples a tensor holds that says so of itself. Its shape is bounded here, before anything is set aside for it.
///
/// Errors   another name, type or shape than the model takes; no example; more than `rows_max`.
pub(crate) fn examples(
    signature: &Signature,
    raw: &RawTensor<'_>,
    rows_max: usize,
) -> Result<usize, Refusal> {
    let Port { name, datatype, shape } = &signature.input;
    if raw.name != name {
        return Err(Refusal::invalid(format!(
            "there is no input `{}`; the model takes `{name}`",
            shown(raw.name)
        )));
    }
    if raw.datatype != *datatype {
        let message = format!("input `{name}` is {datatype}, found {}", shown(raw.datatype));
        return Err(Refusal::invalid(message));
    }
    let fits = raw.shape.len() == shape.len() && raw.shape[1..] == shape[1..] && raw.shape[0] >= 1;
    if !fits {
        let found = &raw.shape[..raw.shape.len().min(8)];
        let message =
            format!("input `{name}` has shape {shape:?} where -1 is one or more examples, found {found:?}");
        return Err(Refusal::invalid(message));
    }
    let count = usize::try_from(raw.shape[0]).unwrap_or(usize::MAX);
    if count > rows_max {
        let message =
            format!("{count} examples in one request; at most {rows_max} are taken, send several requests");
        return Err(Refusal::new(Kind::TooLarge, message));
    }
    Ok(count)
}

/// A caller's word, cut so that an answer stays short.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(64).collect::<String>().escape_debug().to_string()
}

impl Examples {
    /// `count` examples from little-endian bytes.
    ///
    /// Errors   not as many bytes as that takes.
    pub(crate) fn from_bytes(signature: &Signature, count: usize, bytes: Bytes) -> Result<Self, Refusal> {
        let expected = count * signature.row_len * signature.dtype.size();
        if bytes.len() != expected {
            let name = &signature.input.name;
            let message =
                format!("input `{name}` takes {expected} bytes for {count} examples, found {}", bytes.len());
            return Err(Refusal::invalid(message));
        }
        let values = match signature.dtype {
            DType::U8 => Values::U8(bytes),
            _ => {
                let (words, _) = bytes.as_chunks::<4>();
                Values::F32(words.iter().map(|&word| f32::from_le_bytes(word)).collect())
            }
        };
        Ok(Examples { values, count })
    }
}

/// What of `asked` (names with their wishes) the model gives; everything if nothing is asked for.
///
/// Errors   an unknown output, one asked for twice.
pub(crate) fn outputs<'a>(
    signature: &Signature,
    asked: impl Iterator<Item = (&'a str, bool, Option<usize>)>,
    binary: bool,
) -> Result<Vec<Wanted>, Refusal> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for (name, binary, classes) in asked {
        let output = signature.outputs.iter().position(|(port, _)| port.name == name);
        let output = output.ok_or_else(|| {
            let names: Vec<&str> = signature.outputs.iter().map(|(port, _)| port.name.as_str()).collect();
            Refusal::invalid(format!(
                "there is no output `{}`; the model gives {}",
                shown(name),
                names.join(", ")
            ))
        })?;
        if wanted.iter().any(|each| each.output == output) {
            return Err(Refusal::invalid(format!("output `{name}` is asked for twice")));
        }
        let classes = match classes {
            Some(count) => Some(classes_wanted(signature, output, count)?),
            None => None,
        };
        wanted.push(Wanted { output, binary, classes });
    }
    if wanted.is_empty() {
        let all = 0..signature.outputs.len();
        return Ok(all.map(|output| Wanted { output, binary, classes: None }).collect());
    }
    Ok(wanted)
}

/// How many classes of an output are given where `count` are asked for.
///
/// Errors   an output that has no value for each class.
pub(crate) fn classes_wanted(signature: &Signature, output: usize, count: usize) -> Result<usize, Refusal> {
    let (port, contents) = &signature.outputs[output];
    match contents {
        Contents::Numbers { width, .. } if *width == signature.labels.len() && *width > 0 => {
            Ok(count.clamp(1, *width))
        }
        _ => Err(Refusal::invalid(format!("output `{}` has no value for each class", port.name))),
    }
}
