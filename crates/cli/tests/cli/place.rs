//! A folder to start the program in, and what came of it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder that goes away with the test.
pub(crate) struct Place(TempDir);

/// What a command left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Place(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes `bytes` to `name`, with the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("folders");
        fs::write(&path, bytes).expect("file");
        path
    }

    /// The program with these arguments, to be started here, with a cache folder of its own: the user's is neither read nor written.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.path().join("cache"));
        command
    }

    /// Runs the program with the words of `line`.
    pub(crate) fn heirloom(&self, line: &str) -> Outcome {
        outcome(self.command(line.split_whitespace()))
    }

    /// Runs `line` in a shell that knows `heirloom`.
    pub(crate) fn shell(&self, line: &str) -> Outcome {
        let folder = Path::new(env!("CARGO_BIN_EXE_heirloom")).parent().expect("a folder of binaries");
        let known = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::iter::once(folder.to_owned()).chain(std::env::split_paths(&known)));
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("PATH", path.expect("folders")).current_dir(self.path());
        command.env("XDG_CACHE_HOME", self.path().join("cache"));
        outcome(command)
    }

    /// Every file here, by name.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        files.push(path.strip_prefix(self.path()).expect("inside").display().to_string())
                    }
                }
            }
        }
        files.sort();
        files
    }
}

fn outcome(mut command: Command) -> Outcome {
    Outcome::of(&command.output().expect("the program starts"))
}

impl Outcome {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Outcome { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Standard output, after status 0.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.status, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Standard error, after `status` and nothing on standard output.
    pub(crate) fn failed(self, status: i32) -> String {
        assert_eq!((self.status, &*self.stdout), (Some(status), ""), "{}", self.stderr);
        self.stderr
    }

    /// The one JSON document on standard output, after status 0.
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.done()).expect("one JSON document")
    }
}
