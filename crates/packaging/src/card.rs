//! The model card of a package, for people: Markdown.

use provenance::Lineage;
use serde_json::Value;
use store::About;

use crate::{PackageError, Subject};

/// Class names of a model with more are counted, not listed.
const LABELS_LISTED: usize = 50;

/// What the files around it are, what the model takes and answers, what was measured, and what it descends from.
///
/// Errors   the store.
pub(crate) fn card(subject: Subject<'_>, has_golden: bool) -> Result<String, PackageError> {
    let Subject { store, model } = subject;
    let (version, manifest) = (&model.version, &model.manifest);
    let about = store.about(version)?;
    let lineage = Lineage::of(store, version)?;
    let mut text = format!("# {}\n\n", version.id());
    text += &said(&about);
    text += &format!("- digest: `{}`\n", version.digest);
    manifest.inputs.iter().for_each(|port| text += &format!("- takes: `{port}`\n"));
    manifest.outputs.iter().for_each(|port| text += &format!("- answers: `{port}`\n"));
    text += &match manifest.labels.len() {
        0 => "- answers with a number\n".to_owned(),
        1..=LABELS_LISTED => format!("- classes: {}\n", manifest.labels.join(", ")),
        many => format!("- classes: {many}, see `labels.json`\n"),
    };
    text += &measured(&version.metrics);
    text += "\n## Origin\n\n";
    text += &format!("- scheme: `{}`\n- data: `{}`\n", version.scheme_digest, version.data_digest);
    for step in &lineage.relations {
        text += &format!("- {} {} {}\n", step.child, step.relation, step.parent);
    }
    text += "\n## Files\n\n| file | holds |\n|---|---|\n";
    text += "| `model.onnx` | the whole model, from raw input to answer |\n";
    text += "| `model.safetensors` | its tensors alone |\n";
    text += "| `signature.json`, `labels.json` | inputs, outputs, preprocessing; class names by number |\n";
    text += "| `scheme.toml`, `lineage.json` | how it was made, and from what |\n";
    text += "| `bom.cdx.json` | bill of materials, CycloneDX 1.6 |\n";
    if has_golden {
        text +=
            "| `golden/` | inputs with the answers of the trained model, and how far another may be off |\n";
    }
    text += "| `SHA256SUMS` | the digest of every other file: `sha256sum --check SHA256SUMS` |\n";
    Ok(text)
}

fn said(about: &About) -> String {
    let mut text = String::new();
    if !about.description.is_empty() {
        text += &format!("{}\n\n", about.description);
    }
    if let Some(reason) = &about.deprecated {
        text += &format!("**Deprecated**: {reason}\n\n");
    }
    for (name, said) in [("licence", &about.licence), ("intended use", &about.intended_use)] {
        text += &match said.as_str() {
            "" => format!("- {name}: not stated\n"),
            said => format!("- {name}: {said}\n"),
        };
    }
    text
}

/// The single numbers that were measured on the test part.
fn measured(metrics: &Value) -> String {
    let numbers = metrics["test"].as_object().into_iter().flatten();
    let lines: Vec<String> = numbers
        .filter(|(_, value)| value.is_number())
        .map(|(name, value)| format!("| {name} | {value} |\n"))
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("\n## Measured on the test part\n\n| metric | value |\n|---|---|\n{}", lines.concat())
}
