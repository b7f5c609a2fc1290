//! The versions of the scheme format, and what changed between them.
//!
//! Each change is one row of [`MOVED`]. A text in an older form is read as if it were in the newest,
//! with a note; [`upgrade`] writes it anew with comments and layout as they were. A text that names
//! no format is in the newest one, and may still use an old form that means nothing else.

use std::ops::Range;

use base::{Diagnostic, FileId};
use toml_edit::{Document, Item, Value as Toml};

use crate::merge::at;
use crate::parse::parse;
use crate::tree::{Entry, Node, Place, Table, Value};

/// The newest version of the scheme format, the one that this program writes.
pub const FORMAT: u32 = 2;

/// A key that moved.
struct Moved {
    /// The format that it moved with.
    format: u32,
    /// The old key, outside of any table.
    from: &'static str,
    /// The table that it is in now, under `key`.
    table: &'static str,
    key: &'static str,
}

/// Everything that changed, a row each.
const MOVED: [Moved; 1] = [Moved { format: 2, from: "description", table: "about", key: "description" }];

/// What [`upgrade`] changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatChange {
    /// The format that asks for it.
    pub format: u32,
    /// What changed: "`description` is `about.description` since format 2".
    pub message: String,
}

impl Moved {
    fn new_key(&self) -> String {
        format!("{}.{}", self.table, self.key)
    }

    fn message(&self) -> String {
        format!("`{}` is `{}` since format {}", self.from, self.new_key(), self.format)
    }
}

/// Where a key that no longer exists went, for a message.
pub(crate) fn moved(key: &str) -> Option<String> {
    MOVED.iter().find(|moved| moved.from == key).map(Moved::message)
}

/// The keys that are still read but moved, with where they went.
pub(crate) fn old_keys() -> impl Iterator<Item = (&'static str, String)> {
    MOVED.iter().map(|moved| (moved.from, moved.message()))
}

/// Takes `format` out of a parsed text and brings old forms to the newest. Returns notes of what was
/// old.
///
/// Errors   a format that this program does not know.
pub(crate) fn upgrade_tree(own: &mut Table) -> Result<Vec<Diagnostic>, Diagnostic> {
    let mut notes = Vec::new();
    let declared = match own.take("format") {
        Some(entry) => Some(format_of(&entry)?),
        None => None,
    };
    if let Some((format, place)) = declared
        && format < FORMAT
    {
        let message = format!("this is scheme format {format}; the newest is {FORMAT}");
        notes.push(at(Diagnostic::new("older-format", message), place, ""));
    }
    let format = declared.map_or(1, |(format, _)| format);
    for moved in MOVED.iter().filter(|moved| moved.format > format) {
        notes.extend(move_entry(own, moved));
        notes.extend(move_unset(own, moved));
    }
    Ok(notes)
}

fn format_of(entry: &Entry) -> Result<(u32, Place), Diagnostic> {
    let place = entry.node.place;
    let number = match &entry.node.value {
        Value::Integer(number) if *number >= 1 => *number,
        other => {
            let (code, found) = match other {
                Value::Integer(number) => ("out-of-range", number.to_string()),
                other => ("wrong-type", other.kind().to_owned()),
            };
            let message = format!("`format` is an integer from 1 to {FORMAT}, not {found}");
            return Err(at(Diagnostic::new(code, message), place, ""));
        }
    };
    match u32::try_from(number).ok().filter(|format| *format <= FORMAT) {
        Some(format) => Ok((format, place)),
        None => {
            let message = format!("this is scheme format {number}, and this program reads up to {FORMAT}");
            Err(at(Diagnostic::new("newer-format", message), place, "").help("use a newer program"))
        }
    }
}

fn note(moved: &Moved, place: Place) -> Diagnostic {
    at(Diagnostic::new("older-format", moved.message()), place, "")
}

fn move_entry(own: &mut Table, moved: &Moved) -> Option<Diagnostic> {
    let key = own.entry(moved.from)?.key;
    if own.get(moved.table).is_none() {
        let node = Node::new(Value::Table(Table::default()), key);
        own.put(Entry { name: moved.table.to_owned(), key, node });
    }
    // Beside a new form, or something that is no table, the old key is reported as unknown.
    match &own.get(moved.table)?.value {
        Value::Table(table) if table.get(moved.key).is_none() => {}
        _ => return None,
    }
    let entry = own.take(moved.from)?;
    if let Some(Node { value: Value::Table(table), .. }) = own.get_mut(moved.table) {
        table.put(Entry { name: moved.key.to_owned(), ..entry });
    }
    Some(note(moved, key))
}

fn move_unset(own: &mut Table, moved: &Moved) -> Option<Diagnostic> {
    let Value::List(keys) = &mut own.get_mut("unset")?.value else { return None };
    let key = keys.iter_mut().find(|key| key.text() == Some(moved.from))?;
    key.value = Value::Text(moved.new_key());
    Some(note(moved, key.place))
}

/// Writes a scheme's text in the newest format. Comments, layout and everything that did not change
/// stay as they are; so does a text that is no TOML or whose format is not known.
///
/// Returns the text and what changed in it, nothing if it is in the newest format already.
pub fn upgrade(text: &str) -> (String, Vec<FormatChange>) {
    let (mut edits, changes) = edits_of(text).unwrap_or_default();
    let mut upgraded = text.to_owned();
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    for (range, new) in edits.into_iter().rev() {
        upgraded.replace_range(range, &new);
    }
    (upgraded, changes)
}

type Edits = Vec<(Range<usize>, String)>;

fn edits_of(text: &str) -> Option<(Edits, Vec<FormatChange>)> {
    let document = Document::parse(text).ok()?;
    let (mut edits, mut changes) = (Edits::new(), Vec::new());
    let mut tree = parse(text, FileId(0), &mut base::Diagnostics::default())?;
    let declared = match tree.take("format") {
        Some(entry) => Some(format_of(&entry).ok()?),
        None => None,
    };
    if let Some((format, Place::At(span))) = declared
        && format < FORMAT
    {
        edits.push((span.start..span.end, FORMAT.to_string()));
        changes
            .push(FormatChange { format: FORMAT, message: format!("`format` is {FORMAT}, it was {format}") });
    }
    let format = declared.map_or(1, |(format, _)| format);
    for moved in MOVED.iter().filter(|moved| moved.format > format) {
        let found = [move_in_text(text, &document, moved), rename_unset(&document, moved)];
        let found: Vec<_> = found.into_iter().flatten().flatten().collect();
        if !found.is_empty() {
            changes.push(FormatChange { format: moved.format, message: moved.message() });
        }
        edits.extend(found);
    }
    Some((edits, changes))
}

/// The edits that move a key into its table: in place as a dotted key, or under the table's header
/// if there is one.
fn move_in_text(text: &str, document: &Document<&str>, moved: &Moved) -> Option<Edits> {
    let root = document.as_table();
    let (key, item) = root.get_key_value(moved.from)?;
    let (key, value) = (key.span()?, item.span()?);
    let dotted = vec![(key.start..key.start, format!("{}.", moved.table))];
    match root.get(moved.table) {
        None => Some(dotted),
        Some(Item::Table(table)) if table.contains_key(moved.key) => None,
        Some(Item::Table(table)) if table.is_dotted() => Some(dotted),
        Some(Item::Table(table)) if table.is_implicit() => None,
        Some(Item::Table(table)) => {
            let header = line_end(text, table.span()?.end);
            let whole = line_start(text, key.start)..line_end(text, value.end);
            let mut line = text[whole.clone()].to_owned();
            if !text[..header].ends_with('\n') {
                line.insert(0, '\n');
            }
            Some(vec![(whole, String::new()), (header..header, line)])
        }
        Some(Item::Value(Toml::InlineTable(table))) if !table.contains_key(moved.key) => {
            let inside = table.span()?.start + 1;
            let comma = if table.is_empty() { " " } else { "," };
            let entry = format!(" {} = {}{comma}", moved.key, &text[value.clone()]);
            let whole = line_start(text, key.start)..line_end(text, value.end);
            // An inline table has no place for the comment behind the old line: it stays, alone.
            let comment = text[value.end..whole.end].trim_start_matches([' ', '\t']);
            let left = if comment.starts_with('#') { comment } else { "" };
            Some(vec![(whole, left.to_owned()), (inside..inside, entry)])
        }
        Some(_) => None,
    }
}

fn rename_unset(document: &Document<&str>, moved: &Moved) -> Option<Edits> {
    let keys = document.as_table().get("unset")?.as_array()?;
    let key = keys.iter().find(|key| key.as_str() == Some(moved.from))?;
    Some(vec![(key.span()?, format!("\"{}\"", moved.new_key()))])
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// One past the newline that ends the line of `at`.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}
