//! Models made ready for other machines.

use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest};
use provenance::{FileHash, hexadecimal};
use store::{By, Store};

use crate::place::Place;
use crate::samples::{png, small_mnist};

/// A place with the model `mnist@1`.
fn place() -> Place {
    let place = Place::new();
    small_mnist(&place);
    place.heirloom("run schemes/mnist.toml --quiet").done();
    place.write("photo.png", png(0, 99, 28));
    place
}

#[test]
fn a_folder_holds_what_its_list_says() {
    let place = place();
    let said = place.heirloom("package mnist --as dir").done();
    assert!(said.starts_with("mnist.package: mnist@1, "), "{said}");
    assert!(said.ends_with(" golden answers reproduced\n"), "{said}");
    let folder = place.path().join("mnist.package");
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).expect("the list");
    let names: Vec<&str> =
        sums.lines().map(|line| line.split_once("  ").expect("digest and name").1).collect();
    let expect = [
        "README.md",
        "bom.cdx.json",
        "golden/golden.json",
        "golden/inputs.npy",
        "golden/outputs.npy",
        "labels.json",
        "lineage.json",
        "model.onnx",
        "model.safetensors",
        "scheme.toml",
        "signature.json",
    ];
    assert_eq!(names, expect);
    for line in sums.lines() {
        let (digest, name) = line.split_once("  ").expect("digest and name");
        assert_eq!(digest, sha256(&fs::read(folder.join(name)).expect("a file")), "{name}");
    }
    let exported = place.heirloom("model export mnist --format onnx --output m.onnx --json").json();
    assert_eq!(exported["model"], "mnist@1");
    assert_eq!(fs::read(place.path().join("m.onnx")).unwrap(), fs::read(folder.join("model.onnx")).unwrap());
    place.heirloom("package mnist --as dir --output again").done();
    assert_eq!(fs::read_to_string(place.path().join("again/SHA256SUMS")).unwrap(), sums);
}

/// The promise of `static`: the file alone, in an empty folder, answers.
#[test]
fn an_executable_answers_alone() {
    let place = place();
    let expect = place.heirloom("infer mnist photo.png --json").json();
    place.heirloom("package mnist --as static --output digits").done();
    let alone = Place::new();
    fs::rename(place.path().join("digits"), alone.path().join("digits")).expect("on one disk");
    fs::copy(place.path().join("photo.png"), alone.path().join("photo.png")).expect("a picture");
    assert_eq!(alone.shell("./digits infer photo.png --json").json(), expect);
    let introduced = alone.shell("./digits").done();
    assert!(introduced.starts_with("model    mnist@1\n"), "{introduced}");
    assert!(introduced.ends_with("ask it:\n  ./digits infer FILE\n  ./digits serve\n"), "{introduced}");
    assert!(alone.shell("./digits model list").done().contains("mnist@1"));
    assert_eq!(alone.files(), ["digits", "photo.png"], "it left something");
    // Packed again, the program is stripped of the model first.
    let lengths = |name: &str| fs::metadata(alone.path().join(name)).expect("a file").len();
    alone.shell("./digits package mnist --as static --output more").done();
    assert_eq!(lengths("digits"), lengths("more"));
    // With a store it is the ordinary program.
    let elsewhere =
        format!("./digits infer mnist photo.png --json --store {}/.heirloom", place.path().display());
    assert_eq!(alone.shell(&elsewhere).json(), expect);

    let mut bytes = fs::read(alone.path().join("digits")).expect("the program");
    let at = bytes.len() - 1000;
    bytes[at] ^= 1;
    fs::write(alone.path().join("more"), bytes).expect("the program");
    let said = alone.shell("./more infer photo.png").failed(2);
    assert!(said.contains("error[bad-package]: the model in "), "{said}");
}

#[test]
fn an_image_is_an_oci_layout() {
    let place = place();
    place.heirloom("package mnist --as oci").done();
    let layout = place.path().join("mnist.oci");
    check_layout(&layout);
    let index = ImageIndex::from_file(layout.join("index.json")).expect("an index");
    let [image, bom] = index.manifests().as_slice() else { panic!("{index:?}") };
    let manifest = ImageManifest::from_file(blob(&layout, image)).expect("a manifest");
    let config = ImageConfiguration::from_file(blob(&layout, manifest.config())).expect("a configuration");
    assert_eq!(manifest.layers().len(), 2);
    for (layer, difference) in manifest.layers().iter().zip(config.rootfs().diff_ids()) {
        assert_eq!(&layer.digest().to_string(), difference, "layers that are not compressed");
    }
    let run = config.config().as_ref().expect("how it is run");
    assert_eq!(run.user().as_deref(), Some("65532:65532"));
    let entrypoint = run.entrypoint().as_ref().expect("what is run");
    assert_eq!(entrypoint[..2], ["/usr/bin/heirloom", "serve"]);
    let labels = run.labels().as_ref().expect("labels");
    assert_eq!(labels["org.opencontainers.image.title"], "mnist");
    let referrer = ImageManifest::from_file(blob(&layout, bom)).expect("a manifest");
    assert_eq!(referrer.subject().as_ref().map(Descriptor::digest), Some(image.digest()));
    let text = fs::read_to_string(blob(&layout, &referrer.layers()[0])).expect("the bill of materials");
    assert!(text.contains("\"bomFormat\": \"CycloneDX\""), "{text}");

    // The same version, the same bytes; compressed, the same image of other layers.
    place.heirloom("package mnist --as oci --output again.oci").done();
    assert_eq!(
        fs::read(layout.join("index.json")).unwrap(),
        fs::read(place.path().join("again.oci/index.json")).unwrap()
    );
    place.heirloom("package mnist --as oci --output one.tar --compress").done();
    let unpacked = place.path().join("one");
    tar_of(&place.path().join("one.tar"), &unpacked);
    check_layout(&unpacked);
    let index = ImageIndex::from_file(unpacked.join("index.json")).expect("an index");
    let small = ImageManifest::from_file(blob(&unpacked, &index.manifests()[0])).expect("a manifest");
    let small = ImageConfiguration::from_file(blob(&unpacked, small.config())).expect("a configuration");
    assert_eq!(small.rootfs().diff_ids(), config.rootfs().diff_ids());
}

#[test]
fn a_model_pack_is_an_artifact() {
    let place = place();
    place.heirloom("package mnist --as modelpack").done();
    let layout = place.path().join("mnist.modelpack");
    check_layout(&layout);
    let index = ImageIndex::from_file(layout.join("index.json")).expect("an index");
    let manifest = ImageManifest::from_file(blob(&layout, &index.manifests()[0])).expect("a manifest");
    let kind = manifest.artifact_type().as_ref().expect("a type").to_string();
    assert_eq!(kind, "application/vnd.cncf.model.manifest.v1+json");
    let paths = manifest.layers().iter().map(|layer| {
        let annotations = layer.annotations().as_ref().expect("annotations");
        (annotations["org.cncf.model.filepath"].as_str(), layer.media_type().to_string())
    });
    let weights = paths.filter(|(_, kind)| kind == "application/vnd.cncf.model.weight.v1.raw");
    assert_eq!(weights.map(|(path, _)| path).collect::<Vec<_>>(), ["model.onnx", "model.safetensors"]);
    let config = fs::read(blob(&layout, manifest.config())).expect("a configuration");
    let config: serde_json::Value = serde_json::from_slice(&config).expect("JSON");
    assert_eq!(config["descriptor"]["name"], "mnist");
    assert_eq!(config["modelfs"]["diffIds"].as_array().map(Vec::len), Some(manifest.layers().len()));
}

#[test]
fn manifests_name_image_probes_and_keys() {
    let place = place();
    for form in ["kubernetes", "kserve"] {
        let line =
            format!("package mnist --as {form} --image registry.example/mnist:1 --output m.yaml --force");
        place.heirloom(&line).done();
        let text = fs::read_to_string(place.path().join("m.yaml")).expect("a manifest");
        for part in [
            "image: registry.example/mnist:1\n",
            "path: /v2/health/live\n",
            "path: /v2/health/ready\n",
            "runAsNonRoot: true\n",
            "readOnlyRootFilesystem: true\n",
            "secretName: mnist-api-keys\n",
            "mountPath: /etc/heirloom\n",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }
    place.heirloom("package mnist --as systemd").done();
    let unit = fs::read_to_string(place.path().join("mnist.service")).expect("a unit");
    assert!(unit.contains("\nExecStart=/usr/local/bin/mnist serve --bind 127.0.0.1:8080 "), "{unit}");
    let said = place.heirloom("package mnist --as kubernetes --image a,b").failed(2);
    assert!(said.contains("error[image-name]: `a,b` is no name of an image"), "{said}");
}

#[test]
fn what_must_not_be_packaged_or_replaced_is_not() {
    let place = place();
    let said = place.heirloom("package mnis --as dir").failed(2);
    assert!(said.contains("error[unknown-model]") && said.contains("did you mean `mnist`?"), "{said}");
    place.heirloom("package mnist --as dir").done();
    let said = place.heirloom("package mnist --as dir").failed(2);
    assert!(said.contains("error[output-exists]: mnist.package exists already"), "{said}");
    place.heirloom("package mnist --as dir --force").done();
    place.write("mine/diary.txt", "dear");
    let said = place.heirloom("package mnist --as dir --output mine --force").failed(2);
    assert!(said.contains("error[not-a-package]: mine is no package"), "{said}");
    let said = place.heirloom("package mnist --as oci --output no/where").failed(2);
    assert!(said.contains("error[missing-folder]"), "{said}");

    place.heirloom("key new k").done();
    place.heirloom("key trust ward k.pub").done();
    place.heirloom("key require ward").done();
    let said = place.heirloom("package mnist --as static").failed(2);
    assert!(said.contains("error[signature-required]: mnist@1 has no valid signature of ward"), "{said}");
    place.heirloom("model sign mnist --key k").done();
    place.heirloom("package mnist --as dir --output signed").done();
    let verified = place.heirloom("model verify signed/signed --key k.pub").done();
    assert!(verified.starts_with("signed/signed: unchanged since it was signed"), "{verified}");

    place.heirloom("model recall mnist --reason leak").done();
    let said = place.heirloom("package mnist --as bundle").failed(2);
    assert!(said.contains("error[recalled]: mnist@1 is recalled"), "{said}");
    place
        .command(["package", "mnist", "--as", "bundle", "--despite-recall", "for the audit"])
        .output()
        .expect("it starts");
    assert!(place.path().join("mnist.heirloom.zip").is_file());
    let history = place.heirloom("model history mnist --json").json();
    let last = history.as_array().and_then(|events| events.last()).expect("events");
    assert_eq!((&last["action"], &last["reason"]), (&"package".into(), &"for the audit".into()));
    assert_eq!(fs::read_to_string(place.path().join("mine/diary.txt")).unwrap(), "dear");
}

/// The version whose examples are changed has the same graph and tensors: only what it is held against differs.
#[test]
fn a_model_that_answers_otherwise_than_it_was_trained_to_is_not_packaged() {
    let place = place();
    place.heirloom("run schemes/mnist.toml --quiet --store other --set evaluate.cases_max=0").done();
    let package = "package mnist --as dir --store other --output other.package";
    let outcome = place.heirloom(package);
    assert!(outcome.stderr.contains("note: mnist@1 left no golden examples"), "{}", outcome.stderr);
    assert!(!outcome.done().contains("reproduced"));

    let store = Store::open(&place.path().join(".heirloom")).expect("a store");
    let version = store.resolve("mnist").expect("a model");
    let mut golden = store.attachment(&version, "golden").expect("it reads").expect("examples");
    let last = golden.len() - 4;
    golden[last..].copy_from_slice(&0.5f32.to_le_bytes());
    let other = Store::open(&place.path().join("other")).expect("a store");
    let by = By { actor: "tester".to_owned(), unix_ms: 0 };
    other.attach("mnist", "golden", &golden, &by).expect("the role is free");
    for form in ["dir", "static", "oci", "kubernetes"] {
        let line = format!("package mnist --as {form} --store other --output refused");
        let said = place.heirloom(&line).failed(2);
        assert!(said.contains("error[golden-differs]: mnist@1 does not answer as it did"), "{said}");
        assert!(said.contains(", output 1: expected 0.5, found "), "{said}");
        assert!(!place.path().join("refused").exists());
    }
}

fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&FileHash::Sha256.of(bytes))
}

fn blob(layout: &Path, descriptor: &Descriptor) -> PathBuf {
    layout.join("blobs/sha256").join(descriptor.digest().digest())
}

/// Every blob is what its name says, and the marker of a layout is there.
fn check_layout(layout: &Path) {
    assert_eq!(fs::read_to_string(layout.join("oci-layout")).unwrap(), r#"{"imageLayoutVersion":"1.0.0"}"#);
    for entry in fs::read_dir(layout.join("blobs/sha256")).expect("blobs") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(name, sha256(&fs::read(&path).expect("a blob")));
    }
}

/// Unpacks an archive with the system's own `tar`.
fn tar_of(archive: &Path, target: &Path) {
    fs::create_dir(target).expect("a folder");
    let status = std::process::Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(target).status();
    assert!(status.expect("tar starts").success());
}
