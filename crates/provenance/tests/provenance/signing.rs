//! Signing and verifying, and what a signature made elsewhere must still mean here.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use provenance::{
    Bundle, Difference, FileHash, PublicKey, SignedFile, SigningKey, TreeRules, list_files, sign, verify,
};
use tempfile::TempDir;

use crate::sample::{codes, fixture, private, public};

/// The folder that the reference implementation signed.
fn reference_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    for (name, text) in [("a.txt", "alpha\n"), ("sub.txt", "gamma\n"), ("sub/b.bin", "beta\n")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn files(hash: FileHash) -> Vec<SignedFile> {
    list_files(reference_folder().path(), &TreeRules { hash, ignored: vec![] }).unwrap()
}

#[test]
fn signatures_of_the_reference_implementation_hold() {
    for (bundle, key, hash) in [
        ("reference-p256.json", "p256.pub", FileHash::Sha256),
        ("reference-p256.json", "compressed.pub", FileHash::Sha256),
        ("reference-p384.json", "p384.pub", FileHash::Sha256),
        ("reference-p521.json", "p521.pub", FileHash::Sha256),
        ("reference-blake3.json", "p256.pub", FileHash::Blake3),
    ] {
        let statement = verify(&fixture(bundle), &files(hash), &public(key)).unwrap();
        assert_eq!((statement.hash, statement.files.len()), (hash, 3), "{bundle}");
        assert_eq!(statement.subject, "model");
    }
}

#[test]
fn what_the_signer_left_out_is_left_out() {
    let folder = reference_folder();
    let statement =
        Bundle::decode(&fixture("reference-ignored.json")).unwrap().open(&public("p256.pub")).unwrap();
    fs::create_dir(folder.path().join(".git")).unwrap();
    fs::write(folder.path().join(".git/config"), "anything").unwrap();
    let signature = folder.path().join("model.sig");
    fs::write(&signature, "the signature itself").unwrap();
    let rules = TreeRules::of(&statement).without(folder.path(), &signature);
    assert_eq!(statement.differences(&list_files(folder.path(), &rules).unwrap()), []);
    // A folder `.git` deeper down is a folder like any other.
    fs::create_dir_all(folder.path().join("deep/.git")).unwrap();
    fs::write(folder.path().join("deep/.git/config"), "anything").unwrap();
    let found = statement.differences(&list_files(folder.path(), &rules).unwrap());
    assert_eq!(found, [Difference::Added { name: "deep/.git/config".into() }]);
}

#[test]
fn signatures_made_another_way_are_refused_in_words() {
    for (bundle, word) in [("reference-shards.json", "`shards`"), ("reference-blake2.json", "`blake2b`")] {
        let found = verify(&fixture(bundle), &files(FileHash::Sha256), &public("p256.pub")).unwrap_err();
        assert_eq!(codes(&found), ["unsupported-signature"]);
        assert!(found.to_string().contains(word), "{found}");
    }
}

#[test]
fn every_kind_of_key_signs_and_verifies() {
    let new = SigningKey::generate().unwrap();
    for key in [new, private("p256.pem"), private("p384.pem"), private("p521.pem")] {
        let files = files(FileHash::Sha256);
        let bundle = sign("model", &files, &key).unwrap();
        assert_eq!(sign("model", &files, &key).unwrap(), bundle, "the same input gives the same signature");
        let public = PublicKey::from_pem(key.public().to_pem()).unwrap();
        let statement = verify(bundle.as_bytes(), &files, &public).unwrap();
        assert_eq!(statement.files, files);
        assert_eq!(Bundle::decode(bundle.as_bytes()).unwrap().key_id(), Some(public.id()));
        let again = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(again.public(), key.public());
    }
}

#[test]
fn a_changed_folder_is_refused_file_by_file() {
    let folder = reference_folder();
    fs::write(folder.path().join("a.txt"), "alphA\n").unwrap();
    fs::remove_file(folder.path().join("sub/b.bin")).unwrap();
    fs::write(folder.path().join("sub/c.bin"), "beta\n").unwrap();
    let files = list_files(folder.path(), &TreeRules::default()).unwrap();
    let found = verify(&fixture("reference-p256.json"), &files, &public("p256.pub")).unwrap_err();
    assert_eq!(codes(&found), ["changed-file", "missing-file", "unsigned-file"]);
    for name in ["`a.txt` was changed", "`sub/b.bin` was signed", "`sub/c.bin` is there"] {
        assert!(found.to_string().contains(name), "{found}");
    }
}

#[test]
fn of_many_changed_files_the_number_is_told() {
    let files: Vec<SignedFile> =
        (0..100).map(|index| SignedFile { name: format!("f{index:03}"), digest: [0; 32] }).collect();
    let found = verify(&fixture("reference-p256.json"), &files, &public("p256.pub")).unwrap_err();
    assert_eq!(found.0.len(), 21);
    assert!(found.0[20].message.starts_with("83 more files"), "{found}");
}

#[test]
fn another_key_is_refused() {
    let bundle = fixture("reference-p256.json");
    let files = files(FileHash::Sha256);
    let found = verify(&bundle, &files, &public("p384.pub")).unwrap_err();
    assert_eq!(codes(&found), ["wrong-key"]);
    // The same without the key's id, as older tools wrote it: the signature itself tells.
    let id = public("p256.pub").id().to_owned();
    let anonymous =
        String::from_utf8(bundle).unwrap().replace(&format!("\"hint\":\"{id}\""), "\"rawBytes\":\"\"");
    assert!(verify(anonymous.as_bytes(), &files, &public("p256.pub")).is_ok());
    let stranger = SigningKey::generate().unwrap();
    let found = verify(anonymous.as_bytes(), &files, stranger.public()).unwrap_err();
    assert_eq!(codes(&found), ["forged-signature"]);
}

#[test]
fn keys_of_other_kinds_are_refused_in_words() {
    for (file, code) in
        [("encrypted.pem", "encrypted-key"), ("ed25519.pem", "invalid-key"), ("p256.pub", "invalid-key")]
    {
        let found = SigningKey::from_pem(&String::from_utf8(fixture(file)).unwrap()).unwrap_err();
        assert_eq!(found.code, code, "{file}");
    }
    for file in ["ed25519.pub", "p256.pem", "encrypted.pem"] {
        let found = PublicKey::from_pem(&String::from_utf8(fixture(file)).unwrap()).unwrap_err();
        assert_eq!(found.code, "invalid-key", "{file}");
    }
    let shown = format!("{:?}", private("p256.pem"));
    assert_eq!(shown, format!("SigningKey({})", public("p256.pub").id()));
}

#[test]
fn nothing_and_ill_formed_names_are_not_signed() {
    let key = private("p256.pem");
    assert!(sign("model", &[], &key).is_err());
    for name in ["", "/etc/passwd", "../a", "a//b", "a/./b", "a/"] {
        assert!(sign("model", &[SignedFile { name: name.into(), digest: [0; 32] }], &key).is_err(), "{name}");
    }
    let twice = SignedFile { name: "a".into(), digest: [0; 32] };
    assert!(sign("model", &[twice.clone(), twice], &key).is_err());
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let folder = reference_folder();
    std::os::unix::fs::symlink("/etc", folder.path().join("etc")).unwrap();
    let error = list_files(folder.path(), &TreeRules::default()).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    let ignored = TreeRules { ignored: vec!["etc".into()], ..TreeRules::default() };
    assert_eq!(list_files(folder.path(), &ignored).unwrap().len(), 3);
    assert!(list_files(Path::new("/no/such/folder"), &TreeRules::default()).is_err());
}

proptest! {
    #[test]
    fn any_change_of_any_file_is_found(
        digests in proptest::collection::btree_map("[a-c]{1,3}(/[a-c]{1,2})?", any::<[u8; 32]>(), 1..12),
        place in any::<prop::sample::Index>(),
        bit in 0usize..256,
    ) {
        let key = private("p256.pem");
        let files: Vec<SignedFile> =
            digests.into_iter().map(|(name, digest)| SignedFile { name, digest }).collect();
        let bundle = sign("model", &files, &key).unwrap();
        prop_assert!(verify(bundle.as_bytes(), &files, key.public()).is_ok());
        let at = place.index(files.len());
        let mut changed = files.clone();
        changed[at].digest[bit / 8] ^= 1 << (bit % 8);
        let found = verify(bundle.as_bytes(), &changed, key.public()).unwrap_err();
        prop_assert_eq!(codes(&found), ["changed-file"]);
        let mut missing = files;
        missing.remove(at);
        prop_assert!(verify(bundle.as_bytes(), &missing, key.public()).is_err());
    }
}
