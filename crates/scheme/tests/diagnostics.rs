//! Scheme texts with the diagnostics they must give: `cases/*.txt`.
//!
//! The form of a case is told in `case/mod.rs`. Expected is one line a diagnostic, `code
//! file:line:column message`, further places and advice indented below; or `ok`, followed by the notes.
//! With `UPDATE_CASES=1` in the environment the expectations are rewritten, to be read in the diff.

mod case;

use std::fmt::Write as _;
use std::path::Path;

use base::{Diagnostic, Location, SourceMap};
use case::{Case, case_files, parse_cases};
use scheme::resolve;

#[test]
fn cases() {
    let mut wrong = Vec::new();
    for path in case_files() {
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
