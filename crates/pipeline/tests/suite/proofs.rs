//! With and without inheritance, measured.

use std::path::Path;

use pipeline::{
    Flow, ProofDocument, ProofEvent, ProofWishes, Proved, RunError, RunOptions, last_proof, proofs_of, prove,
};
use scheme::ResolvedScheme;
use store::{Store, StoreAddress};

use crate::support::{CONVOLUTIONAL, NOW_UNIX_MS, Project, options};

/// A proof in the making: what it came to, and of its trainings whether they had been done before.
struct Tried {
    result: Result<Proved, RunError>,
    cached: Vec<bool>,
}

fn attempt(project: &Project, scheme: &ResolvedScheme, options: &RunOptions, most: usize) -> Tried {
    let wishes = ProofWishes { fractions: vec![1.0, 0.05], seeds: 2 };
    let (mut cached, folder) = (Vec::new(), project.store());
    let result = prove(
        scheme,
        &StoreAddress::Folder(folder.clone()),
        &folder,
        &wishes,
        options,
        &mut |event: &ProofEvent<'_>| {
            if let ProofEvent::Trial { cached: before, of, .. } = event {
                assert_eq!(*of, 8);
                cached.push(*before);
            }
            if cached.len() >= most { Flow::Stop } else { Flow::Continue }
        },
    );
    Tried { result, cached }
}

/// A parent, and the text of a scheme that starts from it.
fn family() -> (Project, String) {
    let project = Project::new();
    let data = project.digits();
    let parent = format!("name = \"parent\"\n{data}{CONVOLUTIONAL}");
    project.run(&project.scheme(&parent, &["train.epochs=8"])).report();
    (project, format!("{data}{CONVOLUTIONAL}"))
}

fn child(project: &Project, text: &str) -> ResolvedScheme {
    // With a frozen layer, of which training sees kept activations and the test part does not.
    project.scheme(text, &["model.inherit='parent'", "train.freeze=['conv1']", "train.epochs=2"])
}

fn code(result: Result<Proved, RunError>) -> &'static str {
    match result {
        Err(RunError::Diagnostics(found)) => found.0[0].code,
        other => panic!("{other:?}"),
    }
}

/// A proof without what the clock says and where the data lie.
fn without_times(document: &ProofDocument) -> serde_json::Value {
    fn clear(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.retain(|key, _| {
                    !["seconds", "time_ratio", "time_ratio_note", "curves", "scheme_digest"]
                        .contains(&key.as_str())
                });
                map.values_mut().for_each(clear);
            }
            serde_json::Value::Array(values) => values.iter_mut().for_each(clear),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(document).unwrap();
    clear(&mut value);
    value
}

#[test]
fn an_interrupted_proof_goes_on_and_a_repeated_one_trains_nothing() {
    let (project, text) = family();
    let scheme = child(&project, &text);
    let stopped = attempt(&project, &scheme, &options(), 3);
    assert!(matches!(stopped.result, Err(RunError::Interrupted)), "{:?}", stopped.result);
    let first = attempt(&project, &scheme, &options(), usize::MAX);
    assert_eq!(first.cached, [true, true, true, false, false, false, false, false]);
    let first = first.result.unwrap();
    let again =
        attempt(&project, &scheme, &RunOptions { now_unix_ms: NOW_UNIX_MS + 5, ..options() }, usize::MAX);
    assert_eq!(again.cached, [true; 8]);
    assert_eq!(again.result.unwrap(), first);
    let store = Store::open(&project.store()).unwrap();
    assert_eq!(proofs_of(&store, &store.resolve("parent").unwrap()).unwrap().len(), 1, "kept once");

    // The parent knows the three classes; from one label each, nobody learns them in two epochs.
    let proof = &first.document.proof;
    let labels: Vec<(u64, u64)> = proof.fractions.iter().map(|row| (row.labels, row.seeds)).collect();
    assert_eq!((labels[0].1, labels[1].1), (2, 2));
    assert!(labels[0].0 < 15 && labels[1].0 > 150, "{labels:?}");
    assert!(proof.fractions[0].difference.mean > 0.1, "{proof:?}");
    let reached = |points: &[inherit::prove::CurvePoint]| {
        (points.len(), points.last().map(|point| point.accuracy.mean))
    };
    let last = &proof.fractions[1];
    assert_eq!(reached(&proof.curves.inherited).1, Some(last.inherited.accuracy.mean));
    assert!(reached(&proof.curves.scratch).0 >= 2);
    assert_eq!((first.document.seeds.clone(), first.document.cases), (vec![1, 2], 60));
}

#[test]
fn a_proof_is_the_same_on_any_number_of_threads() {
    let of = |threads| {
        let (project, text) = family();
        let tried =
            attempt(&project, &child(&project, &text), &RunOptions { threads, ..options() }, usize::MAX);
        without_times(&tried.result.unwrap().document)
    };
    assert_eq!(of(1), of(3));
}

#[test]
fn proofs_are_kept_where_the_lineage_is() {
    let (project, text) = family();
    let scheme = child(&project, &text);
    let proved = attempt(&project, &scheme, &options(), usize::MAX).result.unwrap();
    assert_eq!(proved.kept_with, "parent@1", "there is no child yet");
    project.run(&scheme).report();
    let store = Store::open(&project.store()).unwrap();
    let own = store.resolve("small").unwrap();
    assert_eq!(
        proofs_of(&store, &own).unwrap(),
        std::slice::from_ref(&proved.document),
        "it speaks of the child too"
    );
    drop(store);
    let proved = attempt(&project, &scheme, &options(), usize::MAX).result.unwrap();
    assert_eq!(proved.kept_with, "small@1");

    // It goes with the lineage to another store, and stays when what nothing points to goes.
    let store = Store::open(&project.store()).unwrap();
    store.collect_garbage(store::Collection { stages: true, dry_run: false }).unwrap();
    let other = Store::open_or_create(&project.path("other")).unwrap();
    let package = store.package(&["small".to_owned()]).unwrap();
    let by = store::By { actor: "tester".to_owned(), unix_ms: NOW_UNIX_MS };
    other.receive(&package, &mut &store, &by, &mut |_, _| {}).unwrap();
    let last = last_proof(&other, "small", Some("parent")).unwrap();
    assert_eq!(last, Some((proved.kept_with, proved.document)));
    assert_eq!(last_proof(&other, "parent", None).unwrap(), None);
}

#[test]
fn what_cannot_be_proved_is_refused() {
    let (project, text) = family();
    let refused = |scheme: &ResolvedScheme| code(attempt(&project, scheme, &options(), usize::MAX).result);
    assert_eq!(refused(&project.scheme(&text, &[])), "no-parent");
    assert_eq!(refused(&project.scheme(&text, &["model.inherit='stranger'"])), "unknown-model");
    assert_eq!(
        refused(&project.scheme(&text, &["model.inherit='parent'", "model.layers.conv1.kernel=2"])),
        "refused-tensor"
    );
    let nowhere = project.path("nowhere");
    let result = prove(
        &child(&project, &text),
        &StoreAddress::Folder(nowhere.clone()),
        Path::new(&nowhere),
        &ProofWishes { fractions: vec![1.0], seeds: 1 },
        &options(),
        &mut |_: &ProofEvent<'_>| Flow::Continue,
    );
    assert_eq!(code(result), "unknown-model");
    assert!(!nowhere.exists());
}
