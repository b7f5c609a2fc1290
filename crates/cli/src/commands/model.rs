//! `heirloom model`.

use std::path::{Path, PathBuf};

use pipeline::metrics::Metrics;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Model, ModelSummary, ModelVersion, Port};

use super::{onnx_file, report};
use crate::arguments::{Export, ExportFormat, Json, StoreChoice};
use crate::failure::Failure;
use crate::tables::{Column, facts, table};
use crate::{disk, quantities, terminal};

/// Of more labels, only the first are shown.
const LABELS_SHOWN: usize = 20;

/// Lists every model.
pub(crate) fn list(json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    let store = choice.open()?;
    let models = store.list_models()?;
    if json.wanted {
        let all: Vec<Value> = models.iter().map(summary).collect();
        return terminal::print_json(&json!({ "store": store.path().display().to_string(), "models": all }));
    }
    if models.is_empty() {
        let line = format!("no model in {} yet: `heirloom run SCHEME` makes one\n", store.path().display());
        return terminal::print(&line);
    }
    let columns = [
        Column::Text("model"),
        Column::Text("digest"),
        Column::Number("size"),
        Column::Text("made"),
        Column::Text("aliases"),
    ];
    let rows = models.iter().map(|model| {
        let newest = &model.newest;
        let aliases = model.aliases.iter().map(|(alias, version)| format!("{alias} -> {version}"));
        [
            newest.id(),
            newest.digest.short(),
            quantities::bytes(newest.bytes),
            quantities::moment(newest.created_unix_ms),
            aliases.collect::<Vec<_>>().join(", "),
        ]
    });
    terminal::print(&table(terminal::width(), &columns, rows))
}

fn summary(model: &ModelSummary) -> Value {
    let aliases: serde_json::Map<String, Value> =
        model.aliases.iter().map(|(alias, version)| (alias.clone(), json!(version))).collect();
    let mut document = version(&model.newest);
    document["versions"] = json!(model.versions);
    document["aliases"] = Value::Object(aliases);
    document
}

/// Shows one model, of the store or in an ONNX file.
pub(crate) fn show(reference: &str, json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    if onnx_file::is_file(reference) {
        return onnx_file::show(Path::new(reference), json);
    }
    let store = choice.open()?;
    let model = store.model(reference)?;
    if json.wanted {
        terminal::print_json(&document(&model))
    } else {
        terminal::print(&draw(&model, terminal::width()))
    }
}

fn version(version: &ModelVersion) -> Value {
    json!({
        "model": version.id(),
        "name": version.name,
        "version": version.version,
        "digest": version.digest.to_string(),
        "bytes": version.bytes,
        "created_unix_ms": version.created_unix_ms,
        "metrics": version.metrics,
    })
}

fn document(model: &Model) -> Value {
    let (manifest, found) = (&model.manifest, &model.version);
    let mut document = version(found);
    let more = json!({
        "aliases": found.aliases,
        "scheme_digest": found.scheme_digest.to_string(),
        "data_digest": found.data_digest.to_string(),
        "run": found.run,
        "cpu_level": found.engine.cpu_level,
        "engine_format_version": found.engine.format_version,
        "parameters": parameters(model),
        "manifest": manifest,
    });
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    document
}

fn draw(model: &Model, width: usize) -> String {
    let (manifest, found) = (&model.manifest, &model.version);
    let ports = |ports: &[Port]| {
        let all = ports.iter().map(|port| {
            let shape: Vec<String> = port.shape.0.iter().map(ToString::to_string).collect();
            terminal::printable(&format!("{}: {} [{}]", port.name, port.dtype.name(), shape.join(", ")))
        });
        all.collect::<Vec<_>>().join("; ")
    };
    let mut rows = vec![
        ("model", found.id()),
        ("digest", found.digest.to_string()),
        ("made", quantities::moment(found.created_unix_ms)),
        ("by run", found.run.clone().unwrap_or_else(|| "-".to_owned())),
        ("scheme", found.scheme_digest.to_string()),
        ("data", found.data_digest.to_string()),
        ("engine", format!("{}, format {}", found.engine.cpu_level, found.engine.format_version)),
        ("takes", ports(&manifest.inputs)),
        ("answers", ports(&manifest.outputs)),
        ("labels", labels(&manifest.labels)),
        (
            "tensors",
            format!("{}, {}", manifest.tensors.len(), quantities::counted(parameters(model), "number")),
        ),
        ("size", quantities::bytes(found.bytes)),
        ("aliases", found.aliases.join(", ")),
    ];
    rows.retain(|(_, fact)| !fact.is_empty());
    let measured = Metrics::deserialize(&found.metrics).map(|metrics| report::metrics(&metrics, width));
    match measured {
        Ok(measured) => format!("{}\n{measured}", facts(width, rows)),
        // Metrics that another version wrote in another form are in --json as they are.
        Err(_) => facts(width, rows),
    }
}

fn labels(labels: &[String]) -> String {
    let shown: Vec<String> =
        labels.iter().take(LABELS_SHOWN).map(|label| terminal::printable(label)).collect();
    match labels.len() {
        many if many > LABELS_SHOWN => {
            format!("{} ... ({} in all)", shown.join(", "), quantities::count(many))
        }
        _ => shown.join(", "),
    }
}

/// Numbers in all tensors.
fn parameters(model: &Model) -> usize {
    model.manifest.tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum()
}

/// Writes a model to a file.
pub(crate) fn export(arguments: &Export) -> Result<(), Failure> {
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
