//! `heirloom model export`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use store::ModelVersion;

use super::{bom, folder};
use crate::arguments::{Export, ExportFormat};
use crate::failure::Failure;
use crate::{disk, quantities, terminal};

/// Writes a model to a file or folder.
pub(super) fn export(arguments: &Export) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let model = store.model(&arguments.model)?;
    let output = arguments.output.clone().unwrap_or_else(|| default_output(&model.version, arguments.format));
    let (bytes, more) = match arguments.format {
        ExportFormat::Folder => (model.manifest.bytes(), folder::write(&store, &model, &output)?),
        ExportFormat::Onnx => write(&output, &pipeline::export_onnx(&store, &model)?)?,
        ExportFormat::Safetensors => write(&output, &pipeline::export_safetensors(&store, &model)?)?,
        ExportFormat::Bom => write(&output, bom::text(&store, &model)?.as_bytes())?,
    };
    if arguments.json.wanted {
        let mut document = json!({
            "model": model.version.id(),
            "digest": model.version.digest.to_string(),
            "format": arguments.format.name(),
            "output": output.display().to_string(),
            "bytes": bytes,
        });
        if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
            document.extend(more);
        }
        return terminal::print_json(&document);
    }
    terminal::print(&format!("{}: {}, {}\n", output.display(), model.version.id(), quantities::bytes(bytes)))
}

fn write(output: &Path, bytes: &[u8]) -> Result<(u64, Value), Failure> {
    disk::write_whole(output, bytes)?;
    Ok((bytes.len() as u64, Value::Null))
}

/// The model's last name and the format's extension.
fn default_output(version: &ModelVersion, format: ExportFormat) -> PathBuf {
    let name = version.name.rsplit('/').next().unwrap_or(&version.name);
    PathBuf::from(format!("{name}.{}", format.extension()))
}
