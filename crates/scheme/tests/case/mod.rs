//! Cases: scheme texts with what must come of them.
//!
//! A case is `=== title`, then files (`--- name.toml`), arguments (`--- set`, one override a line) and
//! the expectation (`--- expect`). The first file is the root; `--- root NAME` names another.
//! `--- base@2:name.toml` is a file of the registered scheme `base@2`, its own one first.

use std::io;
use std::path::{Path, PathBuf};

use scheme::{MemoryFiles, RegisteredScheme, SchemeFiles};

/// One case.
#[derive(Default)]
pub(crate) struct Case {
    /// Everything up to `--- expect`.
    pub(crate) input: String,
    pub(crate) expect: String,
    pub(crate) root: Option<String>,
    pub(crate) files: MemoryFiles,
    pub(crate) registered: Vec<RegisteredScheme>,
    pub(crate) overrides: Vec<String>,
}

impl SchemeFiles for Case {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        self.files.read(path, limit)
    }

    fn registered(&self, name: &str, version: Option<u32>) -> io::Result<Option<RegisteredScheme>> {
        let found = self.registered.iter().filter(|scheme| scheme.name == name);
        Ok(found
            .filter(|scheme| version.is_none_or(|version| version == scheme.version))
            .max_by_key(|scheme| scheme.version)
            .cloned())
    }
}

/// Every file of cases.
pub(crate) fn case_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// The cases of one file.
pub(crate) fn parse_cases(text: &str) -> Vec<Case> {
    text.split("=== ").skip(1).map(parse_case).collect()
}

fn parse_case(text: &str) -> Case {
    let text = format!("=== {text}");
    let (input, expect) = text.split_once("--- expect\n").unwrap_or((&text, ""));
    let mut case = Case { input: input.to_owned(), expect: expect.to_owned(), ..Case::default() };
    for part in input.split("\n--- ").skip(1) {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        match head.split_once(' ') {
            None if head == "set" => {
                case.overrides.extend(body.lines().filter(|line| !line.is_empty()).map(str::to_owned))
            }
            Some(("root", name)) => case.root = Some(name.to_owned()),
            None if head.contains('@') => register(&mut case, head, &format!("{body}\n")),
            _ => {
                case.root.get_or_insert_with(|| head.to_owned());
                case.files.0.insert(head.into(), format!("{body}\n").into_bytes());
            }
        }
    }
    case
}

fn register(case: &mut Case, head: &str, text: &str) {
    let (name, path) = head.split_once(':').expect("a registered file is NAME@VERSION:PATH");
    let (name, version) = name.split_once('@').expect("a registered scheme is NAME@VERSION");
    let version = version.parse().expect("a version is a number");
    let file = (PathBuf::from(path), text.as_bytes().to_vec());
    match case.registered.iter_mut().find(|known| known.name == name && known.version == version) {
        Some(known) => known.files.push(file),
        None => case.registered.push(RegisteredScheme { name: name.to_owned(), version, files: vec![file] }),
    }
}
