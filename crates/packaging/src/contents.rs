//! The folder form: everything that another program needs, as plain files.

use pipeline::{export_onnx, export_safetensors, golden};
use provenance::{FileHash, FolderForm, Lineage, hexadecimal};
use serde_json::{Value, json};

use crate::bom::bill_of_materials;
use crate::card::card;
use crate::npy::npy;
use crate::signature::signature;
use crate::{PackageError, Subject};

/// The list of digests, in the form that `sha256sum --check` reads.
pub(crate) const SUMS: &str = "SHA256SUMS";

/// Every file of the folder form, a name with `/` between its parts and the bytes, by name.
///
/// Where the version is signed, the form that the signatures are over is in `signed/` and they are in `signed.sig/`.
///
/// Errors   the store; a model that does not fit into ONNX.
pub fn folder_files(subject: Subject<'_>) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
    let Subject { store, model } = subject;
    let version = &model.version;
    let lineage = Lineage::of(store, version)?;
    let golden = golden(store, version)?;
    let mut files = vec![
        ("README.md".to_owned(), card(subject, golden.is_some())?.into_bytes()),
        ("bom.cdx.json".to_owned(), bill_of_materials(subject)?.into_bytes()),
        ("labels.json".to_owned(), document(&json!(model.manifest.labels))?),
        ("lineage.json".to_owned(), lineage.encode()?.into_bytes()),
        ("model.onnx".to_owned(), export_onnx(store, model)?),
        ("model.safetensors".to_owned(), export_safetensors(store, model)?),
        ("scheme.toml".to_owned(), store.scheme(version)?.into_bytes()),
        ("signature.json".to_owned(), document(&signature(model))?),
    ];
    if let Some(golden) = golden {
        let facts = json!({
            "examples": golden.outputs.shape()[0],
            "tolerance": golden.tolerance,
            "rule": "abs(found - expected) <= tolerance * max(1, abs(expected))",
            "inputs": "inputs.npy",
            "outputs": "outputs.npy",
        });
        files.push(("golden/golden.json".to_owned(), document(&facts)?));
        files.push(("golden/inputs.npy".to_owned(), npy(&golden.inputs)));
        files.push(("golden/outputs.npy".to_owned(), npy(&golden.outputs)));
    }
    files.extend(signed_form(subject, &lineage)?);
    files.sort();
    files.push((SUMS.to_owned(), sums(&files).into_bytes()));
    Ok(files)
}

/// What the version's signatures are over, and they themselves; nothing if it has none.
fn signed_form(subject: Subject<'_>, lineage: &Lineage) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
    let Subject { store, model } = subject;
    let signatures = store.signatures(&model.version)?;
    if signatures.is_empty() {
        return Ok(Vec::new());
    }
    let form = FolderForm::new(store, model, lineage)?;
    let mut files = Vec::new();
    for file in form.files() {
        let (name, bytes) = file?;
        files.push((format!("signed/{name}"), bytes));
    }
    for signature in signatures {
        let key: String = signature.key_id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        files.push((format!("signed.sig/{key}.json"), signature.document.into_bytes()));
    }
    Ok(files)
}

/// Indented JSON with a line feed at its end.
pub(crate) fn document(value: &Value) -> Result<Vec<u8>, PackageError> {
    Ok((serde_json::to_string_pretty(value)? + "\n").into_bytes())
}

fn sums(files: &[(String, Vec<u8>)]) -> String {
    let line =
        |(name, bytes): &(String, Vec<u8>)| format!("{}  {name}\n", hexadecimal(&FileHash::Sha256.of(bytes)));
    files.iter().map(line).collect()
}
