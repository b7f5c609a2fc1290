//! Small models to register.

use base::Digest;
use serde_json::json;
use store::{About, By, EngineFacts, ModelRecord, Port, Store, StoreAddress};
use tempfile::TempDir;
use tensor::{DType, Shape, Tensor};

use crate::backends::new_address;

/// A new store of the kind that [`over`] says; the folder goes when the first part is dropped.
pub(crate) fn new_store() -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(Store::FOLDER);
    let address = new_address(&path);
    let store = Store::open_or_create_at(&StoreAddress::parse(&address).unwrap(), &path).unwrap();
    (folder, store)
}

/// Somebody at some time.
pub(crate) fn by(unix_ms: i64) -> By {
    By { actor: "tester".to_owned(), unix_ms }
}

/// A model whose head, and nothing else, depends on `head`.
pub(crate) fn record(name: &str, head: f32) -> ModelRecord {
    ModelRecord {
        name: name.to_owned(),
        graph: b"an ONNX graph".to_vec(),
        tensors: vec![
            ("trunk.weight".to_owned(), Tensor::new([64, 8], vec![0.5f32; 512])),
            ("head.weight".to_owned(), Tensor::new([2], vec![head, -head])),
            ("classes".to_owned(), Tensor::new([2], vec![0i64, 1])),
        ],
        inputs: vec![Port { name: "pixels".into(), dtype: DType::U8, shape: Shape::batched(&[64]) }],
        outputs: vec![Port { name: "class".into(), dtype: DType::F32, shape: Shape::batched(&[2]) }],
        labels: vec!["no".into(), "yes".into()],
        preprocessing: json!({"scale": 255.0}),
        scheme: "[train]\nepochs = 1\n".to_owned(),
        scheme_digest: Digest::of(b"scheme"),
        data_digest: Digest::of(b"data"),
        metrics: json!({"test": {"accuracy": 0.1 + 0.2}}),
        run: Some("run-1".to_owned()),
        engine: EngineFacts { cpu_level: "avx2".to_owned(), format_version: 1 },
        about: About::default(),
        parents: Vec::new(),
        attachments: Vec::new(),
        overrides: Vec::new(),
        by: by(1_700_000_000_000),
    }
}

/// As [`record`], with a graph and tensors too large to be kept beside their rows.
pub(crate) fn large_record(name: &str, head: f32) -> ModelRecord {
    let mut record = record(name, head);
    record.graph = vec![b'g'; 20_000];
    record.tensors.push(("bias".to_owned(), Tensor::new([1], vec![0.0f32])));
    for (index, (_, tensor)) in record.tensors.iter_mut().enumerate() {
        *tensor = Tensor::new([5000], vec![head * index as f32; 5000]);
    }
    record
}
