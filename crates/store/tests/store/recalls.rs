//! Promotion, rollback, recall, deprecation and the signatures that a store demands.

use store::{Annotation, ParentRecord, Promotion, Relation, Store, TrustedKey};

use crate::backends::over_other_backends;
use crate::sample::{by, new_store, record};

fn promote(store: &Store, reference: &str) -> Result<u32, String> {
    let outcome = store.promote(reference, "production", &Promotion::default(), &by(0));
    outcome.map(|change| change.version).map_err(|error| error.mistake().unwrap().code.to_owned())
}

fn roll_back(store: &Store) -> Result<u32, String> {
    let outcome = store.roll_back("digits", "production", &Promotion::default(), None, &by(0));
    outcome.map(|change| change.version).map_err(|error| error.mistake().unwrap().code.to_owned())
}

fn with_versions(count: u32) -> (tempfile::TempDir, Store) {
    let (folder, store) = new_store();
    for number in 0..count {
        store.register(&record("digits", number as f32)).unwrap();
    }
    (folder, store)
}

#[test]
fn rolling_back_goes_to_what_was_last_serving() {
    let (_folder, store) = with_versions(5);
    assert_eq!(roll_back(&store), Err("unknown-alias".to_owned()));
    for version in [2, 5, 3] {
        promote(&store, &format!("digits@{version}")).unwrap();
    }
    assert_eq!(store.rollback_target("digits", "production").unwrap(), Some(5));
    assert_eq!(roll_back(&store), Ok(5));
    assert_eq!(roll_back(&store), Ok(2), "not back to 3");
    assert_eq!(roll_back(&store), Err("nothing-to-roll-back-to".to_owned()));
    promote(&store, "digits@4").unwrap();
    store.recall("digits@2", "wrong labels", &by(1)).unwrap();
    assert_eq!(roll_back(&store), Err("nothing-to-roll-back-to".to_owned()), "2 is recalled");
    let actions: Vec<String> =
        store.history(Some("digits")).unwrap().into_iter().map(|event| event.action).skip(5).collect();
    assert_eq!(actions, ["promote", "promote", "promote", "rollback", "rollback", "promote", "recall"]);
}

#[test]
fn a_recall_reaches_descendants_and_their_aliases() {
    let (_folder, store) = with_versions(1);
    for (parent, name) in [("digits@1", "clinic"), ("clinic@1", "ward")] {
        let mut child = record(name, 9.0);
        child.parents = vec![ParentRecord {
            reference: parent.into(),
            relation: Relation::FineTunedFrom,
            successors: Vec::new(),
        }];
        store.register(&child).unwrap();
    }
    store.promote("ward", "production", &Promotion::default(), &by(0)).unwrap();
    let report = store.recall("digits@1", "trained on the test set", &by(1)).unwrap();
    assert_eq!(report.descendants, [("clinic".to_owned(), 1), ("ward".to_owned(), 1)]);
    assert_eq!(report.aliases[0].name, "ward");
    assert_eq!(promote(&store, "ward"), Err("recalled".to_owned()));
    assert_eq!(store.recalled().unwrap().len(), 3);

    let mut late = record("late", 10.0);
    late.parents = vec![ParentRecord {
        reference: "ward".into(),
        relation: Relation::DistilledFrom,
        successors: Vec::new(),
    }];
    store.register(&late).unwrap();
    assert_eq!(promote(&store, "late"), Err("recalled".to_owned()), "children made later are reached too");

    let despite =
        Promotion { despite_recall: Some("only digits 0 and 1 here".into()), ..Promotion::default() };
    store.promote("ward", "production", &despite, &by(2)).unwrap();
    let last = store.history(Some("ward")).unwrap().pop().unwrap();
    assert_eq!((last.action.as_str(), last.reason.as_deref()), ("promote", Some("only digits 0 and 1 here")));

    store.withdraw_recall("digits@1", "it was not", &by(3)).unwrap();
    assert_eq!(promote(&store, "late"), Ok(1));
    assert_eq!(
        store.withdraw_recall("digits@1", "x", &by(3)).unwrap_err().mistake().unwrap().code,
        "not-recalled"
    );
    assert_eq!(store.recall("digits@1", " ", &by(3)).unwrap_err().mistake().unwrap().code, "no-reason");
}

#[test]
fn a_store_can_demand_signatures() {
    let (_folder, store) = with_versions(1);
    let unknown = store.require_signatures(&["release".to_owned()], &by(0)).unwrap_err();
    assert_eq!(unknown.mistake().unwrap().code, "unknown-key");
    store.trust_key(&TrustedKey { name: "release".into(), pem: "PEM".into() }, &by(0)).unwrap();
    store.require_signatures(&["release".to_owned()], &by(0)).unwrap();
    assert_eq!(store.required_signatures().unwrap(), ["release"]);
    assert_eq!(promote(&store, "digits"), Err("signature-required".to_owned()));
    let verified = Promotion { verified_keys: vec!["release".into()], ..Promotion::default() };
    store.promote("digits", "production", &verified, &by(0)).unwrap();
    store.require_signatures(&[], &by(0)).unwrap();
    assert_eq!(promote(&store, "digits"), Ok(1));
}

#[test]
fn what_is_said_about_a_version_is_kept_with_what_was_said_before() {
    let (_folder, store) = with_versions(1);
    for annotation in [
        Annotation::Description("digits of forms".into()),
        Annotation::Tag("reviewed".into()),
        Annotation::Tag("reviewed".into()),
        Annotation::Deprecated("use letters".into()),
        Annotation::Description("handwritten digits".into()),
        Annotation::NotDeprecated,
    ] {
        store.annotate("digits", &annotation, &by(4)).unwrap();
    }
    let about = store.about(&store.resolve("digits").unwrap()).unwrap();
    assert_eq!(about.description, "handwritten digits");
    assert_eq!((about.tags, about.deprecated), (vec!["reviewed".to_owned()], None));
    let history = store.history(Some("digits")).unwrap();
    assert_eq!(history.len(), 6, "the registration, and each change once");
    assert_eq!(history[4].replaced.as_deref(), Some("digits of forms"));
    assert_eq!(history.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
}

over_other_backends![
    rolling_back_goes_to_what_was_last_serving,
    a_recall_reaches_descendants_and_their_aliases,
    a_store_can_demand_signatures,
    what_is_said_about_a_version_is_kept_with_what_was_said_before,
];
