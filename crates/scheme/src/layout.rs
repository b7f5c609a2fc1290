//! A scheme's text as its author laid it out: lines, each with what stands there.
//!
//! The tree of [`crate::parse`] says what a text means; this says where each piece of it stands, so
//! that an edit can leave every other byte alone.

use std::ops::Range;

use toml_edit::{Document, Item, Key, Table};

/// Whole lines of a text that belong together; pieces follow each other without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The bytes, the last line's end included.
    pub(crate) range: Range<usize>,
    pub(crate) kind: PieceKind,
}

/// What a piece is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PieceKind {
    Blank,
    /// A comment on a line of its own.
    Comment,
    /// `[path]`, or `[[path]]` if `array`.
    Header {
        path: Vec<String>,
        array: bool,
    },
    /// `key = value`, over as many lines as the value takes.
    Setting {
        /// The header's path and the key's, dots taken apart.
        path: Vec<String>,
        value: Range<usize>,
    },
}

/// The pieces of `text`, which must be TOML; else none.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let Ok(document) = Document::parse(text) else { return Vec::new() };
    let mut values = Vec::new();
    value_ranges(document.as_table(), &mut values);
    values.sort_by_key(|range| range.start);
    let mut values = values.into_iter();
    let (mut pieces, mut at, mut table) = (Vec::new(), 0, Vec::new());
    while at < text.len() {
        let line = &text[at..line_end(text, at)];
        let content = line.trim_start_matches('\u{feff}').trim();
        let kind = match content.chars().next() {
            None => PieceKind::Blank,
            Some('#') => PieceKind::Comment,
            Some('[') => {
                let (path, array) = header_path(content);
                table.clone_from(&path);
                PieceKind::Header { path, array }
            }
            Some(_) => match values.next() {
                Some(value) => {
                    let path = [table.clone(), setting_key(&text[at..value.start])].concat();
                    PieceKind::Setting { path, value }
                }
                // Every line of TOML that is none of the above sets a value.
                None => PieceKind::Comment,
            },
        };
        let last = if let PieceKind::Setting { value, .. } = &kind { value.end } else { at };
        let end = line_end(text, last.max(at));
        pieces.push(Piece { range: at..end, kind });
        at = end;
    }
    pieces
}

/// One past the end of the line that holds byte `at`.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |found| at + found + 1)
}

fn value_ranges(table: &Table, ranges: &mut Vec<Range<usize>>) {
    for (_, item) in table.iter() {
        match item {
            Item::None => {}
            Item::Value(value) => ranges.extend(value.span()),
            Item::Table(table) => value_ranges(table, ranges),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|table| value_ranges(table, ranges)),
        }
    }
}

/// The path in `[path] # comment`.
fn header_path(line: &str) -> (Vec<String>, bool) {
    let array = line.starts_with("[[");
    let inner = line.trim_start_matches('[');
    // A quoted key may hold a bracket, so the first one that leaves a key is the right one.
    let ends = inner.char_indices().filter(|(_, each)| *each == ']').map(|(at, _)| at);
    let path = ends.into_iter().find_map(|end| Key::parse(&inner[..end]).ok());
    (names(&path.unwrap_or_default()), array)
}

/// The path in `key = `.
fn setting_key(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}').trim_end();
    let key = text.strip_suffix('=').unwrap_or(text);
    names(&Key::parse(key).unwrap_or_default())
}

fn names(keys: &[Key]) -> Vec<String> {
    keys.iter().map(|key| key.get().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_piece() {
        let text = "# top\n\na.b = 1 # x\n[ t.\"u.v]\" ] # y\nl = [\n  1, # one\n]\n\n[[s]]\nq = \"\"\"\n[z]\n\"\"\"";
        let found = pieces(text);
        let shown: Vec<String> = found
            .iter()
            .map(|piece| match &piece.kind {
                PieceKind::Blank => "-".to_owned(),
                PieceKind::Comment => text[piece.range.clone()].trim().to_owned(),
                PieceKind::Header { path, array } => format!("[{}] {array}", path.join("|")),
                PieceKind::Setting { path, value } => {
                    format!("{} = {:?}", path.join("|"), &text[value.clone()])
                }
            })
            .collect();
        let expect = [
            "# top",
            "-",
            "a|b = \"1\"",
            "[t|u.v]] false",
            "t|u.v]|l = \"[\\n  1, # one\\n]\"",
            "-",
            "[s] true",
            "s|q = \"\\\"\\\"\\\"\\n[z]\\n\\\"\\\"\\\"\"",
        ];
        assert_eq!(shown, expect);
        assert_eq!(found.first().map(|piece| piece.range.start), Some(0));
        assert!(found.windows(2).all(|pair| pair[0].range.end == pair[1].range.start));
        assert_eq!(found.last().map(|piece| piece.range.end), Some(text.len()));
    }
}
