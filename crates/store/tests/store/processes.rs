//! Several threads and processes in one store, some of them killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use store::{Store, StoreError};

use crate::sample::{new_store, record};

const ROLE: &str = "STORE_TEST_CHILD_ROLE";
const PATH: &str = "STORE_TEST_CHILD_PATH";
const NUMBER: &str = "STORE_TEST_CHILD_NUMBER";

/// Not a test of its own: what the processes that the tests below start do.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let store = Store::open(Path::new(&std::env::var(PATH).unwrap())).unwrap();
    let number: u32 = std::env::var(NUMBER).unwrap().parse().unwrap();
    match role.as_str() {
        "register" => register(&store, number, 5),
        "register on and on" => register(&store, number, u32::MAX),
        "hold the lock" => {
            let _lock = store.try_lock().unwrap();
            println!("\nready");
            loop {
                thread::park();
            }
        }
        _ => panic!("unknown role {role}"),
    }
}

/// Registers `count` models that nobody else does.
fn register(store: &Store, number: u32, count: u32) {
    for index in 0..count {
        store.register(&record("digits", (number * 1000 + index) as f32)).unwrap();
        println!("\nready");
    }
}

fn start(role: &str, store: &Store, number: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["processes::child", "--exact", "--nocapture"])
        .env(ROLE, role)
        .env(PATH, store.path())
        .env(NUMBER, number.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the child has said `ready` so many times.
fn wait_ready(child: &mut Child, times: usize) {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert_eq!(lines.map(Result::unwrap).filter(|line| line == "ready").take(times).count(), times);
}

/// Versions are 1, 2, 3 ... and their models all differ.
fn assert_strictly_numbered(store: &Store, count: Option<usize>) {
    let versions = store.versions("digits").unwrap();
    let numbers: Vec<u32> = versions.iter().map(|version| version.version).collect();
    assert_eq!(numbers, (1..=versions.len() as u32).collect::<Vec<_>>());
    assert_eq!(versions.iter().map(|version| version.digest).collect::<BTreeSet<_>>().len(), versions.len());
    assert_eq!(versions.len(), count.unwrap_or(versions.len()));
    assert_eq!(store.verify().unwrap().problems, []);
}

#[test]
fn threads_get_versions_of_their_own() {
    let (_folder, store) = new_store();
    thread::scope(|scope| {
        for number in 0..4 {
            let path = store.path().to_owned();
            scope.spawn(move || {
                let store = Store::open(&path).unwrap();
                for index in 0..5 {
                    store.register(&record("digits", (10 * number + index) as f32)).unwrap();
                }
            });
        }
    });
    assert_strictly_numbered(&store, Some(20));
}

#[test]
fn processes_get_versions_of_their_own() {
    let (_folder, store) = new_store();
    let children: Vec<Child> = (0..4).map(|number| start("register", &store, number)).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_strictly_numbered(&store, Some(20));
}

#[test]
fn threads_may_make_the_store_at_once() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join(Store::FOLDER);
    thread::scope(|scope| {
        for number in 0..4 {
            let path = &path;
            scope.spawn(move || {
                Store::open_or_create(path).unwrap().register(&record("digits", number as f32)).unwrap()
            });
        }
    });
    assert_strictly_numbered(&Store::open(&path).unwrap(), Some(4));
}

#[test]
fn a_killed_process_leaves_whole_versions_only() {
    let (_folder, store) = new_store();
    for number in 0..6 {
        let mut child = start("register on and on", &store, number);
        wait_ready(&mut child, 1 + number as usize % 3);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_strictly_numbered(&store, None);
        drop(store.try_lock().unwrap());
    }
}

#[test]
fn a_killed_process_gives_its_lock_back() {
    let (_folder, store) = new_store();
    let mut child = start("hold the lock", &store, 0);
    wait_ready(&mut child, 1);
    match store.try_lock() {
        Err(StoreError::Locked { holder, .. }) => assert_eq!(holder, Some(child.id())),
        outcome => panic!("{outcome:?}"),
    }
    child.kill().unwrap();
    child.wait().unwrap();
    store.try_lock().unwrap();
}
