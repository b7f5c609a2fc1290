//! Several threads and processes in one store, some of them killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use store::{Promotion, Store, StoreAddress, StoreError};

use crate::backends::{address_of, new_address, open, open_again, over_other_backends};
use crate::sample::{by, new_store, record};

const PROCESSES: u32 = 10;
const VERSIONS: u32 = 1000;

const ROLE: &str = "STORE_TEST_CHILD_ROLE";
const PATH: &str = "STORE_TEST_CHILD_PATH";
const ADDRESS: &str = "STORE_TEST_CHILD_ADDRESS";
const NUMBER: &str = "STORE_TEST_CHILD_NUMBER";

/// Not a test of its own: what the processes that the tests below start do.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let store = open(&std::env::var(ADDRESS).unwrap(), Path::new(&std::env::var(PATH).unwrap()));
    let number: u32 = std::env::var(NUMBER).unwrap().parse().unwrap();
    match role.as_str() {
        "register" => register(&store, number, 5),
        "register and promote" => register_and_promote(&store, number, VERSIONS / PROCESSES),
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

/// As [`register`], and each is promoted at once.
fn register_and_promote(store: &Store, number: u32, count: u32) {
    for index in 0..count {
        let registered = store.register(&record("digits", (number * 1000 + index) as f32)).unwrap();
        let reference = registered.version().id();
        store.promote(&reference, "production", &Promotion::default(), &by(i64::from(number))).unwrap();
    }
}

fn start(role: &str, store: &Store, number: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["processes::child", "--exact", "--nocapture"])
        .env(ROLE, role)
        .env(PATH, store.path())
        .env(ADDRESS, address_of(store.path()))
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
                let store = open_again(&path);
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
    let address = new_address(&path);
    thread::scope(|scope| {
        for number in 0..4 {
            let path = &path;
            let address = StoreAddress::parse(&address).unwrap();
            scope.spawn(move || {
                let store = Store::open_or_create_at(&address, path).unwrap();
                store.register(&record("digits", number as f32)).unwrap()
            });
        }
    });
    assert_strictly_numbered(&open_again(&path), Some(4));
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

/// Nothing is lost, and the history tells the order in which things took effect.
#[test]
fn ten_processes_register_and_promote_at_once() {
    let (_folder, store) = new_store();
    let children: Vec<Child> =
        (0..PROCESSES).map(|number| start("register and promote", &store, number)).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_strictly_numbered(&store, Some(VERSIONS as usize));
    let events = store.history(None).unwrap();
    let sequence: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequence, (1..=u64::from(2 * VERSIONS)).collect::<Vec<_>>());

    let of = |action: &'static str| events.iter().filter(move |event| event.action == action);
    let registered: Vec<u32> = of("register").map(|event| event.version.unwrap()).collect();
    assert_eq!(registered, (1..=VERSIONS).collect::<Vec<_>>());
    let mut serving = None;
    for event in of("promote") {
        assert_eq!(event.replaced, serving, "what a promotion replaced is what the one before set");
        serving = event.version.map(|version| version.to_string());
    }
    assert_eq!(of("promote").map(|event| event.version).collect::<BTreeSet<_>>().len(), VERSIONS as usize);
    assert_eq!(store.resolve("digits@production").unwrap().version.to_string(), serving.unwrap());
}

over_other_backends![
    threads_get_versions_of_their_own,
    processes_get_versions_of_their_own,
    threads_may_make_the_store_at_once,
    a_killed_process_leaves_whole_versions_only,
    a_killed_process_gives_its_lock_back,
    ten_processes_register_and_promote_at_once,
];
