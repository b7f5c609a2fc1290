//! What a store says when something else has changed its files.

use std::fs;
use std::path::{Path, PathBuf};

use base::Digest;
use rusqlite::Connection;
use serde_json::json;
use store::{Store, StoreError};

use crate::sample::{by, large_record, new_store, record};

fn blob_path(store: &Store, digest: Digest) -> PathBuf {
    let text = digest.to_string();
    store.path().join("blobs").join(&text[..2]).join(&text[2..])
}

fn flip_last_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Changes rows behind the store's back.
fn alter(store: &Store, statements: &str) {
    let database = Connection::open(store.path().join("registry.db")).unwrap();
    database.execute_batch(&format!("PRAGMA foreign_keys = OFF; {statements}")).unwrap();
}

#[test]
fn a_damaged_blob_is_named_and_put_again_repairs_it() {
    let (_folder, store) = new_store();
    let weights = [7; 20_000];
    let digest = store.put(&weights).unwrap();
    flip_last_byte(&blob_path(&store, digest));
    match store.get(digest) {
        Err(StoreError::DamagedBlob { digest: named, .. }) => assert_eq!(named, digest),
        outcome => panic!("{outcome:?}"),
    }
    let problems = store.verify().unwrap().problems;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].what, format!("blob {digest}"));
    store.put(&weights).unwrap();
    assert_eq!(store.get(digest).unwrap(), weights);
    assert_eq!(store.verify().unwrap().problems, []);
}

#[test]
fn a_missing_blob_is_named() {
    let (_folder, store) = new_store();
    store.register(&large_record("digits", 1.0)).unwrap();
    let model = store.model("digits").unwrap();
    let digest = model.manifest.tensors[1].digest;
    fs::remove_file(blob_path(&store, digest)).unwrap();
    assert!(
        matches!(store.tensors(&model), Err(StoreError::MissingBlob { digest: named, .. }) if named == digest)
    );
    assert_eq!(store.verify().unwrap().problems.len(), 1);
}

#[test]
fn altered_rows_are_found() {
    for (statements, what) in [
        ("UPDATE models SET manifest = replace(manifest, 'yes', 'YES')", "model "),
        ("DELETE FROM model_blobs", "model "),
        ("UPDATE models SET bytes = 1", "model "),
        ("UPDATE blobs SET bytes = 1 WHERE bytes = 8", "blob "),
        ("DELETE FROM models", "table `versions`"),
        ("UPDATE versions SET metrics = '{'", "version digits@1"),
        ("UPDATE blobs SET content = x'00' WHERE bytes = 8", "blob "),
        ("UPDATE aliases SET version = 9", "table `aliases`"),
    ] {
        let (_folder, store) = new_store();
        store.register(&record("digits", 1.0)).unwrap();
        store.set_alias("digits", "production", 1, &by(0)).unwrap();
        assert_eq!(store.verify().unwrap().problems, []);
        alter(&store, statements);
        let problems = store.verify().unwrap().problems;
        assert!(problems.iter().any(|problem| problem.what.starts_with(what)), "{statements}: {problems:?}");
    }
}

#[test]
fn an_altered_manifest_is_not_used() {
    let (_folder, store) = new_store();
    store.register(&record("digits", 1.0)).unwrap();
    alter(&store, "UPDATE models SET manifest = replace(manifest, 'yes', 'YES')");
    assert!(matches!(store.model("digits"), Err(StoreError::Damaged { .. })));
}

#[test]
fn history_cannot_be_rewritten() {
    let (_folder, store) = new_store();
    store.register(&record("digits", 1.0)).unwrap();
    store.set_alias("digits", "production", 1, &by(0)).unwrap();
    let database = Connection::open(store.path().join("registry.db")).unwrap();
    for statement in ["DELETE FROM history", "UPDATE history SET unix_ms = 1"] {
        assert!(database.execute(statement, []).unwrap_err().to_string().contains("append-only"));
    }
}

#[test]
fn other_databases_and_newer_schemas_are_refused() {
    for (statements, expect) in [
        ("PRAGMA user_version = 99", "has schema version 99, and this program knows versions up to 2"),
        ("PRAGMA user_version = -1", "has schema version -1"),
        ("PRAGMA application_id = 1", "is not a store"),
    ] {
        let (_folder, store) = new_store();
        alter(&store, statements);
        for outcome in [Store::open(store.path()), Store::open_or_create(store.path())] {
            let message = outcome.err().unwrap().to_string();
            assert!(message.contains(expect), "{message}");
        }
    }
    let (_folder, store) = new_store();
    let path = store.path().to_owned();
    drop(store);
    fs::write(path.join("registry.db"), "no database at all, but quite some text").unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Database { .. })));
}

#[test]
fn a_store_whose_making_was_cut_is_completed() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join(Store::FOLDER);
    fs::create_dir_all(path.join("blobs")).unwrap();
    fs::write(path.join("registry.db"), "").unwrap();
    let store = Store::open(&path).unwrap();
    store.register(&record("digits", 1.0)).unwrap();
    assert_eq!(store.verify().unwrap().problems, []);
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let key = Digest::of(b"run");
    let damages: [fn(&Path); 4] = [
        flip_last_byte,
        |path| fs::write(path, b"").unwrap(),
        |path| {
            fs::write(path, b"HLMCKPT\x02 from the future, with quite a long body that says nothing").unwrap()
        },
        |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[16..32].fill(0xff); // lengths beyond everything
            fs::write(path, bytes).unwrap();
        },
    ];
    for damage in damages {
        let (_folder, store) = new_store();
        store.save_checkpoint(key, 1, &json!(1), b"one").unwrap();
        store.save_checkpoint(key, 2, &json!(2), b"two").unwrap();
        damage(&store.path().join(format!("checkpoints/{key}/{:020}.checkpoint", 2)));
        let loaded = store.load_checkpoint(key).unwrap();
        assert_eq!(loaded.checkpoint.unwrap().step, 1);
        assert_eq!(loaded.damaged.len(), 1);
        assert_eq!(store.verify().unwrap().problems.len(), 1);
    }
}
