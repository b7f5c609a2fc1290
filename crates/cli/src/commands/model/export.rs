//! `heirloom model export`.

use std::path::{Path, PathBuf};

use packaging::Subject;
use serde_json::{Value, json};
use store::{BundleCompression, ModelVersion, Store};

use super::folder;
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
        ExportFormat::Bundle => return bundle(&store, &model.version, &output, arguments),
        ExportFormat::Bom => {
            let text = packaging::bill_of_materials(Subject { store: &store, model: &model })?;
            write(&output, text.as_bytes())?
        }
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

/// Writes a model with its whole lineage into one file.
fn bundle(store: &Store, version: &ModelVersion, output: &Path, arguments: &Export) -> Result<(), Failure> {
    let compression = if arguments.compress { BundleCompression::Zstd } else { BundleCompression::Stored };
    let package = store.write_bundle(&[version.id()], output, compression)?;
    if arguments.json.wanted {
        return terminal::print_json(&json!({
            "model": version.id(),
            "digest": version.digest.to_string(),
            "format": arguments.format.name(),
            "output": output.display().to_string(),
            "versions": package.versions.len(),
            "schemes": package.schemes.len(),
            "bytes": package.bytes(),
        }));
    }
    terminal::print(&format!(
        "{}: {} with {} and {}, {}\n",
        output.display(),
        version.id(),
        quantities::counted(package.versions.len() - 1, "ancestor"),
        quantities::counted(package.schemes.len(), "scheme"),
        quantities::bytes(package.bytes())
    ))
}

/// The model's last name and the format's extension.
fn default_output(version: &ModelVersion, format: ExportFormat) -> PathBuf {
    let name = version.name.rsplit('/').next().unwrap_or(&version.name);
    PathBuf::from(format!("{name}.{}", format.extension()))
}
