//! An ONNX file as the network: its nodes and its weights.

use std::collections::BTreeSet;
use std::path::Path;

use base::{Diagnostic, Diagnostics, Location};
use graph::{Graph, Value, ValueId, onnx};
use scheme::ResolvedScheme;
use tensor::Shape;

use super::builder::{Builder, elements};
use super::copy::{Copied, copy_into};
use super::file_name;
use crate::error::RunError;
use crate::events::LayerSummary;

/// Reads the file that `model.graph` names.
pub(super) fn read_file(scheme: &ResolvedScheme, path: &Path) -> Result<Vec<u8>, RunError> {
    let point = |diagnostic: Diagnostic| match scheme.span_of("model.graph") {
        Some(span) => diagnostic.at(span, "named here"),
        None => diagnostic,
    };
    let missing = || {
        let message = format!("there is no file `{}`", file_name(path));
        point(Diagnostic::new("missing-file", message).label(Location::file(path), "not found"))
    };
    let length = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => {
            let found =
                Diagnostic::new("not-a-file", "an ONNX file was expected here, found a folder or a device");
            return Err(point(found.label(Location::file(path), "")).into());
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing().into()),
        Err(error) => return Err(RunError::file("read", path, error)),
    };
    if length >= 1 << 31 {
        let found = Diagnostic::new("onnx-too-large", "an ONNX file has fewer than 2 GiB");
        return Err(point(found.label(Location::file(path), "")).into());
    }
    std::fs::read(path).map_err(|error| RunError::file("read", path, error))
}

/// Adds the network in `bytes`, the contents of the file `path`, behind the builder's newest value; `raw` is the input
/// before preprocessing. A final softmax is left out: the loss and the answer have their own.
pub(super) fn add(
    builder: &mut Builder<'_>,
    path: &Path,
    bytes: &[u8],
    raw: ValueId,
) -> Result<(), Diagnostics> {
    builder.key = "model.graph".to_owned();
    let onnx::Model { graph: network, metadata, .. } = onnx::read(bytes, path)?;
    let input = only_input(builder, path, &network)?;
    let start = fitting_input(builder, path, &network, input, raw)?;
    let &[output] = network.outputs.as_slice() else {
        let message = format!("the network has {} outputs, one is expected", network.outputs.len());
        return Err(wrong(builder, path, message).into());
    };
    let result = before_softmax(&network, output);
    charge(builder, &network)?;
    let fixed = fixed_names(&network);
    let mut changed = Vec::new();
    let mut of = |id: ValueId, value: &Value| match &value.constant {
        Some(tensor) => {
            changed.push(id);
            Copied::Constant(tensor.clone())
        }
        None => Copied::Given(start),
    };
    let made = copy_into(&mut builder.graph, &network, &[result], &mut of)
        .map_err(|error| wrong(builder, path, error.to_string()))?;
    for id in changed {
        let (value, copy) = (network.value(id), made[&id]);
        let name = builder.graph.value(copy).name.clone();
        if fixed.statistics.contains(&value.name) {
            builder.statistics.insert(name);
        } else if value.ty.dtype.is_float()
            && value.ty.shape.rank() > 0
            && !fixed.settings.contains(&value.name)
        {
            builder.learnt.insert(name);
        }
    }
    builder.value = made[&result];
    note_labels(builder, path, metadata.get("labels").map(String::as_str));
    let sizes = builder.learnt.iter().filter_map(|name| builder.graph.find_value(name));
    let parameters = sizes.map(|id| elements(&builder.graph, id)).sum();
    let shape = builder.shape();
    builder.layers.push(LayerSummary {
        name: network.name.clone(),
        op: "graph".to_owned(),
        shape,
        parameters,
    });
    Ok(())
}

fn wrong(builder: &Builder<'_>, path: &Path, message: String) -> Diagnostic {
    let diagnostic = Diagnostic::new("graph-does-not-fit", message);
    let diagnostic = match builder.scheme.span_of("model.graph") {
        Some(span) => diagnostic.at(span, "named here"),
        None => diagnostic,
    };
    diagnostic.label(Location::file(path), "")
}

fn only_input(builder: &Builder<'_>, path: &Path, network: &Graph) -> Result<ValueId, Diagnostics> {
    match network.inputs.as_slice() {
        &[input] => Ok(input),
        inputs => {
            let message = format!("the network has {} inputs, one is expected", inputs.len());
            Err(wrong(builder, path, message).into())
        }
    }
}

/// The value that the network's input becomes: what preprocessing gives, or the raw input where the file does its
/// own preprocessing and the scheme has none.
fn fitting_input(
    builder: &Builder<'_>,
    path: &Path,
    network: &Graph,
    input: ValueId,
    raw: ValueId,
) -> Result<ValueId, Diagnostics> {
    let wanted = network.ty(input);
    let fits = |value: ValueId| {
        let ty = builder.graph.ty(value);
        ty.dtype == wanted.dtype && shapes_agree(&wanted.shape, &ty.shape)
    };
    if fits(builder.value) {
        return Ok(builder.value);
    }
    if builder.prepared.steps.is_empty() && fits(raw) {
        return Ok(raw);
    }
    let (found, raw) = (builder.graph.ty(builder.value), builder.graph.ty(raw));
    let message = format!("the network takes {wanted}, and preprocessing gives {found}");
    let help = if wanted.dtype == raw.dtype && shapes_agree(&wanted.shape, &raw.shape) {
        "the file preprocesses by itself: leave `preprocess` empty"
    } else {
        "change the shape of the examples in `data`, or the preprocessing"
    };
    Err(wrong(builder, path, message).help(help).into())
}

/// Whether every length that the file fixes, behind the batch, is the data's.
fn shapes_agree(wanted: &Shape, found: &Shape) -> bool {
    let pairs = wanted.0.iter().zip(&found.0).skip(1);
    wanted.rank() == found.rank()
        && wanted.0.first().is_some_and(|batch| batch.known().is_none())
        && pairs.into_iter().all(|(wanted, found)| wanted.known().is_none() || wanted == found)
}

/// The logits, if `output` is their softmax.
fn before_softmax(network: &Graph, output: ValueId) -> ValueId {
    let maker = network.nodes().find(|(_, node)| node.outputs.contains(&output));
    match maker {
        Some((_, node)) if matches!(node.op_name(), "Softmax" | "LogSoftmax") => {
            node.inputs[0].unwrap_or(output)
        }
        _ => output,
    }
}

/// Takes note of every weight and value, by the network's own account of their sizes.
fn charge(builder: &mut Builder<'_>, network: &Graph) -> Result<(), Diagnostics> {
    for (_, value) in network.values() {
        let lengths: Vec<usize> = value.ty.shape.0.iter().filter_map(|dim| dim.known()).collect();
        match &value.constant {
            Some(_) => builder.charge_weight(&lengths)?,
            None => builder.charge_lengths(&lengths)?,
        }
    }
    Ok(())
}

/// Constants that learning leaves alone or changes in its own way.
struct Fixed {
    /// Running means and variances.
    statistics: BTreeSet<String>,
    /// Preprocessing inside the file.
    settings: BTreeSet<String>,
}

fn fixed_names(network: &Graph) -> Fixed {
    let name = |id: Option<ValueId>| id.map(|id| network.value(id).name.clone());
    let norms = network.nodes().filter(|(_, node)| node.op_name() == "BatchNormalization");
    let statistics =
        norms.flat_map(|(_, node)| [name(node.inputs[3]), name(node.inputs[4])]).flatten().collect();
    let names = network.values().map(|(_, value)| value.name.clone());
    Fixed { statistics, settings: names.filter(|name| name.starts_with("preprocess.")).collect() }
}

/// Tells if the file's classes are not those of the data, in their order.
fn note_labels(builder: &mut Builder<'_>, path: &Path, labels: Option<&str>) {
    let Some(labels) = labels.and_then(|text| serde_json::from_str::<Vec<String>>(text).ok()) else { return };
    if labels != builder.prepared.summary.classes {
        builder.notices.push(format!(
            "the classes of {} are not those of the data in their order: its last layer must learn anew",
            file_name(path)
        ));
    }
}
