//! `heirloom model export`.

use std::path::PathBuf;

use serde_json::json;
use store::ModelVersion;

use crate::arguments::{Export, ExportFormat};
use crate::failure::Failure;
use crate::{disk, quantities, terminal};

/// Writes a model to a file.
pub(super) fn export(arguments: &Export) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let model = store.model(&arguments.model)?;
    let bytes = match arguments.format {
        ExportFormat::Onnx => pipeline::export_onnx(&store, &model)?,
        ExportFormat::Safetensors => pipeline::export_safetensors(&store, &model)?,
    };
    let output = arguments.output.clone().unwrap_or_else(|| default_output(&model.version, arguments.format));
    disk::write_whole(&output, &bytes)?;
    if arguments.json.wanted {
        return terminal::print_json(&json!({
            "model": model.version.id(),
            "digest": model.version.digest.to_string(),
            "format": arguments.format.name(),
            "output": output.display().to_string(),
            "bytes": bytes.len(),
        }));
    }
    terminal::print(&format!(
        "{}: {}, {}\n",
        output.display(),
        model.version.id(),
        quantities::bytes(bytes.len() as u64)
    ))
}

/// The model's last name and the format's extension.
fn default_output(version: &ModelVersion, format: ExportFormat) -> PathBuf {
    let name = version.name.rsplit('/').next().unwrap_or(&version.name);
    PathBuf::from(format!("{name}.{}", format.name()))
}
