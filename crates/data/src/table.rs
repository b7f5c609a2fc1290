//! Comma-separated values (RFC 4180) become checked columns in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base::{Diagnostic, Location, nearest};
use csv::{ErrorKind, Position, StringRecord};

use crate::classes::class_numbers;
use crate::columns::Columns;
use crate::error::Findings;
use crate::feed::{Feed, LimitReached};
use crate::limits::{CELLS_MAX, CLASSES_MAX, COLUMNS_MAX, ROWS_MAX};
use crate::stored::{Stored, read_error};
use crate::{CsvSource, DataError, Task};

/// The rows of a table that passed the filter, in the file's order.
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    pub(crate) feature_names: Vec<String>,
    /// [rows, features]
    pub(crate) features: Vec<f32>,
    pub(crate) target: TargetColumn,
    /// The order column's text, if there is one.
    pub(crate) keys: Option<Vec<String>>,
    /// The line of each row, from 1.
    pub(crate) lines: Vec<u64>,
}

/// The answers' column.
pub(crate) enum TargetColumn {
    Numbers(Vec<f64>),
    Classes { labels: Vec<u32>, names: Vec<String> },
}

/// Reads the table and checks every cell that the source uses.
pub(crate) fn read_table(stored: &Stored, source: &CsvSource) -> Result<Table, DataError> {
    let opened = stored.open()?;
    let packed = opened.packed;
    let (feed, lines) = Feed::new(opened.into_reader());
    let mut reader =
        csv::ReaderBuilder::new().has_headers(source.header).trim(csv::Trim::All).from_reader(feed);
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(csv_error(&stored.path, packed, 1, error)?.into()),
    };
    let names = column_names(&stored.path, &header, source.header)?;
    let columns = Columns::resolve(&stored.path, &names, source)?;
    let mut rows = Rows::new(&stored.path, &names, columns, source);
    let mut findings = Findings::default();
    if source.header {
        lines.borrow_mut().line_of(reader.position().byte());
    }
    let mut record = StringRecord::new();
    loop {
        let more = reader.read_record(&mut record);
        let line_of =
            |position: Option<&Position>| lines.borrow_mut().line_of(position.map_or(0, Position::byte));
        match more {
            Ok(false) => break,
            Ok(true) => rows.add(&record, line_of(record.position()), &mut findings)?,
            Err(error) => {
                let line = line_of(error.position());
                findings.push(csv_error(&stored.path, packed, line, error)?);
            }
        }
        line_of(Some(reader.position()));
    }
    rows.check_not_empty().into_iter().for_each(|found| findings.push(found));
    findings.finish()?;
    rows.into_table()
}

pub(crate) fn column_names(
    path: &Path,
    header: &StringRecord,
    has_header: bool,
) -> Result<Vec<String>, Diagnostic> {
    if header.is_empty() {
        return Err(Diagnostic::new("empty-file", "the table is empty").label(Location::file(path), ""));
    }
    if header.len() > COLUMNS_MAX {
        let message = format!("the table has {} columns, more than the limit of {COLUMNS_MAX}", header.len());
        return Err(Diagnostic::new("too-large", message).label(Location::line(path, 1), ""));
    }
    Ok(match has_header {
        true => header.iter().map(str::to_owned).collect(),
        false => (1..=header.len()).map(|number| number.to_string()).collect(),
    })
}

/// The rows read so far.
struct Rows<'a> {
    path: &'a Path,
    names: &'a [String],
    columns: Columns,
    source: &'a CsvSource,
    numeric: Vec<usize>,
    /// The current row's numbers by column; other columns stay 0.
    numbers: Vec<f64>,
    features: Vec<f32>,
    target_numbers: Vec<f64>,
    target_classes: Vec<u32>,
    /// Class names with their provisional numbers, in order of appearance.
    class_numbers: BTreeMap<String, u32>,
    keys: Vec<String>,
    lines: Vec<u64>,
    /// Some of the values that the filter refused, to say what is there.
    refused: BTreeSet<String>,
}

impl<'a> Rows<'a> {
    fn new(path: &'a Path, names: &'a [String], columns: Columns, source: &'a CsvSource) -> Self {
        Rows {
            numeric: columns.numeric(source.task),
            numbers: vec![0.0; names.len()],
            path,
            names,
            columns,
            source,
            features: Vec::new(),
            target_numbers: Vec::new(),
            target_classes: Vec::new(),
            class_numbers: BTreeMap::new(),
            keys: Vec::new(),
            lines: Vec::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Takes one record, unless the filter refuses it. Wrong cells go to `findings`; a limit ends the reading.
    fn add(&mut self, record: &StringRecord, line: u64, findings: &mut Findings) -> Result<(), Diagnostic> {
        if !self.passes_filter(record) {
            return Ok(());
        }
        self.check_size(line)?;
        self.parse(record, line, findings);
        self.adjust(line, findings);
        for &column in &self.columns.features {
            let value = self.numbers[column] as f32 + 0.0; // no negative zero: equal numbers have equal bytes
            if !value.is_finite() {
                findings.push(self.out_of_range(line, column));
            }
            self.features.push(value);
        }
        let target = &record[self.columns.target];
        match self.source.task {
            Task::Regression => self.target_numbers.push(self.numbers[self.columns.target] + 0.0),
            Task::Classification if target.is_empty() => {
                findings.push(self.empty_cell(line, self.columns.target))
            }
            Task::Classification => self.add_class(target, line)?,
        }
        if let Some(order) = self.columns.order {
            self.keys.push(record[order].to_owned());
        }
        self.lines.push(line);
        Ok(())
    }

    fn passes_filter(&mut self, record: &StringRecord) -> bool {
        let (Some(column), Some(filter)) = (self.columns.filter, &self.source.filter) else { return true };
        let cell = &record[column];
        if cell != filter.equals && self.refused.len() < 1000 && !self.refused.contains(cell) {
            self.refused.insert(cell.to_owned());
        }
        cell == filter.equals
    }

    fn check_size(&self, line: u64) -> Result<(), Diagnostic> {
        let rows = self.lines.len() as u64 + 1;
        let cells =
            rows.saturating_mul(self.columns.features.len() as u64).saturating_mul(self.source.window as u64);
        if cells <= CELLS_MAX && rows <= ROWS_MAX {
            return Ok(());
        }
        let window = if self.source.window > 1 {
            format!(" in windows of {}", self.source.window)
        } else {
            String::new()
        };
        let message = format!(
            "the table holds more than {CELLS_MAX} numbers ({} features{window})",
            self.columns.features.len()
        );
        Err(Diagnostic::new("too-large", message)
            .label(Location::line(self.path, line), "the limit is reached here"))
    }

    fn parse(&mut self, record: &StringRecord, line: u64, findings: &mut Findings) {
        for &column in &self.numeric {
            let cell = &record[column];
            let number = cell.parse::<f64>().unwrap_or(f64::NAN);
            self.numbers[column] = number;
            if number.is_finite() {
                continue;
            }
            self.numbers[column] = 1.0; // a stand-in that raises no further complaint
            findings.push(match cell.parse::<f64>() {
                Ok(_) => {
                    let message =
                        format!("column `{}` holds `{cell}`, which is no finite number", self.names[column]);
                    Diagnostic::new("not-finite", message)
                        .label(Location::line(self.path, line), "")
                        .help("remove the row or fill the value in")
                }
                Err(_) if cell.is_empty() => self.empty_cell(line, column),
                Err(_) => {
                    let message = format!(
                        "column `{}` holds `{}`, which is no number",
                        self.names[column],
                        shorten(cell)
                    );
                    Diagnostic::new("not-a-number", message)
                        .label(Location::line(self.path, line), "")
                        .help("write numbers as 1234.5, without thousands separators or units")
                }
            });
        }
    }

    fn adjust(&mut self, line: u64, findings: &mut Findings) {
        let Some(adjust) = &self.columns.adjust else { return };
        let denominator = self.numbers[adjust.denominator];
        if denominator == 0.0 {
            let message =
                format!("column `{}` is 0, and the adjustment divides by it", self.names[adjust.denominator]);
            findings.push(
                Diagnostic::new("zero-denominator", message).label(Location::line(self.path, line), ""),
            );
            return;
        }
        let factor = self.numbers[adjust.numerator] / denominator;
        for &column in &adjust.columns {
            self.numbers[column] *= factor;
        }
        let target = self.columns.target;
        if self.source.task == Task::Regression && !(self.numbers[target] as f32).is_finite() {
            findings.push(self.out_of_range(line, target));
        }
    }

    fn add_class(&mut self, name: &str, line: u64) -> Result<(), Diagnostic> {
        let next = self.class_numbers.len() as u32;
        let number = match self.class_numbers.get(name) {
            Some(&number) => number,
            None => {
                self.class_numbers.insert(name.to_owned(), next);
                next
            }
        };
        self.target_classes.push(number);
        if self.class_numbers.len() > CLASSES_MAX {
            let message = format!("column `{}` holds more than {CLASSES_MAX} classes", self.source.target);
            let found =
                Diagnostic::new("too-many-classes", message).label(Location::line(self.path, line), "");
            return Err(found.help("is it a number to be predicted? then the task is a regression"));
        }
        Ok(())
    }

    fn empty_cell(&self, line: u64, column: usize) -> Diagnostic {
        Diagnostic::new("empty-cell", format!("column `{}` is empty", self.names[column]))
            .label(Location::line(self.path, line), "")
            .help("remove the row or fill the value in")
    }

    fn out_of_range(&self, line: u64, column: usize) -> Diagnostic {
        let message = format!("column `{}` holds a number beyond the range of 32 bits", self.names[column]);
        Diagnostic::new("not-finite", message).label(Location::line(self.path, line), "")
    }

    fn check_not_empty(&self) -> Option<Diagnostic> {
        if !self.lines.is_empty() {
            return None;
        }
        let at = Location::file(self.path);
        let Some(filter) = self.source.filter.as_ref().filter(|_| !self.refused.is_empty()) else {
            return Some(Diagnostic::new("empty-file", "the table has no rows").label(at, ""));
        };
        let message = format!("no row has `{}` in column `{}`", filter.equals, filter.column);
        let found = Diagnostic::new("no-rows", message).label(at, "");
        let values = || self.refused.iter().map(String::as_str);
        Some(match nearest(&filter.equals, values()) {
            Some(value) => found.help(format!("did you mean `{value}`?")),
            None => {
                let some = values()
                    .take(12)
                    .map(|value| format!("`{}`", shorten(value)))
                    .collect::<Vec<_>>()
                    .join(", ");
                found.help(format!("values there are {some}"))
            }
        })
    }

    fn into_table(self) -> Result<Table, DataError> {
        let target = match self.source.task {
            Task::Regression => TargetColumn::Numbers(self.target_numbers),
            Task::Classification => {
                let (labels, names) = sort_classes(self.target_classes, self.class_numbers);
                let wanted = &self.source.class_names;
                let numbers = class_numbers(&names, wanted, &Location::file(self.path))?;
                let labels = labels.into_iter().map(|label| numbers[label as usize]).collect();
                TargetColumn::Classes {
                    labels,
                    names: if wanted.is_empty() { names } else { wanted.clone() },
                }
            }
        };
        Ok(Table {
            path: self.path.to_owned(),
            feature_names: self.columns.features.iter().map(|&column| self.names[column].clone()).collect(),
            features: self.features,
            target,
            keys: self.columns.order.map(|_| self.keys),
            lines: self.lines,
        })
    }
}

/// Numbers the classes by name: as numbers where all names are whole numbers, else as text.
fn sort_classes(labels: Vec<u32>, numbers: BTreeMap<String, u32>) -> (Vec<u32>, Vec<String>) {
    let mut names: Vec<(String, u32)> = numbers.into_iter().collect();
    if names.iter().all(|(name, _)| name.parse::<i64>().is_ok()) {
        names.sort_by_key(|(name, _)| name.parse::<i64>().unwrap_or(0)); // all parse, as the line above says
    }
    let mut renumbered = vec![0; names.len()];
    for (number, (_, provisional)) in names.iter().enumerate() {
        renumbered[*provisional as usize] = number as u32;
    }
    let labels = labels.into_iter().map(|label| renumbered[label as usize]).collect();
    (labels, names.into_iter().map(|(name, _)| name).collect())
}

fn shorten(cell: &str) -> String {
    let start: String = cell.chars().take(40).collect();
    if start.len() < cell.len() { format!("{start}…") } else { start }
}

/// What is wrong with the record on `line`; or, as an error, what ends the reading.
pub(crate) fn csv_error(
    path: &Path,
    packed: bool,
    line: u64,
    error: csv::Error,
) -> Result<Diagnostic, DataError> {
    let at = Location::line(path, line);
    match error.into_kind() {
        ErrorKind::Io(error) => {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<LimitReached>()) {
                Some(reached) => {
                    Err(Diagnostic::new("too-large", reached.to_string()).label(at, "from here on").into())
                }
                None => Err(read_error(path, packed, error)),
            }
        }
        ErrorKind::Utf8 { .. } => Ok(Diagnostic::new("not-utf8", "the row is not UTF-8 text")
            .label(at, "")
            .help("save the table as UTF-8")),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let message = format!("the row has {len} cells, the first row has {expected_len}");
            Ok(Diagnostic::new("ragged-row", message)
                .label(at, "")
                .help("is a separator missing, or a comma inside a text without quotation marks?"))
        }
        other => {
            let message = format!("the table cannot be read: {other:?}");
            Err(Diagnostic::new("bad-table", message).label(at, "").into())
        }
    }
}
