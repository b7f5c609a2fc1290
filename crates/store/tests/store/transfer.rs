//! Versions on their way to another store: directly, and as a bundle.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use store::{
    Annotation, BundleCompression, Direction, ModelRecord, ParentRecord, Promotion, Registered, Relation,
    Store, StoreError,
};
use tempfile::TempDir;

use crate::backends::over_other_backends;
use crate::sample::{by, large_record, new_store, record};

fn child_of(parent: &str, name: &str, head: f32) -> ModelRecord {
    let mut child = large_record(name, 1.0);
    child.tensors[1] = record(name, head).tensors[1].clone();
    child.parents = vec![ParentRecord {
        reference: parent.to_owned(),
        relation: Relation::FineTunedFrom,
        successors: Vec::new(),
    }];
    child.attachments = vec![("records".to_owned(), b"who was seen".to_vec())];
    child
}

/// `base@1` <- `clinic@1` <- `clinic@2`, with things said about them.
fn family() -> (TempDir, Store) {
    let (folder, store) = new_store();
    store.register(&large_record("base", 1.0)).unwrap();
    store.register(&child_of("base@1", "clinic", 2.0)).unwrap();
    store.register(&child_of("clinic@1", "clinic", 3.0)).unwrap();
    store.annotate("base", &Annotation::Licence("Apache-2.0".to_owned()), &by(1)).unwrap();
    store.add_signature("clinic@2", "ab12", "{}", &by(2)).unwrap();
    (folder, store)
}

/// Everything that a store says about a model's family.
fn told(store: &Store, reference: &str) -> String {
    let version = store.resolve(reference).unwrap();
    let lineage = store.lineage(&version, Direction::Ancestors).unwrap();
    let details: Vec<_> = lineage
        .versions
        .iter()
        .map(|version| {
            let attachment = store.attachment(version, "records").unwrap();
            (store.about(version).unwrap(), store.signatures(version).unwrap(), attachment)
        })
        .collect();
    format!("{lineage:#?} {details:#?}")
}

fn push(from: &Store, to: &Store, references: &[&str]) -> Result<store::Received, StoreError> {
    let references: Vec<String> = references.iter().map(|each| each.to_string()).collect();
    let package = from.package(&references)?;
    to.receive(&package, &mut &*from, &by(9), &mut |_, _| {})
}

#[test]
fn a_child_that_changes_its_head_adds_its_head() {
    let (_folder, store) = new_store();
    store.register(&large_record("base", 1.0)).unwrap();
    let before = store.stats().unwrap().physical_bytes;
    let child = store.register(&child_of("base", "clinic", 2.0)).unwrap();
    assert_eq!(store.stats().unwrap().physical_bytes - before, 8 + 12, "the head and the attachment");
    let edges = store.parents(child.version()).unwrap();
    assert_eq!(edges.len(), 1);
    assert_eq!(edges[0].facts["tensors_shared"], 3);
    assert_eq!(edges[0].facts["tensors_fresh"], 1, "{}", edges[0].facts);
}

#[test]
fn a_stranger_cannot_say_that_it_was_fine_tuned() {
    let (_folder, store) = new_store();
    store.register(&large_record("base", 1.0)).unwrap();
    let mut stranger = record("stranger", 1.0);
    stranger.parents = vec![ParentRecord {
        reference: "base".into(),
        relation: Relation::FineTunedFrom,
        successors: Vec::new(),
    }];
    stranger.tensors.truncate(2);
    let mistake = store.register(&stranger).unwrap_err().mistake().unwrap();
    assert_eq!(mistake.code, "not-a-child");
    assert!(store.resolve("stranger").is_err());
}

#[test]
fn a_pushed_model_brings_its_whole_lineage() {
    let (_folder, here) = family();
    let (_other, there) = new_store();
    let received = push(&here, &there, &["clinic"]).unwrap();
    let names: Vec<_> =
        received.versions.iter().map(|each| (each.name.as_str(), each.version, each.new)).collect();
    assert_eq!(names, [("base", 1, true), ("clinic", 1, true), ("clinic", 2, true)]);
    assert_eq!(told(&there, "clinic"), told(&here, "clinic"));
    assert_eq!(there.verify().unwrap().problems, []);
    let again = push(&here, &there, &[]).unwrap();
    assert!(again.versions.iter().all(|each| !each.new));
    assert_eq!(again.blobs, 0);
}

#[test]
fn a_number_that_is_taken_is_not_overwritten() {
    let (_folder, here) = family();
    let (_other, there) = new_store();
    let Registered::New(own) = there.register(&record("clinic", 7.0)).unwrap() else { panic!() };
    let received = push(&here, &there, &["clinic"]).unwrap();
    let numbers: Vec<_> =
        received.versions.iter().map(|each| (each.name.as_str(), each.from, each.version)).collect();
    assert_eq!(numbers, [("base", 1, 1), ("clinic", 1, 2), ("clinic", 2, 3)]);
    assert_eq!(there.resolve("clinic@1").unwrap(), own);
    let newest = there.resolve("clinic").unwrap();
    assert_eq!(there.parents(&newest).unwrap()[0].parent, ("clinic".to_owned(), 2));
}

#[test]
fn a_recall_travels() {
    let (_folder, here) = family();
    let (_other, there) = new_store();
    push(&here, &there, &["clinic"]).unwrap();
    here.recall("base", "trained on the test set", &by(5)).unwrap();
    push(&here, &there, &["clinic"]).unwrap();
    let refused = there.promote("clinic", "production", &Promotion::default(), &by(6)).unwrap_err();
    assert_eq!(refused.mistake().unwrap().code, "recalled");
}

#[test]
fn a_bundle_brings_the_same_digests_and_lineage() {
    for compression in [BundleCompression::Stored, BundleCompression::Zstd] {
        let (folder, here) = family();
        let path = folder.path().join("clinic.zip");
        here.write_bundle(&["clinic".to_owned()], &path, compression).unwrap();
        let bytes = fs::read(&path).unwrap();
        here.write_bundle(&["clinic".to_owned()], &path, compression).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes, "the same content gives the same bytes");
        let (_other, there) = new_store();
        there.import_bundle(&path, &by(3), &mut |_, _| {}).unwrap();
        assert_eq!(told(&there, "clinic"), told(&here, "clinic"));
        assert_eq!(there.verify().unwrap().problems, []);
        assert_eq!(there.get(here.resolve("clinic").unwrap().scheme).unwrap(), b"[train]\nepochs = 1\n");
    }
}

fn import_bytes(bytes: &[u8]) -> Result<(), String> {
    let (folder, store) = new_store();
    let path = folder.path().join("b.zip");
    fs::write(&path, bytes).unwrap();
    let outcome = store.import_bundle(&path, &by(0), &mut |_, _| {});
    assert!(outcome.is_ok() || store.list_models().unwrap().is_empty());
    outcome.map(drop).map_err(|error| error.mistake().expect("a damaged bundle is a mistake").message)
}

fn bundle_bytes() -> Vec<u8> {
    let (folder, store) = new_store();
    store.register(&record("base", 1.0)).unwrap();
    let path = folder.path().join("b.zip");
    store.write_bundle(&[], &path, BundleCompression::Stored).unwrap();
    fs::read(&path).unwrap()
}

#[test]
fn a_bundle_with_any_flipped_byte_is_refused() {
    let bytes = bundle_bytes();
    import_bytes(&bytes).unwrap();
    for at in (0..bytes.len()).step_by(37).chain(bytes.len() - 130..bytes.len()) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(import_bytes(&changed).is_err(), "byte {at}");
    }
    for length in [0, 1, 63, 64, 200, bytes.len() - 1] {
        assert!(import_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
}

/// As a hostile hand would: a changed bundle with a seal that fits.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 64;
    let digest = base::Digest::of(&bytes[..end]).to_string();
    bytes[end..].copy_from_slice(digest.as_bytes());
    bytes
}

#[test]
fn a_resealed_bundle_is_still_checked_blob_by_blob() {
    let bytes = bundle_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    for (from, to) in [("an ONNX graph", "an ONNX grapH"), ("blobs/", "../../"), ("yes", "YES")] {
        assert!(text.contains(from), "{from}");
        let mut changed = bytes.clone();
        for at in 0..changed.len() - from.len() {
            if &changed[at..at + from.len()] == from.as_bytes() {
                changed[at..at + from.len()].copy_from_slice(to.as_bytes());
            }
        }
        assert!(import_bytes(&sealed(changed)).is_err(), "{from}");
    }
}

#[test]
fn what_is_no_bundle_is_said_to_be_none() {
    let (folder, store) = new_store();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "x".repeat(500)).unwrap();
    let mistake = store.import_bundle(&path, &by(0), &mut |_, _| {}).unwrap_err().mistake().unwrap();
    assert!(mistake.message.contains("it is no bundle"), "{}", mistake.message);
    let missing = store.import_bundle(Path::new("/nowhere/b.zip"), &by(0), &mut |_, _| {}).unwrap_err();
    assert!(matches!(missing, StoreError::Io { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_make_the_parser_panic(at in 0usize..4000, value: u8, cut in 0usize..4000) {
        let mut bytes = bundle_bytes();
        let length = bytes.len();
        bytes[at % length] = value;
        let _ = store::parse_bundle(&bytes);
        let _ = store::parse_bundle(&bytes[..cut % length]);
    }
}

over_other_backends![
    a_child_that_changes_its_head_adds_its_head,
    a_stranger_cannot_say_that_it_was_fine_tuned,
    a_pushed_model_brings_its_whole_lineage,
    a_number_that_is_taken_is_not_overwritten,
    a_recall_travels,
    a_bundle_brings_the_same_digests_and_lineage,
    a_resealed_bundle_is_still_checked_blob_by_blob,
    what_is_no_bundle_is_said_to_be_none,
];
