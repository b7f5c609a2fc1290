//! `heirloom scheme fmt`.

use std::path::Path;

use base::{Diagnostic, Diagnostics, SourceMap, Span};
use scheme::FormatChange;
use serde_json::json;

use crate::arguments::Form;
use crate::failure::Failure;
use crate::{disk, edits, terminal};

/// A file whose form differs.
struct Reformed<'a> {
    path: &'a Path,
    before: String,
    after: String,
    /// What an older scheme format said in another way.
    upgraded: Vec<FormatChange>,
}

/// Brings scheme files into their canonical form, and with `--upgrade` into the newest scheme format. All of them are read before the first is written.
///
/// Errors   a file cannot be read or is no TOML; with `--check`, a file is not in form.
pub(super) fn format(arguments: &Form) -> Result<(), Failure> {
    let reformed = reform(arguments)?;
    if arguments.check && !reformed.is_empty() {
        return Err(not_in_form(reformed, arguments.upgrade));
    }
    for Reformed { path, after, .. } in &reformed {
        disk::write_whole(path, after.as_bytes())?;
    }
    let path = |each: &Reformed<'_>| each.path.display().to_string();
    if arguments.json.wanted {
        let changed: Vec<String> = reformed.iter().map(path).collect();
        let upgraded = reformed.iter().flat_map(|each| {
            let change = |change: &FormatChange| {
                json!({ "file": path(each), "format": change.format, "message": change.message })
            };
            each.upgraded.iter().map(change).collect::<Vec<_>>()
        });
        return terminal::print_json(&json!({
            "files": arguments.files.len(),
            "changed": changed,
            "upgraded": upgraded.collect::<Vec<_>>(),
        }));
    }
    let lines = reformed.iter().map(|each| {
        let changes = each.upgraded.iter().map(|change| format!("  {}\n", change.message));
        format!("{}\n{}", path(each), changes.collect::<String>())
    });
    terminal::print(&lines.collect::<String>())
}

/// The files whose form differs, or everything that is wrong with any of them.
fn reform(arguments: &Form) -> Result<Vec<Reformed<'_>>, Failure> {
    let (mut sources, mut found, mut reformed) = (SourceMap::default(), Diagnostics::default(), Vec::new());
    for path in &arguments.files {
        let before = edits::text(path)?;
        let file = sources.add(path.display().to_string(), before.clone());
        let (text, upgraded) = match arguments.upgrade {
            true => scheme::upgrade(&before),
            false => (before.clone(), Vec::new()),
        };
        match scheme::format(&text, file) {
            Ok(after) if after == before => {}
            Ok(after) => reformed.push(Reformed { path, before, after, upgraded }),
            Err(wrong) => found.extend(wrong.0),
        }
    }
    match found.or(reformed) {
        Ok(reformed) => Ok(reformed),
        Err(found) => Err(Failure::mistakes(found, sources)),
    }
}

/// One mistake for each file, at the first line that would change.
fn not_in_form(reformed: Vec<Reformed>, upgrade: bool) -> Failure {
    let (form, flag) = match upgrade {
        true => ("in the newest scheme format and the canonical form", "--upgrade "),
        false => ("in the canonical form", ""),
    };
    let (mut sources, mut found) = (SourceMap::default(), Diagnostics::default());
    for Reformed { path, before, after, .. } in reformed {
        let name = path.display();
        let same = before.split_inclusive('\n').zip(after.split_inclusive('\n')).take_while(|(a, b)| a == b);
        let start: usize = same.map(|(line, _)| line.len()).sum();
        let end = before[start..].find('\n').map_or(before.len(), |at| start + at);
        let diagnostic = Diagnostic::new("not-in-form", format!("{name} is not {form}"))
            .help(format!("`heirloom scheme fmt {flag}{name}` brings it there"));
        let file = sources.add(name.to_string(), before);
        found.push(diagnostic.at(Span { file, start, end }, "the first line that changes"));
    }
    Failure::mistakes(found, sources)
}
