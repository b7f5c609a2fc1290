//! What a model is: the canonical document whose digest is the model's digest.

use std::collections::BTreeSet;
use std::fmt;

use base::{Diagnostic, Digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tensor::{DType, Shape};

use crate::StoreError;
use crate::error::within;
use crate::limits::{DOCUMENT_BYTES_MAX, LABELS_MAX, PORTS_MAX, RANK_MAX, TENSORS_MAX, TEXT_BYTES_MAX};

/// Everything that decides a model's answers. Not in it: time, path, name, metrics, the scheme.
///
/// Written as JSON without spaces, the fields in this order, object keys of `preprocessing` sorted
/// by their bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`Manifest::FORMAT_VERSION`].
    pub format_version: u32,
    /// The ONNX graph.
    pub graph: BlobEntry,
    /// The tensors, in the caller's order.
    pub tensors: Vec<TensorEntry>,
    /// What goes in.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
    /// Class names by class number; empty if the model does not classify.
    pub labels: Vec<String>,
    /// How raw data becomes the inputs, as the pipeline states it.
    pub preprocessing: Value,
}

/// A blob and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobEntry {
    /// Its name.
    #[serde(with = "digest_text")]
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
}

/// One tensor: raw little-endian bytes in a blob of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorEntry {
    /// Its name in the graph.
    pub name: String,
    /// Element type.
    #[serde(with = "dtype_text")]
    pub dtype: DType,
    /// Lengths of the dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Digest of its bytes.
    #[serde(with = "digest_text")]
    pub digest: Digest,
}

impl TensorEntry {
    /// Length of its bytes, unless that cannot be addressed.
    pub fn bytes(&self) -> Option<u64> {
        self.shape
            .iter()
            .try_fold(self.dtype.size() as u64, |size, &length| size.checked_mul(u64::try_from(length).ok()?))
    }
}

/// One input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// Element type.
    #[serde(with = "dtype_text")]
    pub dtype: DType,
    /// Lengths, some of them symbols such as `batch`.
    #[serde(with = "shape_list")]
    pub shape: Shape,
}

impl fmt::Display for Port {
    /// `image: uint8[batch, 1, 28, 28]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.name, self.dtype, self.shape)
    }
}

impl Manifest {
    /// The version that this program writes.
    pub const FORMAT_VERSION: u32 = 1;

    /// The canonical text.
    pub fn encode(&self) -> Result<String, StoreError> {
        self.check()?;
        let canonical = Manifest { preprocessing: sorted(&self.preprocessing), ..self.clone() };
        let text = serde_json::to_string(&canonical)
            .map_err(|error| StoreError::damaged("the manifest of a new model", error))?;
        within(|| "the length in bytes of a manifest".to_owned(), text.len() as u64, DOCUMENT_BYTES_MAX)?;
        Ok(text)
    }

    /// Reads a canonical text that was written by any version so far.
    ///
    /// Errors   a mistake `unknown-format` for a text of a newer version; a text that is damaged.
    pub fn decode(text: &str) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let damaged = |reason: String| StoreError::damaged("the manifest of a model", reason);
        within(|| "the length in bytes of a manifest".to_owned(), text.len() as u64, DOCUMENT_BYTES_MAX)?;
        let Version { format_version } =
            serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        if format_version != Manifest::FORMAT_VERSION {
            let message = format!(
                "the model's manifest has format version {format_version}, and this program reads version {}",
                Manifest::FORMAT_VERSION
            );
            let help = "use the newer program that wrote it";
            return Err(Diagnostic::new("unknown-format", message).help(help).into());
        }
        let manifest: Manifest = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Bytes of the graph and of all tensors, shared or not.
    pub fn bytes(&self) -> u64 {
        let tensors = self.tensors.iter().filter_map(TensorEntry::bytes);
        tensors.fold(self.graph.bytes, u64::saturating_add)
    }

    /// Every blob that the manifest speaks of, each once, with its length.
    pub fn blobs(&self) -> Vec<BlobEntry> {
        let tensors = self
            .tensors
            .iter()
            .map(|tensor| BlobEntry { digest: tensor.digest, bytes: tensor.bytes().unwrap_or(u64::MAX) });
        let mut blobs: Vec<BlobEntry> = std::iter::once(self.graph).chain(tensors).collect();
        blobs.sort_by_key(|blob| blob.digest);
        blobs.dedup_by_key(|blob| blob.digest);
        blobs
    }

    fn check(&self) -> Result<(), StoreError> {
        let count = |what: &'static str, found: usize, limit| within(|| what.to_owned(), found as u64, limit);
        count("the list of a model's tensors", self.tensors.len(), TENSORS_MAX)?;
        count("the list of a model's labels", self.labels.len(), LABELS_MAX)?;
        count("the list of a model's inputs", self.inputs.len(), PORTS_MAX)?;
        count("the list of a model's outputs", self.outputs.len(), PORTS_MAX)?;
        let ports = || self.inputs.iter().chain(&self.outputs);
        let ranks =
            self.tensors.iter().map(|tensor| tensor.shape.len()).chain(ports().map(|port| port.shape.rank()));
        for rank in ranks {
            count("the shape of a tensor", rank, RANK_MAX)?;
        }
        let tensors = self.tensors.iter().map(|tensor| &tensor.name);
        for text in tensors.chain(&self.labels).chain(ports().map(|port| &port.name)) {
            count("the name of a tensor or label", text.len(), TEXT_BYTES_MAX)?;
        }
        self.check_tensors()
    }

    fn check_tensors(&self) -> Result<(), StoreError> {
        let mut names = BTreeSet::new();
        for tensor in &self.tensors {
            if !names.insert(&tensor.name) {
                return Err(StoreError::damaged(
                    "a manifest",
                    format!("two tensors are called `{}`", tensor.name),
                ));
            }
            if tensor.bytes().is_none() {
                return Err(StoreError::damaged(
                    "a manifest",
                    format!("tensor `{}` cannot be addressed", tensor.name),
                ));
            }
        }
        Ok(())
    }
}

/// `value` with the keys of every object in the order of their bytes.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(fields.into_iter().collect())
        }
        other => other.clone(),
    }
}

pub(crate) mod digest_text {
    use base::Digest;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(digest)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod dtype_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use tensor::DType;

    pub(super) fn serialize<S: Serializer>(dtype: &DType, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(dtype.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DType, D::Error> {
        let name = String::deserialize(from)?;
        DType::from_name(&name).ok_or_else(|| D::Error::custom(format!("unknown element type `{name}`")))
    }
}

mod shape_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tensor::{Dim, Shape};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Length {
        Known(usize),
        Symbol(String),
    }

    pub(super) fn serialize<S: Serializer>(shape: &Shape, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(shape.0.iter().map(|dim| match dim {
            Dim::Known(length) => Length::Known(*length),
            Dim::Symbol(symbol) => Length::Symbol(symbol.clone()),
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Shape, D::Error> {
        let lengths = Vec::<Length>::deserialize(from)?;
        let dims = lengths.into_iter().map(|length| match length {
            Length::Known(length) => Dim::Known(length),
            Length::Symbol(symbol) => Dim::Symbol(symbol),
        });
        Ok(Shape(dims.collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format_version: 1,
            graph: BlobEntry { digest: Digest::of(b"graph"), bytes: 5 },
            tensors: vec![TensorEntry {
                name: "w".into(),
                dtype: DType::F32,
                shape: vec![2],
                digest: Digest::of(&[0; 8]),
            }],
            inputs: vec![Port { name: "x".into(), dtype: DType::U8, shape: Shape::batched(&[2]) }],
            outputs: vec![],
            labels: vec!["no".into(), "yes".into()],
            preprocessing: json!({"b": 1, "a": {"d": 0.1307, "c": null}}),
        }
    }

    /// This text is the format: a change here changes every model's digest.
    #[test]
    fn the_text_is_canonical() {
        let graph = Digest::of(b"graph");
        let tensor = Digest::of(&[0; 8]);
        let expect = format!(
            r#"{{"format_version":1,"graph":{{"digest":"{graph}","bytes":5}},"tensors":[{{"name":"w","dtype":"float32","shape":[2],"digest":"{tensor}"}}],"inputs":[{{"name":"x","dtype":"uint8","shape":["batch",2]}}],"outputs":[],"labels":["no","yes"],"preprocessing":{{"a":{{"c":null,"d":0.1307}},"b":1}}}}"#
        );
        let text = manifest().encode().unwrap();
        assert_eq!(text, expect);
        assert_eq!(Manifest::decode(&text).unwrap().encode().unwrap(), text);
    }

    #[test]
    fn damaged_texts_are_refused() {
        let text = manifest().encode().unwrap();
        let same_names = text.replace(
            r#""tensors":["#,
            &format!(
                r#""tensors":[{{"name":"w","dtype":"bool","shape":[],"digest":"{}"}},"#,
                Digest::of(b"")
            ),
        );
        for damaged in [
            String::new(),
            "[".repeat(100_000),
            text.replace("\"format_version\":1", "\"format_version\":2"),
            text.replace("float32", "float33"),
            text.replace("[2]", "[18446744073709551615]"),
            text.replace("[2]", "[-1]"),
            text.replace("\"labels\"", "\"label\""),
            same_names,
        ] {
            assert!(Manifest::decode(&damaged).is_err(), "{}", &damaged[..damaged.len().min(80)]);
        }
    }
}
