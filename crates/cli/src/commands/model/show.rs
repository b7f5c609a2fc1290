//! `heirloom model show`.

use std::path::Path;

use pipeline::Overruled;
use pipeline::metrics::Metrics;
use provenance::strictest;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{About, Model, ModelVersion, Port, Store};

use super::version;
use crate::arguments::{Json, StoreChoice};
use crate::commands::inherit::in_brief;
use crate::commands::{onnx_file, report};
use crate::failure::Failure;
use crate::tables::facts;
use crate::{quantities, terminal};

/// Of more labels, only the first are shown.
const LABELS_SHOWN: usize = 20;

/// Shows one model, of the store or in an ONNX file.
pub(super) fn show(reference: &str, json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    if onnx_file::is_file(reference) {
        return onnx_file::show(Path::new(reference), json);
    }
    let store = choice.open()?;
    let model = store.model(reference)?;
    let standing = Standing::of(&store, &model.version)?;
    if json.wanted {
        let mut document = document(&model);
        document["about"] = json!(store.about(&model.version)?);
        document["recalls"] = json!(standing.recalls);
        document["proofs"] = json!(standing.proofs);
        document["overruled"] = json!(standing.overruled);
        return terminal::print_json(&document);
    }
    terminal::print(&draw(&model, &standing, terminal::width()))
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

fn draw(model: &Model, standing: &Standing, width: usize) -> String {
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
        ("signed with", standing.signed_with.join(", ")),
        ("RECALLED", standing.recalls.join("; ")),
    ];
    rows.extend(standing.overruled.iter().map(|one| ("OVERRULED", report::overruled(one))));
    rows.extend(standing.proofs.iter().map(|proof| ("proof", proof.clone())));
    rows.extend(about_facts(&standing.about));
    rows.push(("licence in lineage", standing.strictest.clone()));
    rows.retain(|(_, fact)| !fact.is_empty());
    let measured = Metrics::deserialize(&found.metrics).map(|metrics| report::metrics(&metrics, width));
    match measured {
        Ok(measured) => format!("{}\n{measured}", facts(width, rows)),
        // Metrics that another version wrote in another form are in --json as they are.
        Err(_) => facts(width, rows),
    }
}

/// What people said about a version, and what follows from its lineage.
struct Standing {
    about: About,
    recalls: Vec<String>,
    signed_with: Vec<String>,
    /// The gates that refused it and were overruled.
    overruled: Vec<Overruled>,
    /// What was proved about inheriting it or from it, oldest first.
    proofs: Vec<String>,
    /// The most restrictive licence among it and its ancestors, if that is not its own.
    strictest: String,
}

impl Standing {
    fn of(store: &Store, version: &ModelVersion) -> Result<Self, Failure> {
        let recalls = store.recalls_of(version)?;
        let about = store.about(version)?;
        let inherited = store.licences(version)?;
        let strictest = strictest(inherited.iter().map(|(_, licence)| licence.as_str()));
        let from = inherited.iter().find(|(_, licence)| Some(licence.as_str()) == strictest);
        let strictest = from.filter(|(_, licence)| *licence != about.licence);
        let proofs = pipeline::proofs_of(store, version)?;
        Ok(Standing {
            overruled: pipeline::overruled_of(store, version)?,
            proofs: proofs.iter().map(in_brief).collect(),
            recalls: recalls
                .iter()
                .map(|recall| format!("{}@{}: {}", recall.name, recall.version, recall.reason))
                .collect(),
            signed_with: store.signatures(version)?.into_iter().map(|signature| signature.key_id).collect(),
            strictest: strictest.map_or(String::new(), |(id, licence)| format!("{licence}, from {id}")),
            about,
        })
    }
}

/// What is said about a version, as facts; what is not said is empty.
pub(super) fn about_facts(about: &About) -> Vec<(&'static str, String)> {
    vec![
        ("description", terminal::printable(&about.description)),
        ("licence", terminal::printable(&about.licence)),
        ("intended use", terminal::printable(&about.intended_use)),
        ("tags", about.tags.join(", ")),
        ("deprecated", terminal::printable(about.deprecated.as_deref().unwrap_or_default())),
    ]
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
