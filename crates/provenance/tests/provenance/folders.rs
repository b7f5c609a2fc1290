//! The folder form: the same from memory and from disk, whole or not there, every change noticed.

use std::fs;

use base::Digest;
use provenance::{
    FileHash, FolderError, FolderForm, Lineage, TreeRules, list_files, read_folder, sign, verify,
};

use crate::sample::{lineage, private, store_with_a_model};

#[test]
fn memory_and_disk_hold_the_same_files() {
    let (folder, store, model) = store_with_a_model();
    let lineage = lineage(&model);
    let form = FolderForm::new(&store, &model, &lineage).unwrap();
    let target = folder.path().join("digits");
    form.write(&target).unwrap();
    let signed = form.digests(FileHash::Sha256).unwrap();
    assert_eq!(signed, list_files(&target, &TreeRules::default()).unwrap());
    let names: Vec<&str> = signed.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names[..4], ["graph.onnx", "lineage.json", "model.json", "scheme.toml"]);
    assert_eq!(names.len(), 6, "equal tensors are one file");

    let read = read_folder(&target).unwrap();
    assert_eq!(read.digest, model.version.digest);
    assert_eq!((read.manifest, read.lineage), (model.manifest.clone(), lineage.clone()));
    let key = private("p256.pem");
    let bundle = sign("digits", &signed, &key).unwrap();
    let found = list_files(&target, &TreeRules::default()).unwrap();
    assert!(verify(bundle.as_bytes(), &found, key.public()).is_ok());

    let again = form.write(&target).unwrap_err();
    assert_eq!(again.mistakes().unwrap().0[0].code, "folder-exists");
    let nowhere = form.write(&folder.path().join("no/such")).unwrap_err();
    assert_eq!(nowhere.mistakes().unwrap().0[0].code, "missing-folder");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_change_of_any_file_is_noticed() {
    let (folder, store, model) = store_with_a_model();
    let form = FolderForm::new(&store, &model, &lineage(&model)).unwrap();
    let target = folder.path().join("digits");
    form.write(&target).unwrap();
    let key = private("p256.pem");
    let bundle = sign("digits", &form.digests(FileHash::Sha256).unwrap(), &key).unwrap();
    for file in form.files() {
        let (name, bytes) = file.unwrap();
        let path = target.join(name);
        let mut changed = bytes.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, &changed).unwrap();
        let found = list_files(&target, &TreeRules::default()).unwrap();
        let refused = verify(bundle.as_bytes(), &found, key.public()).unwrap_err();
        assert!(refused.to_string().contains(&format!("`{name}` was changed")), "{refused}");
        if name.starts_with("tensors/") || name == "graph.onnx" || name == "model.json" {
            assert!(matches!(read_folder(&target), Err(FolderError::Mistakes(_))), "{name}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(read_folder(&target).unwrap_err().mistakes().unwrap().0[0].code, "missing-file", "{name}");
        fs::write(&path, &bytes).unwrap();
    }
    assert!(read_folder(&target).is_ok());
}

#[test]
fn a_lineage_of_another_model_is_refused() {
    let (_folder, store, model) = store_with_a_model();
    let mut other = lineage(&model);
    other.model.digest = Digest::of(b"other");
    assert!(matches!(FolderForm::new(&store, &model, &other), Err(FolderError::Inconsistent { .. })));
}

#[test]
fn lineage_is_canonical() {
    let (_folder, _store, model) = store_with_a_model();
    let lineage = lineage(&model);
    let text = lineage.encode().unwrap();
    assert_eq!(Lineage::decode(&text).unwrap(), lineage);
    let mut ancestors = lineage.ancestors.clone();
    ancestors.extend(lineage.ancestors.clone());
    ancestors.reverse();
    let mut relations = lineage.relations.clone();
    relations.reverse();
    let shuffled = Lineage::new(lineage.model.clone(), ancestors, relations);
    assert_eq!(shuffled.encode().unwrap(), text, "order and repetition say nothing");
    assert_eq!(lineage.parents().count(), 1);
    for damaged in [
        text.replace("\"format_version\":1", "\"format_version\":2"),
        text.replacen("\"name\":\"parent\"", "\"name\":\"nobody\"", 1),
        text.replace("grandparent", "parent")
            .replace(&Digest::of(b"grandparent").to_string(), &Digest::of(b"parent").to_string()),
        text.replace("\"ancestors\"", "\"elders\""),
    ] {
        assert_eq!(Lineage::decode(&damaged).unwrap_err().code, "invalid-lineage", "{damaged}");
    }
}
