//! Times the registry: durable registrations in one process, and questions to a store of 100,000 versions.
//!
//!     cargo bench -p store --bench registry                  # all, in a temporary folder
//!     cargo bench -p store --bench registry -- --keep DIR    # leaves the large store in DIR/.heirloom
//!     cargo bench -p store --bench registry -- --head STORE MODEL    # what a child with another head adds
//!
//! The large store has 100 models of 1,000 versions, each fine-tuned from the one before. It is made by receiving
//! packages. `bench/store/processes.py` times whole processes of `heirloom` on it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use base::Digest;
use serde_json::json;
use store::{
    About, BlobSource, By, Direction, EngineFacts, ModelRecord, Package, ParentRecord, Port, Relation, Store,
    StoreError,
};
use tensor::{DType, Shape, Tensor};

const NAMES: usize = 100;
/// A package's manifest has a limit.
const NAMES_A_PACKAGE: usize = 20;
const DEPTH: usize = 1_000;
const REGISTRATIONS: usize = 1_000;
const ROUNDS: usize = 9;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|each| each == "--head") {
        return head(Path::new(&arguments[at + 1]), &arguments[at + 2]);
    }
    let kept = arguments.iter().position(|each| each == "--keep").and_then(|at| arguments.get(at + 1));
    let temporary = tempfile::TempDir::new().expect("a temporary folder");
    registrations(temporary.path());
    let folder = kept.map_or_else(|| temporary.path().join("large"), PathBuf::from);
    questions(&large_store(&folder.join(Store::FOLDER)));
}

/// Registers a child of a real model that changes its last layer's tensors, and tells what that adds.
fn head(store: &Path, reference: &str) {
    let store = Store::open(store).expect("a store");
    let parent = store.model(reference).expect("a model");
    let mut tensors = store.tensors(&parent).expect("its tensors");
    let last =
        tensors.last().map(|(name, _)| name.split('.').next().unwrap_or(name).to_owned()).expect("tensors");
    for (_, tensor) in tensors.iter_mut().filter(|(name, _)| name.split('.').next() == Some(&last)) {
        let changed: Vec<f32> = tensor.values::<f32>().iter().map(|value| value * 1.5).collect();
        *tensor = Tensor::new(tensor.shape(), changed);
    }
    let before = store.stats().expect("a count").physical_bytes;
    let record = ModelRecord {
        name: format!("{}-child", parent.version.name),
        graph: store.graph(&parent).expect("its graph"),
        tensors,
        inputs: parent.manifest.inputs.clone(),
        outputs: parent.manifest.outputs.clone(),
        labels: parent.manifest.labels.clone(),
        preprocessing: parent.manifest.preprocessing.clone(),
        scheme: store.scheme(&parent.version).expect("its scheme"),
        parents: vec![ParentRecord {
            reference: parent.version.id(),
            relation: Relation::FineTunedFrom,
            successors: Vec::new(),
        }],
        ..record(0)
    };
    let child = store.register(&record).expect("a registration");
    let added = store.stats().expect("a count").physical_bytes - before;
    let facts = &store.parents(child.version()).expect("its parents")[0].facts;
    println!(
        "{} changes `{last}` of {}: {added} bytes added, {:.2} % of the parent's {}; {facts}",
        child.version().id(),
        parent.version.id(),
        100.0 * added as f64 / parent.version.bytes as f64,
        parent.version.bytes
    );
}

fn by() -> By {
    By { actor: "bench".to_owned(), unix_ms: 1_700_000_000_000 }
}

fn registrations(folder: &Path) {
    let store = Store::open_or_create(&folder.join(Store::FOLDER)).expect("a new store");
    let records: Vec<ModelRecord> = (0..REGISTRATIONS).map(record).collect();
    let started = Instant::now();
    for record in &records {
        store.register(record).expect("a registration");
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{REGISTRATIONS} durable registrations in one process: {seconds:.2} s");
    let started = Instant::now();
    for version in 1..=REGISTRATIONS as u32 {
        store.set_alias("digits", "production", version, &by()).expect("an alias");
    }
    println!("{REGISTRATIONS} durable alias moves: {:.2} s", started.elapsed().as_secs_f64());
    polls(&store);
}

/// What a server asks again and again.
fn polls(store: &Store) {
    let each = |what: &str, ask: &dyn Fn()| {
        let started = Instant::now();
        (0..REGISTRATIONS).for_each(|_| ask());
        let microseconds = started.elapsed().as_secs_f64() * 1e6 / REGISTRATIONS as f64;
        println!("{what}, beside {} events: {microseconds:.1} us", 2 * REGISTRATIONS);
    };
    each("has anything changed", &|| {
        store.change_counter().expect("a number");
    });
    each("the rollout of an alias", &|| drop(store.rollout("digits", "production").expect("an answer")));
}

/// A child that changes its head.
fn record(head: usize) -> ModelRecord {
    ModelRecord {
        name: "digits".to_owned(),
        graph: b"an ONNX graph".repeat(40),
        tensors: vec![
            ("trunk".to_owned(), Tensor::new([1024], vec![0.5f32; 1024])),
            ("head".to_owned(), Tensor::new([10], vec![head as f32; 10])),
        ],
        inputs: vec![Port { name: "pixels".into(), dtype: DType::U8, shape: Shape::batched(&[64]) }],
        outputs: vec![Port { name: "class".into(), dtype: DType::F32, shape: Shape::batched(&[2]) }],
        labels: vec!["no".into(), "yes".into()],
        preprocessing: json!({"scale": 255.0}),
        scheme: "[train]\nepochs = 1\n".to_owned(),
        scheme_digest: Digest::of(b"scheme"),
        data_digest: Digest::of(b"data"),
        metrics: json!({"test": {"accuracy": 0.98}}),
        run: None,
        engine: EngineFacts { cpu_level: "avx2".to_owned(), format_version: 1 },
        about: About::default(),
        parents: Vec::new(),
        attachments: Vec::new(),
        overrides: Vec::new(),
        by: by(),
    }
}

/// The blobs of the large store: one graph, one scheme, and a number for each version.
struct Blobs;

const GRAPH: &[u8] = b"an ONNX graph";
const SCHEME: &[u8] = b"[train]\nepochs = 1\n";

impl BlobSource for Blobs {
    fn blob(&mut self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        Ok(if digest == Digest::of(GRAPH) { GRAPH.to_vec() } else { SCHEME.to_vec() })
    }
}

fn large_store(path: &Path) -> Store {
    let store = Store::open_or_create(path).expect("a new store");
    let started = Instant::now();
    for first in (0..NAMES).step_by(NAMES_A_PACKAGE) {
        let text = large_package(first..first + NAMES_A_PACKAGE).to_string();
        let package = Package::decode(text.as_bytes()).expect("a closed package");
        store.receive(&package, &mut Blobs, &by(), &mut |_, _| {}).expect("it is taken in");
    }
    println!("{} versions taken in: {:.1} s", NAMES * DEPTH, started.elapsed().as_secs_f64());
    for name in 0..NAMES {
        store.set_alias(&format!("model-{name}"), "production", DEPTH as u32, &by()).expect("an alias");
    }
    store
}

fn large_package(names: Range<usize>) -> serde_json::Value {
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
    let versions = names.flat_map(|name| (1..=DEPTH).map(move |version| (name, version))).map(|(name, version)| {
        let manifest = json!({
            "format_version": 1,
            "graph": { "digest": digest(GRAPH), "bytes": GRAPH.len() },
            "tensors": [],
            "inputs": [],
            "outputs": [],
            "labels": [format!("{name} {version}")],
            "preprocessing": {},
        });
        let parents = if version == 1 {
            json!([])
        } else {
            json!([{
                "relation": "fine_tuned_from", "name": format!("model-{name}"), "version": version - 1,
                "facts": "{\"tensors_shared\":1,\"tensors_changed\":1,\"tensors_fresh\":0,\"bytes_shared\":8,\"bytes\":9}",
            }])
        };
        json!({
            "name": format!("model-{name}"), "version": version, "manifest": manifest.to_string(),
            "scheme": digest(SCHEME), "scheme_digest": digest(b"scheme"), "data_digest": digest(b"data"),
            "metrics": "{\"test\":{\"accuracy\":0.98}}", "run": null, "cpu_level": "avx2", "engine_version": 1,
            "created_unix_ms": 1_700_000_000_000i64,
            "about": { "description": "", "licence": "", "intended_use": "", "tags": [], "deprecated": null },
            "parents": parents, "attachments": [], "signatures": [], "recalled": null,
        })
    });
    json!({
        "format_version": 1,
        "wanted": [],
        "versions": versions.collect::<Vec<_>>(),
        "schemes": [],
        "blobs": [
            { "digest": digest(GRAPH), "bytes": GRAPH.len() },
            { "digest": digest(SCHEME), "bytes": SCHEME.len() },
        ],
    })
}

fn questions(store: &Store) {
    let deepest = store.resolve(&format!("model-7@{DEPTH}")).expect("it is there");
    let first = store.resolve("model-7@1").expect("it is there");
    time("lineage of a version with 999 ancestors", || {
        assert_eq!(store.lineage(&deepest, Direction::Ancestors).expect("lineage").versions.len(), DEPTH);
    });
    time("lineage of a version with 999 descendants", || {
        assert_eq!(store.lineage(&first, Direction::Descendants).expect("lineage").versions.len(), DEPTH);
    });
    time("whom a recall with 999 descendants affects", || {
        assert_eq!(store.recall_report("model-7@1").expect("a report").descendants.len(), DEPTH - 1);
    });
    time("list of 100 models", || {
        assert_eq!(store.list_models().expect("a list").len(), NAMES);
    });
    time("list of 1,000 versions of a model", || {
        assert_eq!(store.versions("model-7").expect("a list").len(), DEPTH);
    });
    time("name@alias looked up", || {
        store.model("model-7@production").expect("it is there");
    });
}

/// The median of some rounds.
fn time(what: &str, mut work: impl FnMut()) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{what}: {:.1} ms", rounds[ROUNDS / 2]);
}
