//! The model as an artifact for registries: the CNCF ModelPack specification.

use provenance::{FileHash, hexadecimal};
use serde_json::{Map, Value, json};
use tensor::DType;

use crate::contents::folder_files;
use crate::oci::annotations::{annotations, created};
use crate::oci::layout::{Layout, MANIFEST_TYPE};
use crate::{PackageError, Subject};

const ARTIFACT_TYPE: &str = "application/vnd.cncf.model.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.cncf.model.config.v1+json";

/// The layout of a ModelPack artifact: each file of the folder form is one uncompressed layer, named by its path.
///
/// Errors   the store; a model that does not fit into ONNX.
pub fn modelpack(subject: Subject<'_>) -> Result<Layout, PackageError> {
    let mut layout = Layout::default();
    let (mut layers, mut differences) = (Vec::new(), Vec::new());
    for (name, bytes) in folder_files(subject)? {
        differences.push(format!("sha256:{}", hexadecimal(&FileHash::Sha256.of(&bytes))));
        let mut layer = layout.blob(&format!("application/vnd.cncf.model.{}.v1.raw", kind(&name)), bytes);
        layer["annotations"] = json!({ "org.cncf.model.filepath": name });
        layers.push(layer);
    }
    let config = json!({
        "descriptor": descriptor(subject)?,
        "modelfs": { "type": "layers", "diffIds": differences },
        "config": technical(subject)?,
    });
    let config = layout.blob(CONFIG_TYPE, serde_json::to_vec(&config)?);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": config,
        "layers": layers,
        "annotations": annotations(subject)?,
    });
    layout.manifest(&manifest, Some(&subject.model.version.version.to_string()), None)?;
    Ok(layout)
}

/// What the specification calls a file of this name.
fn kind(name: &str) -> &'static str {
    match name {
        "model.onnx" | "model.safetensors" => "weight",
        "signature.json" | "labels.json" | "scheme.toml" => "weight.config",
        name if name.starts_with("golden/") => "dataset",
        name if name.starts_with("signed/tensors/") || name == "signed/graph.onnx" => "weight",
        _ => "doc",
    }
}

/// Who the model is. What is not known is left out.
fn descriptor(subject: Subject<'_>) -> Result<Value, PackageError> {
    let version = &subject.model.version;
    let about = subject.store.about(version)?;
    let mut said = Map::new();
    said.insert("createdAt".to_owned(), json!(created(version)));
    said.insert("name".to_owned(), json!(version.name));
    said.insert("version".to_owned(), json!(version.version.to_string()));
    said.insert("revision".to_owned(), json!(version.digest.to_string()));
    if !about.description.is_empty() {
        said.insert("description".to_owned(), json!(about.description));
    }
    if !about.licence.is_empty() {
        said.insert("licenses".to_owned(), json!([about.licence]));
    }
    Ok(Value::Object(said))
}

/// What its files are.
fn technical(subject: Subject<'_>) -> Result<Value, PackageError> {
    let Subject { store, model } = subject;
    let mut said = Map::new();
    if let Some(kind) = pipeline::network_kind(&store.graph(model)?) {
        said.insert("architecture".to_owned(), json!(kind));
    }
    said.insert("format".to_owned(), json!("onnx"));
    let tensors = &model.manifest.tensors;
    let parameters: usize = tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
    said.insert("paramSize".to_owned(), json!(parameters.to_string()));
    if tensors.iter().any(|tensor| tensor.dtype == DType::F32) {
        said.insert("precision".to_owned(), json!("float32"));
    }
    if let [input] = model.manifest.inputs.as_slice() {
        let modality = if input.dtype == DType::U8 { "image" } else { "other" };
        said.insert("capabilities".to_owned(), json!({ "inputTypes": [modality], "outputTypes": ["other"] }));
    }
    Ok(Value::Object(said))
}
