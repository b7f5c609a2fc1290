//! The canonical layout of a scheme's text.
//!
//! Tables stand in the order of the reference manual, steps in their own; one blank line between
//! tables and at most one within them; spaces around `=` and after commas. Settings keep their order
//! within a table, inline tables stay inline, and a value over several lines stays as written.
//!
//! A comment stays with what it stands beside: behind a value, in the column where it was; directly
//! above a setting or header, above it; directly below a table's last setting, there. A comment
//! between blank lines goes with what follows, at the top and at the end of the file with nothing.

mod order;

use base::{Diagnostics, FileId};
use toml_edit::{InlineTable, Key, Value};

use crate::layout::{Piece, PieceKind, pieces};
use crate::parse::parse;
use crate::sections::STEP_TABLES;
use crate::tree::Table;

/// `text`, the source text `file`, in its canonical layout. Formatting twice changes nothing more, and
/// what a scheme resolves to does not change.
///
/// Errors   the text is no TOML, or too deep or wide for a scheme.
pub fn format(text: &str, file: FileId) -> Result<String, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let tree = parse(text, file, &mut diagnostics).unwrap_or_default();
    let tree = diagnostics.or(tree)?;
    let mut document = Layout::read(text, &pieces(text));
    order::sort(&mut document.tables, &tree);
    let formatted = document.write();
    let after = parse(&formatted, file, &mut Diagnostics::default());
    assert!(
        after.is_some_and(|after| same(&tree, &after)),
        "formatting changed what the scheme says:\n{text}"
    );
    Ok(formatted)
}

/// Whether both say the same, steps in the same order.
fn same(a: &Table, b: &Table) -> bool {
    let steps = |tree: &Table| -> Vec<Vec<String>> {
        let names = |table: &Table| table.entries.iter().map(|entry| entry.name.clone()).collect();
        STEP_TABLES.iter().filter_map(|path| tree.at(path)?.table()).map(names).collect()
    };
    let whole = |tree: &Table| crate::tree::Value::Table(tree.clone());
    whole(a).same(&whole(b)) && steps(a) == steps(b)
}

/// A line of a comment, or `None` for a blank line.
type Remark = Option<String>;

/// A text, taken apart.
struct Layout {
    /// What stands outside of any table.
    root: Block,
    tables: Vec<Block>,
    /// Comments at the end.
    tail: Vec<Remark>,
}

/// A header with what stands below it.
#[derive(Default)]
struct Block {
    path: Vec<String>,
    array: bool,
    lead: Vec<Remark>,
    /// The header's line.
    header: String,
    settings: Vec<Setting>,
    /// Comments directly below the last setting.
    closing: Vec<Remark>,
}

struct Setting {
    path: Vec<String>,
    lead: Vec<Remark>,
    line: String,
}

impl Layout {
    fn read(text: &str, pieces: &[Piece]) -> Self {
        let mut layout = Layout { root: Block::default(), tables: Vec::new(), tail: Vec::new() };
        let mut pending: Vec<Remark> = Vec::new();
        for piece in pieces {
            let whole = &text[piece.range.clone()];
            match &piece.kind {
                PieceKind::Blank => pending.push(None),
                PieceKind::Comment => pending.push(Some(whole.trim().to_owned())),
                PieceKind::Setting { path, value } => {
                    let block = layout.tables.last_mut().unwrap_or(&mut layout.root);
                    let lead = single_gaps(std::mem::take(&mut pending), block.settings.is_empty());
                    let line = setting(text, piece, value.clone());
                    block.settings.push(Setting { path: path.clone(), lead, line });
                }
                PieceKind::Header { path, array } => {
                    let lead = layout.close(std::mem::take(&mut pending), false);
                    let block = Block {
                        path: path.clone(),
                        array: *array,
                        header: header(whole),
                        ..Block::default()
                    };
                    layout.tables.push(Block { lead, ..block });
                }
            }
        }
        layout.tail = layout.close(pending, true);
        layout
    }

    /// Gives the last table the comments directly below it, and returns the rest.
    fn close(&mut self, pending: Vec<Remark>, at_end: bool) -> Vec<Remark> {
        let top = self.tables.is_empty() && self.root.settings.is_empty();
        // What stands at the top of the file stays there up to the last blank line, elsewhere what
        // stands below a table up to the first.
        let cut = if top {
            pending.iter().rposition(Option::is_none)
        } else {
            pending.iter().position(Option::is_none)
        };
        let cut = cut.unwrap_or(if at_end { pending.len() } else { 0 });
        let mut closing = pending;
        let mut rest = closing.split_off(cut);
        while closing.pop_if(|remark| remark.is_none()).is_some() {}
        while at_end && rest.pop_if(|remark| remark.is_none()).is_some() {}
        self.tables.last_mut().unwrap_or(&mut self.root).closing = single_gaps(closing, true);
        single_gaps(rest, true)
    }

    fn write(&self) -> String {
        let mut lines: Vec<&str> = Vec::new();
        self.root.write(&mut lines);
        for table in &self.tables {
            gap(&mut lines);
            remarks(&table.lead, &mut lines);
            lines.push(&table.header);
            table.write(&mut lines);
        }
        if !self.tail.is_empty() {
            gap(&mut lines);
            remarks(&self.tail, &mut lines);
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Block {
    fn write<'a>(&'a self, lines: &mut Vec<&'a str>) {
        for setting in &self.settings {
            remarks(&setting.lead, lines);
            lines.push(&setting.line);
        }
        remarks(&self.closing, lines);
    }
}

fn gap(lines: &mut Vec<&str>) {
    if !lines.is_empty() {
        lines.push("");
    }
}

fn remarks<'a>(remarks: &'a [Remark], lines: &mut Vec<&'a str>) {
    lines.extend(remarks.iter().map(|remark| remark.as_deref().unwrap_or_default()));
}

/// At most one blank line in a row, and none at the start if `first`.
fn single_gaps(remarks: Vec<Remark>, first: bool) -> Vec<Remark> {
    let mut kept: Vec<Remark> = Vec::with_capacity(remarks.len());
    for remark in remarks {
        let double = remark.is_none() && kept.last().map_or(first, Option::is_none);
        if !double {
            kept.push(remark);
        }
    }
    kept
}

/// `[path]  # comment`.
fn header(line: &str) -> String {
    let line = line.trim_start_matches('\u{feff}').trim();
    let open = if line.starts_with("[[") { "[[" } else { "[" };
    let inner = &line[open.len()..];
    let ends = inner.char_indices().filter(|(_, each)| *each == ']').map(|(at, _)| at);
    let parsed = ends.into_iter().find_map(|end| Some((end, Key::parse(&inner[..end]).ok()?)));
    let Some((end, keys)) = parsed else { return line.to_owned() };
    let close = open.replace('[', "]");
    let rest = inner[end..].trim_start_matches(']').trim();
    let column = line.chars().count() - rest.chars().count();
    with_comment(format!("{open}{}{close}", dotted(&keys)), rest, column)
}

/// `key = value  # comment`.
fn setting(text: &str, piece: &Piece, value: std::ops::Range<usize>) -> String {
    let key = text[piece.range.start..value.start].trim_start_matches('\u{feff}').trim();
    let key = key.strip_suffix('=').unwrap_or(key).trim();
    let key = Key::parse(key).map_or_else(|_| key.to_owned(), |keys| dotted(&keys));
    let rest = text[value.end..piece.range.end].trim();
    let line = text[piece.range.start..value.end]
        .rfind('\n')
        .map_or(piece.range.start, |at| piece.range.start + at + 1);
    let before = text[line..piece.range.end].trim_end();
    let column = before.chars().count() - rest.chars().count();
    with_comment(format!("{key} = {}", fragment(&text[value])), rest, column)
}

fn dotted(keys: &[Key]) -> String {
    keys.iter().map(|key| key.display_repr().into_owned()).collect::<Vec<_>>().join(".")
}

/// A comment behind a line, in the column where it was unless the line is too long.
fn with_comment(line: String, comment: &str, column: usize) -> String {
    if comment.is_empty() {
        return line;
    }
    let last = line.rsplit('\n').next().unwrap_or(&line).chars().count();
    format!("{line}{}{comment}", " ".repeat(column.saturating_sub(last).max(1)))
}

/// A value in its canonical form, unless it takes several lines.
fn fragment(text: &str) -> String {
    match text.parse::<Value>() {
        Ok(value) if !text.contains('\n') => inline(&value),
        _ => text.to_owned(),
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::InlineTable(table) => inline_table(table),
        scalar => scalar.clone().decorated("", "").to_string(),
    }
}

fn inline_table(table: &InlineTable) -> String {
    let entries = table.get_values();
    let entries = entries.iter().map(|(path, value)| {
        let key: Vec<String> = path.iter().map(|key| key.display_repr().into_owned()).collect();
        format!("{} = {}", key.join("."), inline(value))
    });
    let entries: Vec<String> = entries.collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}
