//! Keys and signatures of the fixtures, and a store with a small model.

use std::fs;
use std::path::Path;

use base::{Diagnostics, Digest};
use provenance::{Descent, Lineage, Origin, PublicKey, SigningKey};
use serde_json::json;
use store::{About, By, EngineFacts, Model, ModelRecord, Port, Store};
use tempfile::TempDir;
use tensor::{DType, Shape, Tensor};

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

pub(crate) fn private(name: &str) -> SigningKey {
    SigningKey::from_pem(&String::from_utf8(fixture(name)).unwrap()).unwrap()
}

pub(crate) fn public(name: &str) -> PublicKey {
    PublicKey::from_pem(&String::from_utf8(fixture(name)).unwrap()).unwrap()
}

pub(crate) fn codes(found: &Diagnostics) -> Vec<&'static str> {
    found.0.iter().map(|diagnostic| diagnostic.code).collect()
}

/// A store with the model `digits`; the folder goes when the first part is dropped.
pub(crate) fn store_with_a_model() -> (TempDir, Store, Model) {
    let folder = TempDir::new().unwrap();
    let store = Store::open_or_create(&folder.path().join(Store::FOLDER)).unwrap();
    store.register(&record("digits", 0.25)).unwrap();
    let model = store.model("digits").unwrap();
    (folder, store, model)
}

pub(crate) fn by() -> By {
    By { actor: "tester".to_owned(), unix_ms: 1_700_000_000_000 }
}

/// A model whose head depends on `head`.
pub(crate) fn record(name: &str, head: f32) -> ModelRecord {
    ModelRecord {
        name: name.to_owned(),
        graph: b"an ONNX graph".to_vec(),
        tensors: vec![
            ("trunk.weight".to_owned(), Tensor::new([4, 2], vec![0.5f32; 8])),
            ("head.weight".to_owned(), Tensor::new([2], vec![head, -head])),
            ("head.twin".to_owned(), Tensor::new([2], vec![head, -head])),
        ],
        inputs: vec![Port { name: "pixels".into(), dtype: DType::U8, shape: Shape::batched(&[64]) }],
        outputs: vec![Port { name: "class".into(), dtype: DType::F32, shape: Shape::batched(&[2]) }],
        labels: vec!["no".into(), "yes".into()],
        preprocessing: json!({"scale": 255.0}),
        scheme: "[train]\nepochs = 1\n".to_owned(),
        scheme_digest: Digest::of(b"scheme"),
        data_digest: Digest::of(b"data"),
        metrics: json!({"selected": ["accuracy"], "test": {"accuracy": 0.75, "confusion": [[1, 0], [0, 1]]}}),
        run: Some("run-1".to_owned()),
        engine: EngineFacts { cpu_level: "avx2".to_owned(), format_version: 1 },
        about: About::default(),
        parents: Vec::new(),
        attachments: Vec::new(),
        overrides: Vec::new(),
        by: by(),
    }
}

fn origin(name: &str, digest: Digest, accuracy: f64) -> Origin {
    Origin {
        name: name.to_owned(),
        digest,
        scheme_digest: Digest::of(b"scheme"),
        data_digest: Digest::of(b"data"),
        metrics: json!({"test": {"loss": 0.5, "accuracy": accuracy}}),
    }
}

/// `model`, made from `parent`, made from `grandparent`.
pub(crate) fn lineage(model: &Model) -> Lineage {
    let child = origin("digits", model.version.digest, 0.75);
    let parent = origin("parent", Digest::of(b"parent"), 0.5);
    let grandparent = origin("grandparent", Digest::of(b"grandparent"), 0.25);
    let step = |child: &Origin, relation: &str, parent: &Origin| Descent {
        child: child.id(),
        relation: relation.to_owned(),
        parent: parent.id(),
        facts: json!({"tensors_shared": 2, "bytes_shared": 32}),
    };
    let steps = vec![step(&child, "fine_tuned_from", &parent), step(&parent, "distilled_from", &grandparent)];
    Lineage::new(child, vec![parent, grandparent], steps)
}
