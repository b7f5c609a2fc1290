//! The same tests over every back end, those of SQLite and disk always, the others where there are servers:
//! `HEIRLOOM_TEST_POSTGRES` and `HEIRLOOM_TEST_S3` say where (see `bench/services/with_services.sh`).

use std::cell::Cell;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use store::{Store, StoreAddress};

/// Where a store keeps its rows and its blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    SqliteAndDisk,
    PostgresAndDisk,
    PostgresAndS3,
}

impl Backend {
    /// The variable that is not set, if this back end cannot be tested without it.
    fn missing(self) -> Option<&'static str> {
        let needed: &[&'static str] = match self {
            Backend::SqliteAndDisk => &[],
            Backend::PostgresAndDisk => &["HEIRLOOM_TEST_POSTGRES"],
            Backend::PostgresAndS3 => &["HEIRLOOM_TEST_POSTGRES", "HEIRLOOM_TEST_S3"],
        };
        needed.iter().copied().find(|name| std::env::var_os(name).is_none())
    }
}

thread_local! {
    static BACKEND: Cell<Backend> = const { Cell::new(Backend::SqliteAndDisk) };
}

/// How to open again what [`new_address`] named, by the folder on this machine.
static ADDRESSES: LazyLock<Mutex<HashMap<PathBuf, String>>> = LazyLock::new(Mutex::default);

/// Runs a test over one back end, or leaves it out where there is no server.
pub(crate) fn over(backend: Backend, test: fn()) {
    if backend.missing().is_none() {
        BACKEND.set(backend);
        test();
        BACKEND.set(Backend::SqliteAndDisk);
    }
}

/// Runs tests over the back ends other than SQLite and disk too.
macro_rules! over_other_backends {
    ($($test:ident),* $(,)?) => {
        mod postgres_and_disk {
            $(#[test] fn $test() { crate::backends::over(crate::backends::Backend::PostgresAndDisk, super::$test) })*
        }
        mod postgres_and_s3 {
            $(#[test] fn $test() { crate::backends::over(crate::backends::Backend::PostgresAndS3, super::$test) })*
        }
    };
}
pub(crate) use over_other_backends;

#[test]
fn what_is_left_out_is_said() {
    for backend in [Backend::PostgresAndDisk, Backend::PostgresAndS3] {
        if let Some(name) = backend.missing() {
            // Not `println!`, which the test harness keeps to itself.
            let _ = writeln!(std::io::stderr(), "skipped: the store over {backend:?}: {name} is not set");
        }
    }
}

/// The address of a store that nobody has used before, with `path` as its folder on this machine.
pub(crate) fn new_address(path: &Path) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let schema = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let address = match BACKEND.get() {
        Backend::SqliteAndDisk => path.display().to_string(),
        Backend::PostgresAndDisk => {
            let folder = path.with_file_name("mounted");
            format!("{}?schema={schema}&blobs={}", variable("HEIRLOOM_TEST_POSTGRES"), folder.display())
        }
        Backend::PostgresAndS3 => {
            let (postgres, s3) = (variable("HEIRLOOM_TEST_POSTGRES"), variable("HEIRLOOM_TEST_S3"));
            format!("{postgres}?schema={schema}&blobs={s3}/{schema}")
        }
    };
    ADDRESSES.lock().unwrap().insert(path.to_owned(), address.clone());
    address
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap()
}

/// How to open the store whose folder is `path` once more.
pub(crate) fn address_of(path: &Path) -> String {
    ADDRESSES.lock().unwrap()[path].clone()
}

/// Opens the store whose folder is `path` once more.
pub(crate) fn open_again(path: &Path) -> Store {
    open(&address_of(path), path)
}

pub(crate) fn open(address: &str, path: &Path) -> Store {
    Store::open_at(&StoreAddress::parse(address).unwrap(), path).unwrap()
}
