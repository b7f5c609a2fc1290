//! A signed model goes to another store and is still what was signed.

use provenance::{FileHash, FolderForm, Lineage, files_of, sign, trusted_signers};
use store::{BundleCompression, Model, ModelRecord, ParentRecord, Relation, Store, TrustedKey};
use tempfile::TempDir;

use crate::sample::{by, private, record};

fn new_store(folder: &TempDir) -> Store {
    Store::open_or_create(&folder.path().join(Store::FOLDER)).unwrap()
}

fn child(name: &str, head: f32, parent: &str) -> ModelRecord {
    let parent = ParentRecord {
        reference: parent.to_owned(),
        relation: Relation::FineTunedFrom,
        successors: Vec::new(),
    };
    ModelRecord { parents: vec![parent], ..record(name, head) }
}

/// `digits`, made from `strokes`, made from `lines`.
fn three_generations(store: &Store) -> Model {
    for model in [record("lines", 0.5), child("strokes", 0.75, "lines"), child("digits", 1.0, "strokes")] {
        store.register(&model).unwrap();
    }
    store.model("digits").unwrap()
}

fn trust(store: &Store, name: &str) {
    let pem = private("p256.pem").public().to_pem().to_owned();
    store.trust_key(&TrustedKey { name: name.to_owned(), pem }, &by()).unwrap();
}

fn sign_in(store: &Store, model: &Model) {
    let key = private("p256.pem");
    let files = files_of(store, model, FileHash::Sha256).unwrap();
    let text = sign(&model.version.name, &files, &key).unwrap();
    store.add_signature(&model.version.id(), key.public().id(), &text, &by()).unwrap();
}

#[test]
fn lineage_reaches_every_ancestor() {
    let folder = TempDir::new().unwrap();
    let store = new_store(&folder);
    let model = three_generations(&store);
    let lineage = Lineage::of(&store, &model.version).unwrap();
    let names: Vec<&str> = lineage.ancestors.iter().map(|origin| origin.name.as_str()).collect();
    assert_eq!(names, ["lines", "strokes"]);
    let steps: Vec<(&str, &str)> =
        lineage.relations.iter().map(|step| (step.child.name.as_str(), step.parent.name.as_str())).collect();
    assert_eq!(steps, [("digits", "strokes"), ("strokes", "lines")]);
    assert_eq!(Lineage::decode(&lineage.encode().unwrap()).unwrap(), lineage);
}

#[test]
fn a_signature_holds_in_another_store() {
    let (here_folder, there_folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (here, there) = (new_store(&here_folder), new_store(&there_folder));
    let model = three_generations(&here);
    sign_in(&here, &model);
    trust(&here, "me");
    assert_eq!(trusted_signers(&here, &model).unwrap(), ["me"]);

    // Other models have the first numbers there.
    for name in ["digits", "lines"] {
        there.register(&record(name, 8.0)).unwrap();
    }
    let bundle = here_folder.path().join("digits.bundle");
    here.write_bundle(&["digits".to_owned()], &bundle, BundleCompression::Stored).unwrap();
    there.import_bundle(&bundle, &by(), &mut |_, _| {}).unwrap();
    let moved = there.model("digits@2").unwrap();
    assert_eq!(moved.version.digest, model.version.digest);
    let hash = FileHash::Sha256;
    assert_eq!(files_of(&there, &moved, hash).unwrap(), files_of(&here, &model, hash).unwrap());
    assert_eq!(trusted_signers(&there, &moved).unwrap(), [] as [String; 0], "nobody is trusted yet");
    trust(&there, "them");
    assert_eq!(trusted_signers(&there, &moved).unwrap(), ["them"]);
}

#[test]
fn a_signature_of_something_else_is_no_signature() {
    let folder = TempDir::new().unwrap();
    let store = new_store(&folder);
    let model = three_generations(&store);
    trust(&store, "me");
    let key = private("p256.pem");
    // The model's own files, but another lineage.
    let alone = Lineage::new(Lineage::of(&store, &model.version).unwrap().model, vec![], vec![]);
    let files = FolderForm::new(&store, &model, &alone).unwrap().digests(FileHash::Sha256).unwrap();
    let text = sign("digits", &files, &key).unwrap();
    store.add_signature("digits", key.public().id(), &text, &by()).unwrap();
    let found = trusted_signers(&store, &model).unwrap_err().mistakes().unwrap();
    assert_eq!(found.0.len(), 1);
    assert!(found.0[0].message.starts_with("`lineage.json` was changed"), "{found}");
}
