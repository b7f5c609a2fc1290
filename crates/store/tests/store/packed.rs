//! A store that is one file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use store::{
    BundleCompression, Direction, ModelRecord, ParentRecord, Promotion, Relation, Store, StoreError,
    append_trailer, find_trailer,
};
use tempfile::TempDir;

use crate::sample::{by, large_record, new_store, record};

/// `base@1` <- `clinic@1`, with cases and golden examples beside the latter.
fn family() -> (TempDir, Store) {
    let (folder, store) = new_store();
    store.register(&large_record("base", 1.0)).unwrap();
    let mut child = ModelRecord { name: "clinic".to_owned(), ..large_record("base", 1.0) };
    child.tensors[1] = record("clinic", 2.0).tensors[1].clone();
    child.parents = vec![ParentRecord {
        reference: "base@1".to_owned(),
        relation: Relation::FineTunedFrom,
        successors: Vec::new(),
    }];
    child.attachments =
        vec![("cases".to_owned(), b"patients".to_vec()), ("golden".to_owned(), b"a few".to_vec())];
    store.register(&child).unwrap();
    (folder, store)
}

/// `clinic` packed to be served.
fn packed(folder: &Path, store: &Store) -> PathBuf {
    let path = folder.join("clinic.zip");
    let package = store.package_to_serve("clinic", &["golden"]).unwrap();
    store.write_package(&package, &path, BundleCompression::Stored).unwrap();
    path
}

fn code(error: &StoreError) -> &'static str {
    error.mistake().map_or("the world", |mistake| mistake.code)
}

#[test]
fn what_was_packed_is_read_where_it_lies() {
    let (folder, store) = family();
    let path = packed(folder.path(), &store);
    let before = fs::read_dir(folder.path()).unwrap().count();
    let inside = Store::open(&path).unwrap();
    assert_eq!(inside.packed_models(), ["clinic@1"]);
    let (here, there) = (store.model("clinic").unwrap(), inside.model("clinic").unwrap());
    assert_eq!(here, there);
    assert_eq!(store.tensors(&here).unwrap(), inside.tensors(&there).unwrap());
    assert_eq!(store.scheme(&here.version).unwrap(), inside.scheme(&there.version).unwrap());
    let lineage = |store: &Store| store.lineage(&here.version, Direction::Ancestors).unwrap();
    assert_eq!(lineage(&store), lineage(&inside));
    // Its golden examples are there; what it was tested on, and what its ancestor does not share with it, is not.
    assert_eq!(inside.attachment(&there.version, "golden").unwrap(), Some(b"a few".to_vec()));
    assert_eq!(inside.attachment(&there.version, "cases").unwrap(), None);
    let base = inside.model("base").unwrap();
    assert!(matches!(inside.tensors(&base), Err(StoreError::MissingBlob { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "something was unpacked");
}

#[test]
fn nothing_of_it_can_be_changed() {
    let (folder, store) = family();
    let inside = Store::open(&packed(folder.path(), &store)).unwrap();
    let refused = [
        inside.promote("clinic", "production", &Promotion::default(), &by(1)).map(|_| ()),
        inside.register(&record("new", 1.0)).map(|_| ()),
        inside.put(b"bytes").map(|_| ()),
        inside.try_lock().map(|_| ()),
        inside.attach("clinic", "role", b"bytes", &by(1)).map(|_| ()),
    ];
    for outcome in refused {
        assert_eq!(code(&outcome.unwrap_err()), "read-only-store");
    }
}

#[test]
fn a_store_does_not_take_in_what_lacks_the_weights_of_ancestors() {
    let (folder, store) = family();
    let path = packed(folder.path(), &store);
    let (_elsewhere, other) = new_store();
    let error = other.import_bundle(&path, &by(1), &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("without the weights of its ancestors"), "{error}");
    // One without ancestors leaves nothing out.
    let package = store.package_to_serve("base", &["golden"]).unwrap();
    store.write_package(&package, &folder.path().join("base.zip"), BundleCompression::Zstd).unwrap();
    other.import_bundle(&folder.path().join("base.zip"), &by(1), &mut |_, _| {}).unwrap();
    assert_eq!(other.model("base").unwrap().manifest, store.model("base").unwrap().manifest);
}

#[test]
fn a_program_brings_its_model_along() {
    let (folder, store) = family();
    let path = folder.path().join("program");
    let models = fs::read(packed(folder.path(), &store)).unwrap();
    let mut file = File::create(&path).unwrap();
    file.write_all(b"any program").unwrap();
    append_trailer(&mut file, &models).unwrap();
    drop(file);
    let trailer = find_trailer(&path).unwrap().unwrap();
    assert_eq!((trailer.program_bytes, trailer.packed_bytes), (11, models.len() as u64));
    assert_eq!(Store::open(&path).unwrap().packed_models(), ["clinic@1"]);

    let whole = fs::read(&path).unwrap();
    for at in [12, 11 + models.len() / 2, whole.len() - 20, whole.len() - 48] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, damaged).unwrap();
        let error = Store::open(&path).map(|_| ()).unwrap_err();
        assert_eq!(code(&error), "bad-package", "{at}: {error}");
    }
    fs::write(&path, b"any program").unwrap();
    assert_eq!(find_trailer(&path).unwrap(), None);
    assert_eq!(code(&Store::open(&path).map(|_| ()).unwrap_err()), "not-a-store");
}

#[test]
fn a_recalled_version_is_used_only_for_a_reason() {
    let (_folder, store) = family();
    let allow = |reason: Option<&str>| {
        let promotion = Promotion { despite_recall: reason.map(str::to_owned), verified_keys: Vec::new() };
        store.allow("clinic", "package", &promotion, &by(5))
    };
    allow(None).unwrap();
    let events = store.history(None).unwrap().len();
    store.recall("base", "bad labels", &by(4)).unwrap();
    assert_eq!(code(&allow(None).unwrap_err()), "recalled");
    assert_eq!(code(&allow(Some(" ")).unwrap_err()), "no-reason");
    allow(Some("there is no other")).unwrap();
    let history = store.history(None).unwrap();
    assert_eq!(history.len(), events + 2);
    let last = history.last().unwrap();
    assert_eq!((last.action.as_str(), last.name.as_str()), ("package", "clinic"));
    assert_eq!(last.reason.as_deref(), Some("there is no other"));
}
