//! `heirloom package`.

use std::path::{Path, PathBuf};

use packaging::{Compression, ManifestKind, Overwrite, Rights, Subject};
use serde_json::json;
use store::{BundleCompression, Promotion};

use super::model::verified_keys;
use super::run::threads;
use crate::arguments::{Package, PackageForm};
use crate::failure::Failure;
use crate::{author, quantities, terminal};

/// Makes a model ready for another machine.
pub(crate) fn package(arguments: &Package) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let model = store.model(&arguments.model)?;
    let version = &model.version;
    let promotion = Promotion {
        despite_recall: arguments.despite_recall.clone(),
        verified_keys: verified_keys(&store, &version.id())?,
    };
    store.allow(&version.id(), "package", &promotion, &author::by())?;
    if let Some(reason) = store.about(version)?.deprecated {
        terminal::say(&format!("note: {} is deprecated: {}", version.id(), terminal::printable(&reason)));
    }
    let subject = Subject { store: &store, model: &model };
    let parity = packaging::prove(subject, threads(None))?;
    if parity.is_none() {
        terminal::say(&format!(
            "note: {} left no golden examples, so nothing shows that it answers as it did when it was trained",
            version.id()
        ));
    }
    let output = match &arguments.output {
        Some(path) => path.clone(),
        None => PathBuf::from(arguments.form.output(subject.short_name())),
    };
    let bytes = write(subject, &output, arguments)?;
    if arguments.json.wanted {
        return terminal::print_json(&json!({
            "model": version.id(),
            "digest": version.digest.to_string(),
            "as": arguments.form.name(),
            "output": output.display().to_string(),
            "bytes": bytes,
            "parity": parity,
        }));
    }
    let proved = parity
        .map(|report| format!("; {} reproduced", quantities::counted(report.examples, "golden answer")));
    terminal::print(&format!(
        "{}: {}, {}{}\n",
        output.display(),
        version.id(),
        quantities::bytes(bytes),
        proved.unwrap_or_default()
    ))
}

/// Writes the form that is asked for, and returns its bytes.
fn write(subject: Subject<'_>, output: &Path, arguments: &Package) -> Result<u64, Failure> {
    let overwrite = if arguments.force { Overwrite::Replace } else { Overwrite::Refuse };
    match arguments.form {
        PackageForm::Dir => {
            let files = packaging::folder_files(subject)?;
            let bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
            packaging::write_folder(output, files, overwrite)?;
            Ok(bytes)
        }
        PackageForm::Bundle => bundle(subject, output, overwrite, arguments.compress),
        PackageForm::Static => Ok(packaging::write_program(subject, output, overwrite)?),
        PackageForm::Oci => {
            let compression = if arguments.compress { Compression::Gzip } else { Compression::Stored };
            let image = packaging::image(subject, output, compression)?;
            Ok(packaging::write_layout(image, output, overwrite)?)
        }
        PackageForm::Modelpack => {
            Ok(packaging::write_layout(packaging::modelpack(subject)?, output, overwrite)?)
        }
        PackageForm::Kubernetes => manifest(subject, ManifestKind::Kubernetes, output, arguments, overwrite),
        PackageForm::Kserve => manifest(subject, ManifestKind::Kserve, output, arguments, overwrite),
        PackageForm::Systemd => manifest(subject, ManifestKind::Systemd, output, arguments, overwrite),
    }
}

fn bundle(subject: Subject<'_>, output: &Path, overwrite: Overwrite, compress: bool) -> Result<u64, Failure> {
    packaging::check_output(output, overwrite)?;
    let compression = if compress { BundleCompression::Zstd } else { BundleCompression::Stored };
    let package = subject.store.write_bundle(&[subject.model.version.id()], output, compression)?;
    Ok(package.bytes())
}

fn manifest(
    subject: Subject<'_>,
    kind: ManifestKind,
    output: &Path,
    arguments: &Package,
    overwrite: Overwrite,
) -> Result<u64, Failure> {
    let text = packaging::manifest_text(subject, kind, arguments.image.as_deref())?;
    packaging::write_file(output, &[text.as_bytes()], Rights::Data, overwrite)?;
    Ok(text.len() as u64)
}
