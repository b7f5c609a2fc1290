//! `heirloom scheme fmt`.

use std::path::Path;

use base::{Diagnostic, Diagnostics, SourceMap, Span};
use serde_json::json;

use crate::arguments::Form;
use crate::failure::Failure;
use crate::{disk, edits, terminal};

/// A file whose form differs.
struct Reformed<'a> {
    path: &'a Path,
    before: String,
    after: String,
}

/// Brings scheme files into their canonical form. All of them are read before the first is written.
///
/// Errors   a file cannot be read or is no TOML; with `--check`, a file is not in form.
pub(super) fn format(arguments: &Form) -> Result<(), Failure> {
    let reformed = reform(arguments)?;
    if arguments.check && !reformed.is_empty() {
        return Err(not_in_form(reformed));
    }
    for Reformed { path, after, .. } in &reformed {
        disk::write_whole(path, after.as_bytes())?;
    }
    let paths: Vec<String> = reformed.iter().map(|each| each.path.display().to_string()).collect();
    if arguments.json.wanted {
        return terminal::print_json(&json!({ "files": arguments.files.len(), "changed": paths }));
    }
    terminal::print(&paths.iter().map(|path| format!("{path}\n")).collect::<String>())
}

/// The files whose form differs, or everything that is wrong with any of them.
fn reform(arguments: &Form) -> Result<Vec<Reformed<'_>>, Failure> {
    let (mut sources, mut found, mut reformed) = (SourceMap::default(), Diagnostics::default(), Vec::new());
    for path in &arguments.files {
        let before = edits::text(path)?;
        let file = sources.add(path.display().to_string(), before.clone());
        match scheme::format(&before, file) {
            Ok(after) if after == before => {}
            Ok(after) => reformed.push(Reformed { path, before, after }),
            Err(wrong) => found.extend(wrong.0),
        }
    }
    match found.or(reformed) {
        Ok(reformed) => Ok(reformed),
        Err(found) => Err(Failure::mistakes(found, sources)),
    }
}

/// One mistake for each file, at the first line that would change.
fn not_in_form(reformed: Vec<Reformed>) -> Failure {
    let (mut sources, mut found) = (SourceMap::default(), Diagnostics::default());
    for Reformed { path, before, after } in reformed {
        let name = path.display();
        let same = before.split_inclusive('\n').zip(after.split_inclusive('\n')).take_while(|(a, b)| a == b);
        let start: usize = same.map(|(line, _)| line.len()).sum();
        let end = before[start..].find('\n').map_or(before.len(), |at| start + at);
        let diagnostic = Diagnostic::new("not-in-form", format!("{name} is not in the canonical form"))
            .help(format!("`heirloom scheme fmt {name}` brings it there"));
        let file = sources.add(name.to_string(), before);
        found.push(diagnostic.at(Span { file, start, end }, "the first line that changes"));
    }
    Failure::mistakes(found, sources)
}
