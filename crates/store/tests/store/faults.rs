//! Whatever operation fails or is cut, the store shows the old state or the new one.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use base::Digest;
use serde_json::json;
use store::{
    BundleCompression, Collection, Garbage, ParentRecord, Promotion, Relation, RunRecord, RunState,
    SchemeRecord, SchemeSource, StageResult, Store, StoreError,
};
use tempfile::TempDir;

use crate::faulty::{Fault, FaultyFiles};
use crate::sample::{by, large_record, new_store};

const NO_SPACE_LEFT: i32 = 28;
const FILE_TOO_LARGE: i32 = 27;
const FAULTS: [Fault; 4] =
    [Fault::Fails(NO_SPACE_LEFT), Fault::Fails(FILE_TOO_LARGE), Fault::Killed, Fault::PowerLost];

type Action = fn(&Store) -> Result<(), StoreError>;

/// Everything that a store shows.
fn shown(store: &Store) -> String {
    let versions: Vec<_> = store
        .list_models()
        .unwrap()
        .iter()
        .flat_map(|summary| store.versions(&summary.newest.name).unwrap())
        .collect();
    let runs = store.runs().unwrap();
    format!(
        "{versions:#?} {runs:#?} {:?} {:#?} {:#?} {:#?} {:#?}",
        fs::read(store.run_folder("a").unwrap().join("run.json")).ok(),
        store.alias_history("digits").unwrap(),
        (store.history(None).unwrap(), store.list_schemes().unwrap()),
        store.stage_get(stage_key()).unwrap(),
        store.load_checkpoint(run_key()).unwrap(),
    )
}

/// Every file in the store that has a temporary name.
fn stray_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            found.extend(stray_files(&entry.path()));
        } else if name.starts_with(".tmp") {
            found.push(name);
        }
    }
    found
}

/// Lets every operation of `action` go wrong in every way; returns how many were tried.
fn check(prepare: Action, action: Action) -> usize {
    let (folder, store) = new_store();
    prepare(&store).unwrap();
    let old = shown(&store);
    drop(store);
    let new = {
        let copy = copy_of(folder.path());
        let store = Store::open(&copy.path().join(Store::FOLDER)).unwrap();
        action(&store).unwrap();
        shown(&store)
    };
    let mut tried = 0;
    for fault in FAULTS {
        for at in 0.. {
            let copy = copy_of(folder.path());
            let path = copy.path().join(Store::FOLDER);
            let files = FaultyFiles::new(fault, at);
            let outcome = action(&Store::open_with(&path, std::sync::Arc::new(files.clone())).unwrap());
            if !files.struck() {
                assert!(outcome.is_ok(), "{outcome:?}");
                files.lose_power();
                check_after(&path, Fault::PowerLost, at, true, [&old, &new], action);
                break;
            }
            tried += 1;
            check_after(&path, fault, at, outcome.is_ok(), [&old, &new], action);
        }
    }
    tried
}

fn copy_of(folder: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(entry.file_name());
            match entry.path().is_dir() {
                true => copy(&entry.path(), &target),
                false => drop(fs::copy(entry.path(), target).unwrap()),
            }
        }
    }
    let target = TempDir::new().unwrap();
    copy(folder, target.path());
    target
}

fn check_after(path: &Path, fault: Fault, at: usize, succeeded: bool, [old, new]: [&str; 2], action: Action) {
    let place = format!("{fault:?} at operation {at}");
    if matches!(fault, Fault::Fails(_)) {
        assert_eq!(stray_files(path), [""; 0], "{place}");
    }
    let store = Store::open(path).unwrap();
    assert_eq!(store.verify().unwrap().problems, [], "{place}");
    let now = shown(&store);
    assert!(now == new || (now == old && !succeeded), "{place}: {now}");
    drop(store.try_lock().unwrap());
    assert_eq!(stray_files(path), [""; 0], "{place}");
    action(&store).unwrap();
    assert_eq!(shown(&store), new, "{place}, then again");
    assert_eq!(store.verify().unwrap().problems, [], "{place}, then again");
}

fn stage_key() -> Digest {
    Digest::of(b"stage")
}

fn run_key() -> Digest {
    Digest::of(b"run")
}

fn nothing(_: &Store) -> Result<(), StoreError> {
    Ok(())
}

fn register_first(store: &Store) -> Result<(), StoreError> {
    store.register(&large_record("digits", 1.0)).map(drop)
}

#[test]
fn registering() {
    assert!(check(nothing, register_first) > 100);
    check(register_first, |store| store.register(&large_record("digits", 2.0)).map(drop));
}

#[test]
fn setting_an_alias() {
    check(register_first, |store| {
        if store.alias_history("digits")?.is_empty() {
            store.set_alias("digits", "production", 1, &by(5))?;
        }
        Ok(())
    });
}

#[test]
fn keeping_a_stage_result() {
    check(nothing, |store| {
        let blobs = vec![store.put(&[1; 20_000])?, store.put(b"two")?];
        store.stage_put(stage_key(), &StageResult { result: json!({"rows": 2}), blobs })
    });
}

#[test]
fn saving_a_checkpoint() {
    fn earlier(store: &Store) -> Result<(), StoreError> {
        store.save_checkpoint(run_key(), 1, &json!(1), b"one")?;
        store.save_checkpoint(run_key(), 2, &json!(2), b"two")
    }
    fn third(store: &Store) -> Result<(), StoreError> {
        store.save_checkpoint(run_key(), 3, &json!(3), b"three")
    }
    check(nothing, third);
    check(earlier, third);
    check(earlier, |store| store.save_checkpoint(run_key(), 2, &json!(2), b"other"));
}

#[test]
fn noting_a_run() {
    fn start(store: &Store) -> Result<(), StoreError> {
        let lock = store.try_lock()?;
        let record =
            RunRecord { id: "a".to_owned(), scheme_digest: stage_key(), key: run_key(), started_unix_ms: 1 };
        store.start_run(&lock, &record).map(drop)
    }
    fn write(store: &Store) -> Result<(), StoreError> {
        store.write_run_file("a", "run.json", b"{}").map(drop)
    }
    check(nothing, start);
    check(nothing, write);
    check(write, |store| store.write_run_file("a", "run.json", b"{\"epochs\":1}").map(drop));
    check(start, |store| store.finish_run("a", RunState::Finished, 2));
}

#[test]
fn promoting_and_recalling() {
    check(register_first, |store| {
        if store.resolve("digits@production").is_err() {
            store.promote("digits@1", "production", &Promotion::default(), &by(5))?;
        }
        Ok(())
    });
    check(register_first, |store| store.recall("digits@1", "wrong labels", &by(6)).map(drop));
}

/// The folder of a store with a family of models in it, and of a bundle of them.
fn source() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let (folder, store) = new_store();
        store.register(&large_record("digits", 1.0)).unwrap();
        let mut child = large_record("digits", 2.0);
        child.parents = vec![ParentRecord {
            reference: "digits@1".into(),
            relation: Relation::FineTunedFrom,
            successors: Vec::new(),
        }];
        child.attachments = vec![("records".into(), vec![3; 20_000])];
        store.register(&child).unwrap();
        store.write_bundle(&[], &folder.path().join("bundle.zip"), BundleCompression::Zstd).unwrap();
        folder
    });
    folder.path()
}

#[test]
fn pushing() {
    fn push(store: &Store) -> Result<(), StoreError> {
        let source = Store::open(&source().join(Store::FOLDER))?;
        let package = source.package(&[])?;
        store.receive(&package, &mut &source, &by(5), &mut |_, _| {}).map(drop)
    }
    assert!(check(nothing, push) > 100);
    check(register_first, push);
}

#[test]
fn importing() {
    fn import(store: &Store) -> Result<(), StoreError> {
        store.import_bundle(&source().join("bundle.zip"), &by(5), &mut |_, _| {}).map(drop)
    }
    assert!(check(nothing, import) > 100);
}

#[test]
fn collecting_garbage() {
    fn litter(store: &Store) -> Result<(), StoreError> {
        register_first(store)?;
        let blobs = vec![store.put(&[1; 20_000])?, store.put(&[2; 30_000])?];
        store.stage_put(stage_key(), &StageResult { result: json!({"rows": 2}), blobs })?;
        (3..9).try_for_each(|byte| store.put(&[byte; 20_000]).map(drop))?;
        store.stage_remove(stage_key())
    }
    fn collect(store: &Store) -> Result<(), StoreError> {
        store.collect_garbage(Collection { stages: true, dry_run: false }).map(drop)
    }
    assert!(check(litter, collect) > 30);
    let (_folder, store) = new_store();
    litter(&store).unwrap();
    let dry = store.collect_garbage(Collection { stages: false, dry_run: true }).unwrap();
    assert_eq!((dry.blobs.len(), dry.files.len(), dry.bytes()), (8, 0, 20_000 * 7 + 30_000));
    assert_eq!(store.collect_garbage(Collection::default()).unwrap(), dry);
    assert_eq!(store.collect_garbage(Collection::default()).unwrap(), Garbage::default());
}

#[test]
fn registering_a_scheme() {
    check(nothing, |store| {
        let record = SchemeRecord {
            name: "base".to_owned(),
            sources: vec![SchemeSource { path: "base.toml".into(), text: "# x\n".repeat(8_000) }],
            resolved: "# y\n".repeat(8_000),
            scheme_digest: stage_key(),
            description: String::new(),
            parents: Vec::new(),
            by: by(5),
        };
        store.register_scheme(&record).map(drop)
    });
}
