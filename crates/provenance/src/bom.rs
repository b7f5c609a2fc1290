//! A model's bill of materials: CycloneDX 1.6, JSON, with a model card.
//!
//! Specification: ECMA-424, <https://cyclonedx.org/docs/1.6/json/>.

use base::{Digest, DigestWriter};
use serde_json::{Map, Value, json};
use store::{Model, Port, TensorEntry};
use tensor::Dim;

use crate::canonical;
use crate::hash::{FileHash, hexadecimal};
use crate::licences;
use crate::limits::TENSORS_LISTED;
use crate::lineage::{Lineage, Origin};

/// What a bill of materials says about one model version. What is empty is left out.
#[derive(Debug, Clone)]
pub struct Card<'a> {
    /// The version and what it consists of.
    pub model: &'a Model,
    /// What it descends from.
    pub lineage: &'a Lineage,
    /// In one or two sentences.
    pub description: Option<String>,
    /// SPDX identifiers, one SPDX expression, or names of other licences.
    pub licences: Vec<String>,
    /// What it is meant for.
    pub intended_use: Vec<String>,
    /// `classification` or `regression`, if that is known.
    pub task: Option<String>,
    /// The kind of network, such as `convolutional neural network`, if that is known.
    pub architecture: Option<String>,
    /// The version of the program that writes it.
    pub tool_version: String,
    /// When it is written, as RFC 3339 in UTC; without it the same model has the same text forever.
    pub timestamp: Option<String>,
}

impl Card<'_> {
    /// The bill of materials as indented JSON. Its serial number is derived from its content.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        let mut document = self.document();
        let mut digest = DigestWriter::new("heirloom.bom.1");
        digest.field(canonical::text(&document)?.as_bytes());
        document["serialNumber"] = json!(serial_number(digest.finish()));
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    fn document(&self) -> Value {
        let version = &self.model.version;
        let tool = json!({ "type": "application", "name": "heirloom", "version": self.tool_version });
        json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            // Its place; filled in once the rest is known.
            "serialNumber": null,
            "version": 1,
            "metadata": without_empty(json!({
                "timestamp": self.timestamp,
                "tools": { "components": [tool] },
                "component": self.component(),
            })),
            "components": [
                {
                    "type": "data",
                    "bom-ref": self.data_reference(),
                    "name": format!("data of {}", version.name),
                    "data": [{ "type": "dataset", "name": format!("data of {}", version.name) }],
                    "properties": [property("heirloom:data_digest", version.data_digest)],
                },
                {
                    "type": "file",
                    "bom-ref": self.scheme_reference(),
                    "name": "scheme.toml",
                    "description": "The resolved scheme that made the model",
                    "hashes": [blake3(version.scheme)],
                    "properties": [property("heirloom:scheme_digest", version.scheme_digest)],
                },
            ],
            "dependencies": self.dependencies(),
        })
    }

    /// The model itself.
    fn component(&self) -> Value {
        let (version, manifest) = (&self.model.version, &self.model.manifest);
        let text = manifest.encode().unwrap_or_default();
        let mut properties = vec![
            property("heirloom:digest", version.digest),
            property("heirloom:engine_format_version", version.engine.format_version),
            property("heirloom:cpu_level", &version.engine.cpu_level),
            property("heirloom:tensors", manifest.tensors.len()),
            property("heirloom:bytes", manifest.bytes()),
        ];
        properties.extend(version.run.iter().map(|run| property("heirloom:run", run)));
        let labels = manifest.labels.iter().map(|label| property("heirloom:label", label));
        properties.extend(labels.take(TENSORS_LISTED));
        let mut parts = vec![json!({
            "type": "file",
            "bom-ref": format!("graph:{}", manifest.graph.digest),
            "name": "graph.onnx",
            "hashes": [blake3(manifest.graph.digest)],
        })];
        if manifest.tensors.len() <= TENSORS_LISTED {
            parts.extend(manifest.tensors.iter().map(tensor));
        }
        without_empty(json!({
            "type": "machine-learning-model",
            "bom-ref": reference(&self.lineage.model),
            "name": version.name,
            "version": version.version.to_string(),
            "description": self.description,
            "hashes": [
                blake3(version.digest),
                { "alg": "SHA-256", "content": hexadecimal(&FileHash::Sha256.of(text.as_bytes())) },
            ],
            "licenses": licences::choice(&self.licences),
            "pedigree": without_empty(json!({
                "ancestors": self.lineage.ancestors.iter().map(ancestor).collect::<Vec<_>>(),
                "notes": self.descent(),
            })),
            "components": parts,
            "modelCard": self.model_card(),
            "properties": properties,
        }))
    }

    fn model_card(&self) -> Value {
        let (version, manifest) = (&self.model.version, &self.model.manifest);
        let formats =
            |ports: &[Port]| ports.iter().map(|port| json!({ "format": format(port) })).collect::<Vec<_>>();
        without_empty(json!({
            "modelParameters": without_empty(json!({
                "approach": { "type": "supervised" },
                "task": self.task,
                "architectureFamily": self.architecture,
                "datasets": [{ "ref": self.data_reference() }],
                "inputs": formats(&manifest.inputs),
                "outputs": formats(&manifest.outputs),
            })),
            "quantitativeAnalysis": without_empty(json!({ "performanceMetrics": metrics(&version.metrics) })),
            "considerations": without_empty(json!({ "useCases": self.intended_use })),
        }))
    }

    /// Who was made from whom, one sentence each.
    fn descent(&self) -> Option<String> {
        let lines: Vec<String> = self
            .lineage
            .relations
            .iter()
            .map(|descent| format!("{} {} {}", descent.child, descent.relation, descent.parent))
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn dependencies(&self) -> Value {
        let model = &self.lineage.model;
        let known = self.lineage.ancestors.iter().map(|origin| origin.id());
        let all: Vec<Value> = known
            .chain([model.id()])
            .map(|child| {
                let of_child = self.lineage.relations.iter().filter(|descent| descent.child == child);
                let mut needs: Vec<String> = of_child
                    .map(|descent| reference_of(&descent.parent.name, descent.parent.digest))
                    .collect();
                if child == model.id() {
                    needs.extend([self.data_reference(), self.scheme_reference()]);
                }
                needs.sort();
                needs.dedup();
                json!({ "ref": reference_of(&child.name, child.digest), "dependsOn": needs })
            })
            .collect();
        Value::Array(all)
    }

    fn data_reference(&self) -> String {
        format!("data:{}", self.model.version.data_digest)
    }

    fn scheme_reference(&self) -> String {
        format!("scheme:{}", self.model.version.scheme_digest)
    }
}

fn reference(origin: &Origin) -> String {
    reference_of(&origin.name, origin.digest)
}

fn reference_of(name: &str, digest: Digest) -> String {
    format!("model:{name}:{digest}")
}

/// A model that this one descends from.
fn ancestor(origin: &Origin) -> Value {
    json!({
        "type": "machine-learning-model",
        "bom-ref": reference(origin),
        "name": origin.name,
        "hashes": [blake3(origin.digest)],
        "properties": [
            property("heirloom:scheme_digest", origin.scheme_digest),
            property("heirloom:data_digest", origin.data_digest),
        ],
    })
}

fn tensor(entry: &TensorEntry) -> Value {
    let shape: Vec<String> = entry.shape.iter().map(usize::to_string).collect();
    json!({
        "type": "data",
        "bom-ref": format!("tensor:{}", entry.name),
        "name": entry.name,
        "hashes": [blake3(entry.digest)],
        "properties": [property("heirloom:dtype", entry.dtype.name()), property("heirloom:shape", shape.join("x"))],
    })
}

/// `pixels: uint8 [batch, 28, 28]`.
fn format(port: &Port) -> String {
    let lengths: Vec<String> = port
        .shape
        .0
        .iter()
        .map(|dim| match dim {
            Dim::Known(length) => length.to_string(),
            Dim::Symbol(symbol) => symbol.clone(),
        })
        .collect();
    format!("{}: {} [{}]", port.name, port.dtype.name(), lengths.join(", "))
}

/// Every number in `metrics`: the first key is the part of the data, the others name the measure.
/// Lists, such as the rows of a confusion matrix, are left out.
fn metrics(metrics: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for (part, measures) in metrics.as_object().into_iter().flatten() {
        let mut numbers = Vec::new();
        collect_numbers("", measures, &mut numbers);
        found.extend(numbers.into_iter().map(|(name, number)| {
            let (name, slice) =
                if name.is_empty() { (part.as_str(), None) } else { (name.as_str(), Some(part)) };
            without_empty(json!({ "type": name, "value": number, "slice": slice }))
        }));
    }
    found
}

fn collect_numbers(name: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Number(number) => found.push((name.to_owned(), number.to_string())),
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                collect_numbers(&name, value, found);
            }
        }
        _ => {}
    }
}

fn blake3(digest: Digest) -> Value {
    json!({ "alg": "BLAKE3", "content": digest.to_string() })
}

fn property(name: &str, value: impl ToString) -> Value {
    json!({ "name": name, "value": value.to_string() })
}

/// `object` without its fields that say nothing.
fn without_empty(object: Value) -> Value {
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match object {
        Value::Object(fields) => {
            Value::Object(fields.into_iter().filter(|(_, value)| !says_nothing(value)).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// A UUID of version 8 (RFC 9562, section 5.8: own rules) from the first 16 bytes of `digest`.
fn serial_number(digest: Digest) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.0[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    )
}
