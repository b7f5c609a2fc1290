//! Files that fail, or cut the process off, at one chosen operation.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use store::{DiskFiles, Files};

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails with this error number, a write after half its bytes; later operations work.
    Fails(i32),
    /// The process is killed in the middle of it.
    Killed,
    /// The power goes in the middle of it: what was not synced is lost.
    PowerLost,
}

/// Counts operations and lets the `at`-th, from 0, go wrong. Clones share their state.
#[derive(Clone)]
pub(crate) struct FaultyFiles {
    state: Arc<Mutex<State>>,
}

struct State {
    fault: Fault,
    at: usize,
    done: usize,
    dead: bool,
    unsynced_files: BTreeSet<PathBuf>,
    /// New names, and what they named before.
    unsynced_names: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl FaultyFiles {
    pub(crate) fn new(fault: Fault, at: usize) -> Self {
        let state = State {
            fault,
            at,
            done: 0,
            dead: false,
            unsynced_files: BTreeSet::new(),
            unsynced_names: Vec::new(),
        };
        FaultyFiles { state: Arc::new(Mutex::new(state)) }
    }

    /// Whether the chosen operation was reached.
    pub(crate) fn struck(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.done > state.at
    }

    /// Loses what was not synced so far.
    pub(crate) fn lose_power(&self) {
        self.state.lock().unwrap().lose_power();
    }

    /// Does `whole`, or at the chosen operation `half` and then the fault.
    fn step(&self, half: impl FnOnce(), whole: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.dead {
            return Err(io::Error::other("the process is dead"));
        }
        state.done += 1;
        if state.done != state.at + 1 {
            return whole(&mut state);
        }
        half();
        match state.fault {
            Fault::Fails(number) => return Err(io::Error::from_raw_os_error(number)),
            Fault::Killed => {}
            Fault::PowerLost => state.lose_power(),
        }
        state.dead = true;
        Err(io::Error::other("the process is killed"))
    }
}

impl State {
    fn lose_power(&mut self) {
        for (path, before) in std::mem::take(&mut self.unsynced_names).into_iter().rev() {
            match before {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
        }
        for path in &self.unsynced_files {
            if let Ok(bytes) = fs::read(path) {
                fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            }
        }
    }
}

impl Files for FaultyFiles {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.step(|| {}, |_| DiskFiles.create_folder(path))
    }

    fn write_new(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let bytes = parts.concat();
        self.step(
            || fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            |state| {
                state.unsynced_files.insert(path.to_owned());
                DiskFiles.write_new(path, parts)
            },
        )
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.step(
            || {},
            |state| {
                state.unsynced_files.remove(path);
                Ok(())
            },
        )
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(
            || {},
            |state| {
                if state.unsynced_files.remove(from) {
                    state.unsynced_files.insert(to.to_owned());
                }
                state.unsynced_names.push((to.to_owned(), fs::read(to).ok()));
                DiskFiles.rename(from, to)
            },
        )
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(
            || {},
            |state| {
                state.unsynced_names.retain(|(name, _)| name.parent() != Some(path));
                Ok(())
            },
        )
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|| {}, |_| DiskFiles.remove(path))
    }

    fn before_commit(&self) -> io::Result<()> {
        self.step(|| {}, |_| Ok(()))
    }
}
