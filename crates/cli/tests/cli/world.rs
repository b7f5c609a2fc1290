//! A world that fails: exit status 1, and a store that is whole.

use store::Store;

use crate::place::Place;
use crate::samples::houses_scheme;

fn assert_intact(place: &Place) {
    let store = Store::open(&place.path().join(".heirloom")).expect("a store");
    assert_eq!(store.verify().expect("it can be looked at").problems, []);
}

#[test]
fn a_locked_store_refuses_the_second_run() {
    let place = Place::new();
    houses_scheme(&place);
    let store = Store::open_or_create(&place.path().join(".heirloom")).expect("a store");
    let lock = store.try_lock().expect("nobody else runs");
    let said = place.heirloom("run houses.toml").failed(1);
    assert!(said.contains("locked by another run"), "{said}");
    assert!(said.contains("help: wait until that run has ended"), "{said}");
    drop(lock);
    place.heirloom("run houses.toml").done();
    assert_intact(&place);
}

/// The limit on a file's size fails a write as a full disk does. The registry fits below it, a checkpoint does not.
#[test]
fn a_full_disk_leaves_the_store_intact() {
    let place = Place::new();
    houses_scheme(&place);
    let run = "heirloom run houses.toml --set model.layers.hidden.units=100000";
    // In units of 512 bytes, as POSIX has it.
    let outcome = place.shell(&format!("ulimit -f 1600; exec {run}"));
    let said = outcome.failed(1);
    assert!(said.contains("error: cannot write"), "{said}");
    assert!(said.contains("File too large"), "{said}");
    assert!(said.contains("help: make room"), "{said}");
    assert_intact(&place);
    assert_eq!(place.heirloom("model list --json").json()["models"], serde_json::json!([]));
    place.shell(run).done();
    assert_intact(&place);
}

#[test]
fn a_full_disk_behind_an_export_leaves_nothing() {
    let place = Place::new();
    houses_scheme(&place);
    place.heirloom("run houses.toml --quiet --set model.layers.hidden.units=100000").done();
    let before = place.files();
    let said = place.shell("ulimit -f 1600; exec heirloom model export houses --format onnx").failed(1);
    assert!(said.contains("cannot write houses.onnx: File too large"), "{said}");
    let after: Vec<String> = place.files().into_iter().filter(|name| !before.contains(name)).collect();
    assert!(!after.iter().any(|name| !name.starts_with(".heirloom/")), "{after:?}");
}

#[test]
fn nobody_reads_to_the_end() {
    let place = Place::new();
    let outcome = place.shell("heirloom algorithm list | head -n 1; heirloom scheme show mnist | true");
    assert_eq!((outcome.status, &*outcome.stderr), (Some(0), ""));
}

#[test]
fn a_full_standard_output_is_a_failure() {
    let place = Place::new();
    let said = place.shell("exec heirloom scheme list > /dev/full").failed(1);
    assert!(said.contains("cannot write to standard output"), "{said}");
}
