//! What a store does when nothing goes wrong but the user's input.

use std::fs;

use base::Digest;
use proptest::prelude::*;
use serde_json::json;
use store::{Registered, RunRecord, RunState, StageResult, Store, StoreError};
use tempfile::TempDir;

use crate::backends::{open_again, over_other_backends};
use crate::sample::{by, new_store, record};

#[test]
fn a_store_is_found_from_below_and_made_only_on_demand() {
    let folder = TempDir::new().unwrap();
    let below = folder.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let path = folder.path().join(Store::FOLDER);

    assert!(matches!(Store::open(&path), Err(StoreError::NotAStore { .. })));
    assert!(!path.exists());
    drop(Store::open_or_create(&path).unwrap());
    assert_eq!(Store::find(&below), Some(path.clone()));
    assert!(Store::open(&path).unwrap().list_models().unwrap().is_empty());
}

#[test]
fn a_folder_with_something_else_in_it_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("thesis.txt"), "text").unwrap();
    let error = Store::open_or_create(folder.path()).err().unwrap();
    assert_eq!(error.mistake().unwrap().code, "not-a-store");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_same_model_is_registered_once_under_a_name() {
    let (_folder, store) = new_store();
    let first = store.register(&record("digits", 1.0)).unwrap();
    let mut later = record("digits", 1.0);
    later.by.unix_ms += 1;
    later.metrics = json!({});
    let again = store.register(&later).unwrap();
    assert!(matches!(first, Registered::New(_)));
    assert_eq!(again, Registered::Existing(first.version().clone()));

    let second = store.register(&record("digits", 2.0)).unwrap();
    assert_eq!(second.version().id(), "digits@2");
    let other_name = store.register(&record("numbers", 1.0)).unwrap();
    assert_eq!(other_name.version().id(), "numbers@1");
    assert_eq!(other_name.version().digest, first.version().digest);
}

/// The digest is part of the format: a change here is a change of every model's identity.
#[test]
fn the_digest_is_the_same_everywhere() {
    let (_folder, store) = new_store();
    let digest = store.register(&record("digits", 1.0)).unwrap().version().digest;
    assert_eq!(digest.to_string(), "ce73cdad3569cc385e7e692d751fbf2ae757da5a4f029891d87f490303549bb0");
}

#[test]
fn a_model_comes_back_as_it_went_in() {
    let (_folder, store) = new_store();
    let record = record("vision/digits", 1.0);
    store.register(&record).unwrap();
    let model = store.model("vision/digits@1").unwrap();
    assert_eq!(store.tensors(&model).unwrap(), record.tensors);
    assert_eq!(store.graph(&model).unwrap(), record.graph);
    assert_eq!(store.scheme(&model.version).unwrap(), record.scheme);
    assert_eq!(model.manifest.labels, record.labels);
    assert_eq!(model.manifest.inputs, record.inputs);
    assert_eq!(model.version.metrics, record.metrics);
    assert_eq!(model.version.engine, record.engine);
    assert_eq!(model.version.bytes, 13 + 4 * 512 + 4 * 2 + 8 * 2);
}

#[test]
fn what_two_models_share_is_kept_once() {
    let (_folder, store) = new_store();
    store.register(&record("digits", 1.0)).unwrap();
    let before = store.stats().unwrap();
    store.register(&record("digits", 2.0)).unwrap();
    let after = store.stats().unwrap();
    assert_eq!(after.physical_bytes - before.physical_bytes, 8, "only the head is new");
    assert_eq!(after.logical_bytes, 2 * before.logical_bytes);
    assert_eq!((after.models, after.versions, after.blobs), (1, 2, before.blobs + 1));
}

#[test]
fn references_find_versions_or_say_what_there_is() {
    let (_folder, store) = new_store();
    let help = |reference: &str| {
        let mistake = store.resolve(reference).unwrap_err().mistake().unwrap();
        format!("{}: {} ({})", mistake.code, mistake.message, mistake.help.join("; "))
    };
    assert_eq!(
        help("digits"),
        "unknown-model: there is no model `digits` (the store holds no model yet; `heirloom run SCHEME` registers one)"
    );
    let first = store.register(&record("digits", 1.0)).unwrap().version().digest.to_string();
    store.register(&record("digits", 2.0)).unwrap();
    store.register(&record("letters", 1.0)).unwrap();
    store.set_alias("digits", "production", 1, &by(7)).unwrap();
    for (reference, expect) in [
        ("digits", "digits@2"),
        ("digits@1", "digits@1"),
        ("digits@production", "digits@1"),
        (&first[..8], "digits@1"),
        (&first.to_uppercase(), "digits@1"),
        ("letters", "letters@1"),
    ] {
        assert_eq!(store.resolve(reference).unwrap().id(), expect, "{reference}");
    }
    for (reference, expect) in [
        (
            "digit",
            "unknown-model: there is no model `digit` (did you mean `digits`?; the models are digits, letters)",
        ),
        (
            "digits@7",
            "unknown-version: model `digits` has no version 7 (its versions are, newest first: 2, 1)",
        ),
        (
            "digits@99999999999",
            "unknown-version: model `digits` has no version 99999999999 (its versions are, newest first: 2, 1)",
        ),
        (
            "digits@prodution",
            "unknown-alias: model `digits` has no alias `prodution` (did you mean `production`?; its aliases are production)",
        ),
        (
            "letters@x",
            "unknown-alias: model `letters` has no alias `x` (it has no alias at all; `letters` names its newest version)",
        ),
        (
            &first[..7],
            &format!("unknown-model: there is no model `{}` (the models are digits, letters)", &first[..7]),
        ),
        ("00000000", "unknown-model: there is no model `00000000` (the models are digits, letters)"),
        ("a\u{1b}[2J@b", "unknown-model: there is no model `a\\u{1b}[2J` (the models are digits, letters)"),
    ] {
        assert_eq!(help(reference), expect);
    }
}

#[test]
fn aliases_move_and_remember() {
    let (_folder, store) = new_store();
    store.register(&record("digits", 1.0)).unwrap();
    store.register(&record("digits", 2.0)).unwrap();
    store.set_alias("digits", "production", 1, &by(10)).unwrap();
    store.set_alias("digits", "production", 2, &by(20)).unwrap();
    let moves: Vec<_> = store
        .alias_history("digits")
        .unwrap()
        .into_iter()
        .map(|change| (change.version, change.replaced, change.by.unix_ms))
        .collect();
    assert_eq!(moves, [(1, None, 10), (2, Some(1), 20)]);
    assert_eq!(store.resolve("digits@2").unwrap().aliases, ["production"]);
    assert_eq!(store.list_models().unwrap()[0].aliases, [("production".to_owned(), 2)]);
    for (name, alias, version, code) in [
        ("digit", "production", 1, "unknown-model"),
        ("digits", "production", 3, "unknown-version"),
        ("digits", "3", 1, "invalid-alias"),
    ] {
        assert_eq!(store.set_alias(name, alias, version, &by(30)).unwrap_err().mistake().unwrap().code, code);
    }
    assert_eq!(store.alias_history("digits").unwrap().len(), 2);
}

#[test]
fn what_cannot_be_registered_leaves_nothing() {
    let (_folder, store) = new_store();
    let mut same_names = record("digits", 1.0);
    same_names.tensors[1].0 = same_names.tensors[0].0.clone();
    let mut long_name = record("digits", 1.0);
    long_name.tensors[1].0 = "x".repeat(5000);
    for bad in [record("../digits", 1.0), same_names, long_name] {
        assert!(store.register(&bad).is_err());
    }
    assert_eq!(store.stats().unwrap(), Default::default());
}

#[test]
fn stage_results_come_back_under_their_key() {
    let (_folder, store) = new_store();
    let key = Digest::of(b"key");
    assert_eq!(store.stage_get(key).unwrap(), None);
    let blob = store.put(b"prepared").unwrap();
    let stage = StageResult { result: json!({"rows": 3, "mean": 0.1307}), blobs: vec![blob, blob] };
    store.stage_put(key, &stage).unwrap();
    assert_eq!(store.stage_get(key).unwrap(), Some(stage));
    let shorter = StageResult { result: json!(null), blobs: vec![] };
    store.stage_put(key, &shorter).unwrap();
    assert_eq!(store.stage_get(key).unwrap(), Some(shorter.clone()));

    let unknown = StageResult { result: json!(1), blobs: vec![Digest::of(b"never put")] };
    assert!(matches!(store.stage_put(key, &unknown), Err(StoreError::MissingBlob { .. })));
    assert_eq!(store.stage_get(key).unwrap(), Some(shorter));
    store.stage_remove(key).unwrap();
    assert_eq!(store.stage_get(key).unwrap(), None);
}

#[test]
fn the_newest_two_checkpoints_are_kept() {
    let (_folder, store) = new_store();
    let key = Digest::of(b"run");
    assert_eq!(store.load_checkpoint(key).unwrap().checkpoint, None);
    for step in [9, 10, 100] {
        store.save_checkpoint(key, step, &json!({"epoch": step}), &[step as u8; 100]).unwrap();
    }
    assert_eq!(store.stats().unwrap().checkpoints, 2);
    let loaded = store.load_checkpoint(key).unwrap();
    let checkpoint = loaded.checkpoint.unwrap();
    assert_eq!(
        (checkpoint.step, checkpoint.manifest, checkpoint.tensors.len()),
        (100, json!({"epoch": 100}), 100)
    );
    assert_eq!(loaded.damaged, []);
    store.clear_checkpoints(key).unwrap();
    store.clear_checkpoints(key).unwrap();
    assert_eq!(store.load_checkpoint(key).unwrap().checkpoint, None);
}

#[test]
fn runs_are_noted_from_start_to_end() {
    let (_folder, store) = new_store();
    let run = |id: &str, started_unix_ms| RunRecord {
        id: id.to_owned(),
        scheme_digest: Digest::of(b"scheme"),
        key: Digest::of(b"key"),
        started_unix_ms,
    };
    let lock = store.try_lock().unwrap();
    let folder = store.start_run(&lock, &run("a", 1)).unwrap();
    assert!(folder.is_dir());
    let file = store.write_run_file("a", "run.json", b"{}").unwrap();
    store.write_run_file("a", "run.json", b"{\"a\":1}").unwrap();
    assert_eq!(fs::read(file).unwrap(), b"{\"a\":1}");
    store.finish_run("a", RunState::Finished, 2).unwrap();
    store.start_run(&lock, &run("b", 3)).unwrap();
    drop(lock);

    let lock = store.try_lock().unwrap();
    let states: Vec<_> = store.runs().unwrap().iter().map(|run| (run.record.id.clone(), run.state)).collect();
    assert_eq!(states, [("a".to_owned(), RunState::Finished), ("b".to_owned(), RunState::Interrupted)]);
    assert_eq!(store.newest_run_of(Digest::of(b"key")).unwrap().unwrap().record.id, "b");
    store.start_run(&lock, &run("b", 4)).unwrap();
    assert_eq!(store.run("b").unwrap().state, RunState::Running);
    assert_eq!(store.run("c").unwrap_err().mistake().unwrap().code, "unknown-run");
    assert!(store.run_folder("../b").is_err());
    assert!(store.finish_run("c", RunState::Failed, 5).is_err());
}

#[test]
fn the_lock_is_held_by_one() {
    let (_folder, store) = new_store();
    let lock = store.try_lock().unwrap();
    let other = open_again(store.path());
    match other.try_lock() {
        Err(StoreError::Locked { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
        outcome => panic!("{outcome:?}"),
    }
    other.register(&record("digits", 1.0)).unwrap();
    drop(lock);
    other.try_lock().unwrap();
}

#[test]
fn safetensors_bytes_are_repeatable_and_carry_the_labels() {
    let (_folder, store) = new_store();
    store.register(&record("digits", 1.0)).unwrap();
    let model = store.model("digits").unwrap();
    let bytes = store.safetensors(&model).unwrap();
    assert_eq!(bytes, store.safetensors(&model).unwrap());

    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let head = file.tensor("head.weight").unwrap();
    assert_eq!((head.shape(), head.data()), (&[2][..], &[0, 0, 0x80, 0x3f, 0, 0, 0x80, 0xbf][..]));
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let facts: serde_json::Value =
        serde_json::from_str(&header.metadata().as_ref().unwrap()["heirloom"]).unwrap();
    assert_eq!(facts["labels"], json!(["no", "yes"]));
    assert_eq!(facts["digest"], model.version.digest.to_string());
}

#[test]
fn any_bytes_come_back() {
    let (_folder, store) = new_store();
    let config = ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(bytes in proptest::collection::vec(any::<u8>(), 0..2000))| {
        let digest = store.put(&bytes).unwrap();
        prop_assert_eq!(digest, Digest::of(&bytes));
        prop_assert!(store.contains(digest).unwrap());
        prop_assert_eq!(store.get(digest).unwrap(), bytes);
    });
    assert_eq!(store.verify().unwrap().problems, []);
}

over_other_backends![
    the_same_model_is_registered_once_under_a_name,
    the_digest_is_the_same_everywhere,
    a_model_comes_back_as_it_went_in,
    what_two_models_share_is_kept_once,
    references_find_versions_or_say_what_there_is,
    aliases_move_and_remember,
    what_cannot_be_registered_leaves_nothing,
    stage_results_come_back_under_their_key,
    the_newest_two_checkpoints_are_kept,
    runs_are_noted_from_start_to_end,
    the_lock_is_held_by_one,
    safetensors_bytes_are_repeatable_and_carry_the_labels,
    any_bytes_come_back,
];
