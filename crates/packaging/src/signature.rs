//! What a model takes and answers, as a document.

use serde_json::{Value, json};
use store::{Model, Port};
use tensor::Dim;

/// The document `signature.json` of a package: inputs, outputs, labels and preprocessing.
pub(crate) fn signature(model: &Model) -> Value {
    let (version, manifest) = (&model.version, &model.manifest);
    json!({
        "format_version": 1,
        "name": version.name,
        "version": version.version,
        "digest": version.digest.to_string(),
        "inputs": manifest.inputs.iter().map(port).collect::<Vec<_>>(),
        "outputs": manifest.outputs.iter().map(port).collect::<Vec<_>>(),
        "labels": manifest.labels,
        "preprocessing": manifest.preprocessing,
    })
}

fn port(port: &Port) -> Value {
    let lengths = port.shape.0.iter().map(|dim| match dim {
        Dim::Known(length) => json!(length),
        Dim::Symbol(symbol) => json!(symbol),
    });
    json!({ "name": port.name, "dtype": port.dtype.name(), "shape": lengths.collect::<Vec<_>>() })
}
