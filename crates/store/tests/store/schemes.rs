//! Registered schemes.

use base::Digest;
use store::{SchemeParent, SchemeRecord, SchemeRegistered, SchemeSource, Store};

use crate::backends::over_other_backends;
use crate::sample::{by, new_store};

fn scheme(name: &str, text: &str, parents: &[(&str, u32)]) -> SchemeRecord {
    SchemeRecord {
        name: name.to_owned(),
        sources: vec![SchemeSource { path: format!("{name}.toml"), text: text.to_owned() }],
        resolved: format!("# all of it\n{text}"),
        scheme_digest: Digest::of(text.as_bytes()),
        description: "digits".to_owned(),
        parents: parents
            .iter()
            .map(|(name, version)| SchemeParent {
                reference: format!("{name}@{version}"),
                name: name.to_string(),
                version: Some(*version),
                digest: Digest::of(name.as_bytes()),
            })
            .collect(),
        by: by(7),
    }
}

fn code(outcome: Result<impl std::fmt::Debug, store::StoreError>) -> &'static str {
    outcome.unwrap_err().mistake().unwrap().code
}

fn three_generations() -> (tempfile::TempDir, Store) {
    let (folder, store) = new_store();
    for record in [
        scheme("base", "a = 1", &[]),
        scheme("hospital/a", "b = 1", &[("base", 1)]),
        scheme("hospital/b", "c = 1", &[("hospital/a", 1)]),
        scheme("base", "a = 2", &[]),
        scheme("base", "a = 3", &[]),
    ] {
        assert!(matches!(store.register_scheme(&record).unwrap(), SchemeRegistered::New(_)));
    }
    (folder, store)
}

#[test]
fn a_scheme_comes_back_as_it_was_written() {
    let (_folder, store) = three_generations();
    let version = store.scheme_version("hospital/a").unwrap();
    assert_eq!(version.id(), "hospital/a@1");
    assert_eq!(version.parents[0].reference, "base@1");
    assert_eq!(store.scheme_sources(&version).unwrap()[0].text, "b = 1");
    assert_eq!(store.scheme_resolved(&version).unwrap(), "# all of it\nb = 1");
    assert_eq!(store.scheme_version("base@2").unwrap().version, 2);
    assert_eq!(store.scheme_version("base").unwrap().version, 3);
    assert_eq!(store.list_schemes().unwrap().len(), 5);
    assert_eq!(store.verify().unwrap().problems, []);
}

#[test]
fn the_same_text_is_registered_once_in_a_row() {
    let (_folder, store) = three_generations();
    let again = store.register_scheme(&scheme("base", "a = 3", &[])).unwrap();
    assert!(matches!(again, SchemeRegistered::Existing(ref version) if version.version == 3));
    let earlier = store.register_scheme(&scheme("base", "a = 1", &[])).unwrap();
    assert_eq!(earlier.version().version, 4, "going back to an older text is a new version");
}

#[test]
fn children_are_told_how_far_behind_they_are() {
    let (_folder, store) = three_generations();
    let children = store.scheme_children("base").unwrap();
    assert_eq!(children.len(), 1);
    assert_eq!(
        (children[0].child.id().as_str(), children[0].pinned, children[0].behind),
        ("hospital/a@1", Some(1), 2)
    );
    assert_eq!(store.scheme_children("hospital/b").unwrap(), []);
}

#[test]
fn unknown_and_ill_formed_names_are_refused() {
    let (_folder, store) = three_generations();
    assert_eq!(code(store.scheme_version("bas")), "unknown-scheme");
    assert_eq!(code(store.scheme_version("base@9")), "unknown-scheme");
    assert_eq!(code(store.scheme_version("base@x")), "unknown-scheme");
    assert_eq!(code(store.register_scheme(&scheme("../x", "a = 1", &[]))), "invalid-scheme-name");
}

over_other_backends![
    a_scheme_comes_back_as_it_was_written,
    the_same_text_is_registered_once_in_a_row,
    children_are_told_how_far_behind_they_are,
    unknown_and_ill_formed_names_are_refused,
];
