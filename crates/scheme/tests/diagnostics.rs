//! Scheme texts with the diagnostics they must give: `cases/*.txt`.
//!
//! A case is `=== title`, then files (`--- name.toml`), arguments (`--- set`, one override a line)
//! and what must come of it (`--- expect`), one line a diagnostic: `code file:line:column message`,
//! further places and advice indented below; or `ok`, followed by the notes. The first file is the root;
//! `--- root NAME` names another. `--- base@2:name.toml` is a file of the registered scheme `base@2`, its
//! own one first. With `UPDATE_CASES=1` in the environment the expectations are
//! rewritten, to be read in the diff.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Location, SourceMap};
use scheme::{MemoryFiles, RegisteredScheme, SchemeFiles, resolve};

#[derive(Default)]
struct Case {
    /// Everything up to `--- expect`.
    input: String,
    expect: String,
    root: Option<String>,
    files: MemoryFiles,
    registered: Vec<RegisteredScheme>,
    overrides: Vec<String>,
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

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut wrong = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let cases = parse_cases(&text);
        let mut rewritten = String::new();
        for case in &cases {
            let found = outcome(case);
            let _ = write!(rewritten, "{}--- expect\n{found}\n", case.input);
            if found.trim() != case.expect.trim() {
                let title = case.input.lines().next().unwrap_or_default();
                wrong.push(format!("{} {title}\nexpected\n{}found\n{found}", path.display(), case.expect));
            }
        }
        if std::env::var_os("UPDATE_CASES").is_some() {
            std::fs::write(&path, rewritten.trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(wrong.is_empty() || std::env::var_os("UPDATE_CASES").is_some(), "{}", wrong.join("\n\n"));
}

fn parse_cases(text: &str) -> Vec<Case> {
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

fn outcome(case: &Case) -> String {
    let root = case.root.as_deref().expect("a case has a root");
    let resolution = resolve(Path::new(root), &case.overrides, case);
    let mut text = String::new();
    let found = match &resolution.result {
        Ok(scheme) => {
            text.push_str("ok\n");
            &scheme.notes
        }
        Err(diagnostics) => &diagnostics.0,
    };
    found.iter().for_each(|diagnostic| render(diagnostic, &resolution.sources, &mut text));
    text
}

fn render(diagnostic: &Diagnostic, sources: &SourceMap, text: &mut String) {
    let mut places = diagnostic.labels.iter().map(|label| (place(&label.at, sources), label.text.as_str()));
    let (first, first_text) = places.next().unwrap_or_default();
    let note = if first_text.is_empty() { String::new() } else { format!(" ({first_text})") };
    let _ = writeln!(text, "{} {first} {}{note}", diagnostic.code, diagnostic.message);
    for (place, label) in places {
        let _ = writeln!(text, "    {place} {label}");
    }
    for help in &diagnostic.help {
        let _ = writeln!(text, "    help: {help}");
    }
}

fn place(location: &Location, sources: &SourceMap) -> String {
    match location {
        Location::Source(span) => {
            let at = sources.line_column(*span);
            format!("{}:{}:{}", sources.get(span.file).name, at.line, at.column)
        }
        Location::File { path, byte, .. } => {
            format!("{}{}", path.display(), byte.map_or(String::new(), |byte| format!(" byte {byte}")))
        }
    }
}
