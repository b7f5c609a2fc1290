//! Labels that come after the answers: `id,label` by line.

use std::collections::HashMap;
use std::path::Path;

use base::{Diagnostic, Diagnostics, Location};
use csv::{ByteRecord, ReaderBuilder};

use crate::error::MonitorError;

/// Most labels that are read of one file.
pub const LABELS_MAX: usize = 20_000_000;
/// Mistakes that are told of one file.
const MISTAKES_MAX: usize = 20;

/// The right answers to requests, by the requests' ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    by_id: HashMap<String, String>,
    /// Lines that say otherwise than a line before them.
    pub corrected: u64,
}

impl Labels {
    /// Reads a CSV file with a header that names the columns `id` and `label`; others are not looked at. Of two lines with one
    /// id the later counts.
    ///
    /// Errors   the disk; no such columns; lines without id, or that are no CSV or UTF-8.
    pub fn read(path: &Path) -> Result<Self, MonitorError> {
        let file = std::fs::File::open(path).map_err(MonitorError::io("read the labels", path))?;
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(std::io::BufReader::new(file));
        let header = reader.byte_headers().map_err(|error| world_or_mistake(path, error))?.clone();
        let column = |name: &str| {
            header.iter().position(|column| column.trim_ascii() == name.as_bytes()).ok_or_else(|| {
                Diagnostic::new("label-columns", format!("the labels have no column `{name}`"))
                    .label(Location::line(path, 1), "the columns' names")
                    .help("the first line names the columns: `id,label`; `id` is the request's id in the log")
            })
        };
        let (id, label) = match (column("id"), column("label")) {
            (Ok(id), Ok(label)) => (id, label),
            (id, label) => {
                return Err(Diagnostics([id.err(), label.err()].into_iter().flatten().collect()).into());
            }
        };
        let (mut labels, mut problems) = (Labels::default(), Diagnostics::default());
        let mut row = ByteRecord::new();
        while reader.read_byte_record(&mut row).map_err(|error| world_or_mistake(path, error))? {
            let line = row.position().map_or(0, csv::Position::line);
            match (text(&row, id), text(&row, label)) {
                (Some(id), Some(label)) if !id.is_empty() => labels.insert(id, label),
                _ => problems.push(
                    Diagnostic::new("label-line", "a line of labels has an id and a label, in UTF-8")
                        .label(Location::line(path, line), ""),
                ),
            }
            if labels.by_id.len() > LABELS_MAX {
                let message = format!("there are more than {LABELS_MAX} labels");
                problems.push(Diagnostic::new("too-many-labels", message).label(Location::file(path), ""));
            }
            if problems.0.len() >= MISTAKES_MAX || labels.by_id.len() > LABELS_MAX {
                break;
            }
        }
        Ok(problems.or(labels)?)
    }

    fn insert(&mut self, id: &str, label: &str) {
        let before = self.by_id.insert(id.to_owned(), label.to_owned());
        self.corrected += u64::from(before.is_some_and(|before| before != label));
    }

    /// How many requests have a label.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The label of the request `id`.
    pub fn of(&self, id: &str) -> Option<&str> {
        self.by_id.get(id).map(String::as_str)
    }
}

fn text(row: &ByteRecord, column: usize) -> Option<&str> {
    std::str::from_utf8(row.get(column)?).ok().map(str::trim)
}

fn world_or_mistake(path: &Path, error: csv::Error) -> MonitorError {
    let (line, message) = (error.position().map(csv::Position::line), error.to_string());
    match error.into_kind() {
        csv::ErrorKind::Io(source) => {
            MonitorError::Io { operation: "read the labels", path: path.to_owned(), source }
        }
        _ => {
            let place = line.map_or(Location::file(path), |line| Location::line(path, line));
            Diagnostic::new("label-line", format!("this is no line of a table: {message}"))
                .label(place, "")
                .into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Labels, MonitorError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).expect("a file");
        Labels::read(&path)
    }

    #[test]
    fn later_lines_correct_earlier_ones() {
        let labels = read(b"when,id,label\n1,a,cat\n2,b,dog\n3,a,dog\n4,b,dog\n").expect("labels");
        assert_eq!((labels.of("a"), labels.of("b"), labels.of("c")), (Some("dog"), Some("dog"), None));
        assert_eq!((labels.len(), labels.corrected), (2, 1));
        assert!(read(b"id,label\n").expect("none").is_empty());
    }

    #[test]
    fn mistakes_have_a_line() {
        let check = |text: &[u8], expect: &[&str]| {
            let told = read(text).expect_err("a mistake").to_string();
            assert!(expect.iter().all(|part| told.contains(part)), "{told}");
        };
        check(b"name,class\n", &["no column `id`", "no column `label`", ":1"]);
        check(b"id,label\na\n,b\nc,\xff\n", &["labels.csv:2", "labels.csv:3", "labels.csv:4"]);
        check(b"", &["no column `id`"]);
    }
}
