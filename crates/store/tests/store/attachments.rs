//! What is kept beside a version after it was registered.

use base::Digest;
use store::{Collection, Store};

use crate::backends::over_other_backends;
use crate::sample::{by, new_store, record};

fn kept(store: &Store, role: &str) -> Option<Vec<u8>> {
    store.attachment(&store.resolve("digits").unwrap(), role).unwrap()
}

#[test]
fn a_role_is_taken_once() {
    let (_folder, store) = new_store();
    store.register(&record("digits", 1.0)).unwrap();
    let before = store.history(Some("digits")).unwrap().len();
    assert!(!store.has_attachments("proof.").unwrap());
    store.attach("digits", "proof.1", b"it pays", &by(1)).unwrap();
    let begins = ["proof.", "proof.1", "proof.2", "proo", "q"];
    assert_eq!(begins.map(|prefix| store.has_attachments(prefix).unwrap()), [true, true, false, true, false]);
    store.attach("digits@1", "proof.1", b"it pays", &by(2)).unwrap();
    let code = |error: store::StoreError| error.mistake().unwrap().code;
    let refused = |role| code(store.attach("digits", role, b"it does not", &by(3)).unwrap_err());
    assert_eq!(refused("proof.1"), "role-taken");
    assert_eq!(refused("proof/1"), "invalid-role");
    assert_eq!(code(store.attach("letters", "proof.1", b"", &by(3)).unwrap_err()), "unknown-model");
    let version = store.resolve("digits").unwrap();
    assert_eq!(store.attachments(&version).unwrap(), [("proof.1".to_owned(), Digest::of(b"it pays"))]);
    let events = store.history(Some("digits")).unwrap();
    assert_eq!(events.len(), before + 1);
    assert_eq!(
        (events[before].action.as_str(), events[before].subject.as_deref()),
        ("attach", Some("proof.1"))
    );
}

#[test]
fn what_is_added_later_stays_and_arrives_later() {
    let ((_here, from), (_there, to)) = (new_store(), new_store());
    from.register(&record("digits", 1.0)).unwrap();
    let push = || {
        let package = from.package(&["digits".to_owned()]).unwrap();
        to.receive(&package, &mut &from, &by(9), &mut |_, _| {}).unwrap()
    };
    push();
    from.attach("digits", "proof.1", b"it pays", &by(1)).unwrap();
    from.collect_garbage(Collection { stages: true, dry_run: false }).unwrap();
    assert_eq!(kept(&from, "proof.1").as_deref(), Some(&b"it pays"[..]));
    assert_eq!(kept(&to, "proof.1"), None);
    assert!(!push().versions[0].new);
    assert_eq!(kept(&to, "proof.1").as_deref(), Some(&b"it pays"[..]));
    assert_eq!(to.verify().unwrap().problems, []);
}

over_other_backends![a_role_is_taken_once, what_is_added_later_stays_and_arrives_later];
