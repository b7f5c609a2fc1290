//! What holds for stores that many machines share, and for no other.

use std::path::Path;

use postgres::{Client, NoTls};
use store::{Store, StoreAddress, StoreError};
use tempfile::TempDir;

use crate::backends::{Backend, address_of, new_address, open_again, over};
use crate::sample::{by, large_record, new_store, record};

fn open_or_create(address: &str, path: &Path) -> Result<Store, StoreError> {
    Store::open_or_create_at(&StoreAddress::parse(address).unwrap(), path)
}

fn code(outcome: Result<Store, StoreError>) -> &'static str {
    outcome.err().unwrap().mistake().unwrap().code
}

/// The address without our parameters, and the schema.
fn parts(address: &str) -> (&str, &str) {
    let (url, parameters) = address.split_once("?schema=").unwrap();
    (url, parameters.split('&').next().unwrap())
}

fn client(address: &str) -> (Client, String) {
    let (url, schema) = parts(address);
    (Client::connect(url, NoTls).unwrap(), schema.to_owned())
}

#[test]
fn a_shared_store_knows_where_its_blobs_are() {
    over(Backend::PostgresAndDisk, || {
        let (folder, store) = new_store();
        store.register(&large_record("digits", 1.0)).unwrap();
        let address = address_of(store.path());
        let (url, schema) = parts(&address);
        let short = format!("{url}?schema={schema}");
        let elsewhere = format!("{short}&blobs={}", folder.path().join("elsewhere").display());
        assert_eq!(code(open_or_create(&elsewhere, store.path())), "blobs-elsewhere");

        let other_machine = TempDir::new().unwrap();
        let same = open_or_create(&short, &other_machine.path().join(Store::FOLDER)).unwrap();
        assert_eq!(same.resolve("digits").unwrap().id(), "digits@1");
        assert_eq!(same.verify().unwrap().problems, []);
        assert_eq!(
            code(open_or_create(&format!("{url}?schema={schema}_new"), store.path())),
            "no-blob-place"
        );
    });
}

#[test]
fn what_is_no_store_is_refused() {
    over(Backend::PostgresAndDisk, || {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(Store::FOLDER);
        let address = new_address(&path);
        let missing = Store::open_at(&StoreAddress::parse(&address).unwrap(), &path);
        assert_eq!(code(missing), "not-a-store");

        let (mut client, schema) = client(&address);
        client.batch_execute(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.mine (a INT)")).unwrap();
        assert_eq!(code(open_or_create(&address, &path)), "not-a-store");

        let encrypted = address.replace("?", "?sslmode=require&");
        assert_eq!(code(open_or_create(&encrypted, &path)), "store-address");
    });
}

#[test]
fn a_newer_schema_is_refused() {
    over(Backend::PostgresAndDisk, || {
        let (_folder, store) = new_store();
        let address = address_of(store.path());
        let (mut client, schema) = client(&address);
        client.batch_execute(&format!("UPDATE {schema}.schema_version SET version = 99")).unwrap();
        match open_or_create(&address, store.path()).err().unwrap() {
            StoreError::UnknownSchema { found: 99, .. } => {}
            error => panic!("{error}"),
        }
    });
}

#[test]
fn the_history_cannot_be_rewritten() {
    over(Backend::PostgresAndDisk, || {
        let (_folder, store) = new_store();
        store.register(&record("digits", 1.0)).unwrap();
        store.set_alias("digits", "production", 1, &by(1)).unwrap();
        let before = store.history(None).unwrap();
        let (mut client, schema) = client(&address_of(store.path()));
        for statement in ["DELETE FROM", "TRUNCATE"] {
            assert!(client.batch_execute(&format!("{statement} {schema}.history")).is_err(), "{statement}");
        }
        let update = format!("UPDATE {schema}.history SET actor = 'nobody'");
        assert!(client.batch_execute(&update).is_err());
        assert_eq!(store.history(None).unwrap(), before);
    });
}

#[test]
fn an_error_names_the_server_and_no_password() {
    over(Backend::PostgresAndDisk, || {
        let (_folder, store) = new_store();
        let address = address_of(store.path());
        let (before, rest) = address.split_once('@').unwrap();
        let user = before.rsplit_once(':').unwrap().0;
        let error = open_or_create(&format!("{user}:wrong@{rest}"), store.path()).err().unwrap();
        let text = error.to_string();
        assert!(text.contains("password authentication failed") && !text.contains("wrong"), "{text}");
    });
}

#[test]
fn objects_are_read_listed_and_removed() {
    over(Backend::PostgresAndS3, || {
        let (_folder, store) = new_store();
        store.register(&large_record("digits", 1.0)).unwrap();
        let large = vec![7; 20 << 20]; // sent in parts
        let digest = store.put(&large).unwrap();
        assert_eq!(open_again(store.path()).get(digest).unwrap(), large);
        let garbage = store.collect_garbage(store::Collection::default()).unwrap();
        assert_eq!(garbage.blobs, [(digest, large.len() as u64)]);
        assert!(matches!(store.get(digest), Err(StoreError::MissingBlob { .. })));
        assert_eq!(store.verify().unwrap().problems, []);
    });
}
