//! Where scheme texts come from: a trait for the disk, and the schemes built into the program.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The disk, as far as schemes need it.
pub trait SchemeFiles {
    /// The first `limit` bytes of the file at `path` (all of them if it is shorter), or `None` if
    /// there is no such file.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>>;

    /// The registered scheme `name`, the newest one unless a version is named; `None` if there is
    /// none. Not asked for the names of schemes built in.
    fn registered(&self, name: &str, version: Option<u32>) -> io::Result<Option<RegisteredScheme>> {
        let _ = (name, version);
        Ok(None)
    }
}

/// A scheme in the registry, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredScheme {
    /// Its name, such as `base` or `clinic/base`.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
    /// Its own file first, then all others that it inherits by path, directly or not. The paths, and
    /// those that the texts name, are read as from the working directory.
    pub files: Vec<(PathBuf, Vec<u8>)>,
}

/// Files in memory, for tests and for texts that lie nowhere.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(pub BTreeMap<PathBuf, Vec<u8>>);

impl SchemeFiles for MemoryFiles {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(path).map(|bytes| bytes[..bytes.len().min(limit)].to_vec()))
    }
}

/// A scheme built into the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Embedded {
    /// Its name, such as `vision/classifier`.
    pub name: &'static str,
    /// Its version; a text that changes meaning gets the next number.
    pub version: u32,
    /// Its text.
    pub text: &'static str,
}

/// All schemes built into the program.
pub static EMBEDDED: [Embedded; 4] = [
    Embedded { name: "mnist", version: 1, text: include_str!("../../../schemes/mnist.toml") },
    Embedded { name: "stock", version: 1, text: include_str!("../../../schemes/stock.toml") },
    Embedded {
        name: "tabular/regressor",
        version: 1,
        text: include_str!("../../../schemes/tabular/regressor.toml"),
    },
    Embedded {
        name: "vision/classifier",
        version: 1,
        text: include_str!("../../../schemes/vision/classifier.toml"),
    },
];

/// Whether the text names a file, not a scheme built in.
pub(crate) fn is_file(name: &str) -> bool {
    name.ends_with(".toml")
}

/// `path` without `.` and, where possible, without `..`. Looks at the text only.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            Component::ParentDir if normal.has_root() => {}
            other => normal.push(other),
        }
    }
    normal
}

/// `path` as seen from `folder`, in the form that schemes show: relative paths start with `./` or
/// `../`, so that none is taken for a name.
pub(crate) fn path_text(folder: &Path, path: &str) -> String {
    let path = normal(&folder.join(path));
    let text = path.to_string_lossy().into_owned();
    if path.has_root() || path.is_absolute() || path.starts_with("..") { text } else { format!("./{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_writing_file() {
        for (folder, path, expect) in [
            ("", "data.csv", "./data.csv"),
            ("schemes", "../data/a.csv", "./data/a.csv"),
            ("schemes", "../../a.csv", "../a.csv"),
            ("schemes", "/data/a.csv", "/data/a.csv"),
            ("/x", "../../a.csv", "/a.csv"),
            ("", "./mnist", "./mnist"),
            ("a", "..", "./"),
        ] {
            assert_eq!(path_text(Path::new(folder), path), expect, "{folder} {path}");
        }
    }
}
