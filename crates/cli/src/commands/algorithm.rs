//! `heirloom algorithm`: pages of the scheme reference, one for each name that a scheme can choose.

use base::{Diagnostic, nearest};
use serde_json::{Value, json};

use crate::arguments::Json;
use crate::failure::Failure;
use crate::tables::{Column, paragraph, table};
use crate::terminal;

/// A page of the reference.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    /// The name, as in a scheme.
    name: String,
    /// What is chosen: `optimizer`, `layer`.
    kind: String,
    /// What it computes.
    text: Vec<String>,
    /// Key, value, default and meaning of each setting.
    settings: Vec<Vec<String>>,
}

/// Lists every algorithm.
pub(crate) fn list(json: Json) -> Result<(), Failure> {
    let pages = pages(&scheme::reference());
    if json.wanted {
        let all =
            pages.iter().map(|page| json!({ "name": page.name, "kind": page.kind, "text": page.summary() }));
        return terminal::print_json(&json!({ "algorithms": all.collect::<Vec<_>>() }));
    }
    let rows = pages.iter().map(|page| [page.kind.clone(), page.name.clone(), page.summary()]);
    let columns = [Column::Text("kind"), Column::Text("name"), Column::Text("computes")];
    terminal::print(&table(terminal::width(), &columns, rows))
}

/// Shows the pages of the algorithm `name`.
pub(crate) fn show(name: &str, json: Json) -> Result<(), Failure> {
    let pages = pages(&scheme::reference());
    let found: Vec<&Page> = pages.iter().filter(|page| page.name == name).collect();
    if found.is_empty() {
        return Err(unknown(name, &pages).into());
    }
    if json.wanted {
        let all: Vec<Value> = found.iter().map(|page| page.json()).collect();
        return terminal::print_json(&json!({ "algorithms": all }));
    }
    let width = terminal::width();
    terminal::print(&found.iter().map(|page| page.draw(width)).collect::<Vec<_>>().join("\n"))
}

fn unknown(name: &str, pages: &[Page]) -> Diagnostic {
    let message = format!("no algorithm is called `{}`", terminal::printable(name));
    let diagnostic = Diagnostic::new("unknown-name", message);
    match nearest(name, pages.iter().map(|page| &*page.name)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("`heirloom algorithm list` names them all"),
    }
}

impl Page {
    /// The first sentence, without the formula behind its colon.
    fn summary(&self) -> String {
        let text = self.text.first().map(String::as_str).unwrap_or_default();
        let sentence = text.split_once(". ").map_or(text.trim_end_matches('.'), |(first, _)| first);
        sentence.split_once(": ").map_or(sentence, |(first, _)| first).to_owned()
    }

    fn json(&self) -> Value {
        let settings = self.settings.iter().map(|cells| {
            json!({ "key": plain(&cells[0]), "value": cells[1], "default": plain(&cells[2]), "meaning": cells[3] })
        });
        json!({
            "name": self.name,
            "kind": self.kind,
            "text": self.text.join("\n"),
            "settings": settings.collect::<Vec<_>>(),
        })
    }

    fn draw(&self, width: usize) -> String {
        let mut drawn = format!("{} ({})\n", self.name, self.kind);
        for text in &self.text {
            drawn += &format!("\n{}", paragraph(width, text));
        }
        if !self.settings.is_empty() {
            let columns = [
                Column::Text("setting"),
                Column::Text("value"),
                Column::Text("default"),
                Column::Text("meaning"),
            ];
            let rows = self.settings.iter().map(|cells| cells.iter().map(|cell| plain(cell)));
            drawn += &format!("\n{}", table(width, &columns, rows));
        }
        drawn
    }
}

/// A cell that is a piece of code, without its marks.
fn plain(cell: &str) -> String {
    match cell.strip_prefix('`').and_then(|inner| inner.strip_suffix('`')) {
        Some(inner) if !inner.contains('`') => inner.to_owned(),
        _ => cell.to_owned(),
    }
}

/// The pages of the reference manual: its sections that are headed by a name in code, each below the
/// sentence "`key` chooses the KIND".
fn pages(manual: &str) -> Vec<Page> {
    let mut pages = Vec::new();
    let (mut kind, mut in_page) = (String::new(), false);
    for line in manual.lines() {
        if line.starts_with('#') {
            let title = line.trim_start_matches('#').trim();
            let name = title.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
            in_page = name.is_some_and(|name| !name.contains('['));
            if let (true, Some(name)) = (in_page, name) {
                pages.push(Page { name: name.to_owned(), kind: kind.clone(), ..Page::default() });
            }
        } else if let Some((_, rest)) = line.split_once("` chooses the ") {
            kind = rest.split(':').next().unwrap_or_default().to_owned();
        } else if let (true, Some(page)) = (in_page, pages.last_mut()) {
            page.add(line);
        }
    }
    pages
}

impl Page {
    fn add(&mut self, line: &str) {
        let Some(row) = line.strip_prefix("| ").and_then(|rest| rest.strip_suffix(" |")) else {
            if !line.is_empty() && !line.starts_with('|') {
                self.text.push(line.to_owned());
            }
            return;
        };
        let cells: Vec<String> = row.split(" | ").map(|cell| cell.replace("\\|", "|")).collect();
        if cells.len() == 4 && cells[0] != "key" {
            self.settings.push(cells);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_its_pages() {
        let pages = pages(&scheme::reference());
        for (kind, name, setting) in [
            ("optimizer", "adam", "learning_rate"),
            ("layer", "conv", "filters"),
            ("preprocessing step", "scale", "divide_by"),
            ("data format", "csv", "target"),
            ("architecture", "mlp", "hidden"),
        ] {
            let page = pages.iter().find(|page| page.name == name && page.kind == kind);
            let page = page.unwrap_or_else(|| panic!("no page for the {kind} {name}"));
            assert!(!page.summary().is_empty(), "{name}");
            assert!(
                page.settings.iter().any(|cells| plain(&cells[0]) == setting),
                "{name}: {:?}",
                page.settings
            );
        }
    }
}
