//! An image that serves the model: the running program, the libraries it has loaded, and the model.

use std::path::Path;

use provenance::{FileHash, hexadecimal};
use serde_json::{Value, json};

use crate::bom::bill_of_materials;
use crate::error::io_at;
use crate::oci::annotations::{annotations, created};
use crate::oci::layer::{Compression, Mode, Tree, gzip};
use crate::oci::layout::{Layout, MANIFEST_TYPE};
use crate::program::{Program, packed, with_libraries};
use crate::serving::{API_KEYS, PORT, Place, serve_arguments};
use crate::{PackageError, Subject};

const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const BOM_TYPE: &str = "application/vnd.cyclonedx+json";
/// Where the program is in the image.
const PROGRAM: &str = "/usr/bin/heirloom";
/// Who runs it: nobody who owns a file of the image.
const USER: &str = "65532:65532";

/// A layer, and the digest of its archive before compression.
struct Layer {
    descriptor: Value,
    difference: String,
}

/// The layout of an image that serves the model: one layer with the program, which all models of one program share, and
/// one with the model. Its bill of materials refers to it. `output` is where it will be written.
///
/// Errors   a system other than Linux; the store; the disk.
pub fn image(subject: Subject<'_>, output: &Path, compression: Compression) -> Result<Layout, PackageError> {
    let version = &subject.model.version;
    let model_path = format!("/model/{}.heirloom.zip", subject.short_name());
    let mut layout = Layout::default();
    let layers = [program_tree(with_libraries()?), {
        let mut tree = Tree::default();
        tree.file(&model_path, Mode::Data, packed(subject, output)?);
        tree
    }];
    let layers = layers.iter().map(|tree| add_layer(&mut layout, tree, compression, output));
    let layers = layers.collect::<Result<Vec<_>, _>>()?;

    let labels = annotations(subject)?;
    let platform = json!({ "architecture": architecture(), "os": "linux" });
    let mut entrypoint = vec![PROGRAM.to_owned()];
    let place = Place { store: Some(&model_path), address: "0.0.0.0", api_keys: API_KEYS };
    entrypoint.extend(serve_arguments(version, place));
    let history = |what: &str| json!({ "created": created(version), "created_by": what });
    let config = json!({
        "created": created(version),
        "architecture": platform["architecture"],
        "os": platform["os"],
        "config": {
            "User": USER,
            "ExposedPorts": { format!("{PORT}/tcp"): {} },
            "Entrypoint": entrypoint,
            "WorkingDir": "/",
            "Labels": labels,
            "StopSignal": "SIGTERM",
        },
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|layer| &layer.difference).collect::<Vec<_>>() },
        "history": [
            history("heirloom and the libraries that it loads"),
            history(&format!("the model {}; keys are expected in {API_KEYS}", version.id())),
        ],
    });
    let config = layout.blob(CONFIG_TYPE, serde_json::to_vec(&config)?);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config,
        "layers": layers.iter().map(|layer| &layer.descriptor).collect::<Vec<_>>(),
        "annotations": labels,
    });
    let described = layout.manifest(&manifest, Some(&version.version.to_string()), Some(platform))?;
    layout.referrer(&described, BOM_TYPE, "bom.cdx.json", bill_of_materials(subject)?.into_bytes())?;
    Ok(layout)
}

/// The program, its libraries, and a folder for temporary files.
fn program_tree(program: Program) -> Tree {
    let mut tree = Tree::default();
    tree.file(PROGRAM, Mode::Program, program.bytes);
    for (path, bytes) in program.libraries {
        tree.file(path, Mode::Program, bytes);
    }
    tree.shared_folder("/tmp");
    tree
}

fn add_layer(
    layout: &mut Layout,
    tree: &Tree,
    compression: Compression,
    output: &Path,
) -> Result<Layer, PackageError> {
    let archive = tree.tar().map_err(io_at("write", output))?;
    let difference = format!("sha256:{}", hexadecimal(&FileHash::Sha256.of(&archive)));
    let descriptor = match compression {
        Compression::Stored => layout.blob(LAYER_TYPE, archive),
        Compression::Gzip => {
            layout.blob(&format!("{LAYER_TYPE}+gzip"), gzip(&archive).map_err(io_at("write", output))?)
        }
    };
    Ok(Layer { descriptor, difference })
}

/// The processor, as OCI names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
