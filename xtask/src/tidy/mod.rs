//! The rules of the house, each a function from text to findings; this file walks the repository.

mod documents;
mod edges;
mod lexer;
mod manifests;
mod sources;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What a task looked at and what it objects to.
pub(crate) struct Outcome {
    /// Number of files read.
    pub(crate) files: usize,
    /// The objections, in the order of the files' names.
    pub(crate) findings: Vec<Finding>,
}

/// One objection: a file, perhaps a line, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: Option<usize>,
    message: String,
}

impl Finding {
    /// About the file as a whole.
    pub(crate) fn file(path: &str, message: impl Into<String>) -> Self {
        Finding { path: path.into(), line: None, message: message.into() }
    }

    /// About line `line`, counted from 1.
    pub(crate) fn line(path: &str, line: usize, message: impl Into<String>) -> Self {
        Finding { path: path.into(), line: Some(line), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

/// A text file of the repository.
pub(crate) struct File {
    /// From the root, with `/` between folders.
    path: String,
    text: String,
}

/// A manifest below the root that is a workspace of its own, as that of the fuzz targets: nothing in the root's knows it.
pub(crate) fn is_workspace_of_its_own(file: &File) -> bool {
    file.path.ends_with("/Cargo.toml") && file.text.lines().any(|line| line == "[workspace]")
}

/// Checks every rule on the repository at `root`.
pub(crate) fn run(root: &Path) -> io::Result<Outcome> {
    let files = read_tree(root)?;
    let exists = |path: &str| root.join(path).exists();
    let mut findings = edges::check(&files);
    findings.extend(manifests::check(&files));
    findings.extend(documents::check(&files, exists));
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        findings.extend(sources::check(&file.path, &file.text));
    }
    Ok(Outcome { files: files.len(), findings })
}

/// An I/O error that says what was tried on which path.
pub(crate) fn failed(what: &str, path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} {}: {error}", path.display()))
}

/// Every `.rs`, `.md` and `.toml` file below `root`, sorted by path; build output and hidden folders left out.
fn read_tree(root: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let here = root.join(&folder);
        for entry in std::fs::read_dir(&here).map_err(|error| failed("list", &here, error))? {
            let entry = entry.map_err(|error| failed("list", &here, error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            let kind = entry.file_type().map_err(|error| failed("inspect", &entry.path(), error))?;
            if kind.is_dir() && is_ours(&name) {
                folders.push(path);
            } else if kind.is_file() && is_text(&name) {
                let text = std::fs::read_to_string(entry.path())
                    .map_err(|error| failed("read", &entry.path(), error))?;
                files.push(File { path: slashed(&path), text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_ours(folder: &str) -> bool {
    !folder.starts_with('.') && !matches!(folder, "target" | "__pycache__" | "node_modules")
}

fn is_text(name: &str) -> bool {
    [".rs", ".md", ".toml"].iter().any(|end| name.ends_with(end))
}

fn slashed(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_a_compiler_message() {
        assert_eq!(Finding::file("a.md", "is empty").to_string(), "a.md: is empty");
        assert_eq!(Finding::line("a.md", 3, "is empty").to_string(), "a.md:3: is empty");
    }

    #[test]
    fn build_output_and_hidden_folders_are_not_ours() {
        let ours = |name| is_ours(name);
        assert!(ours("crates") && ours("docs"));
        assert!(!ours("target") && !ours(".git") && !ours("__pycache__"));
    }
}
