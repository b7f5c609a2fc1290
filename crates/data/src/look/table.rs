//! A first look at a table: its columns, and which one is probably to be predicted.

use std::collections::BTreeSet;
use std::path::Path;

use csv::StringRecord;

use crate::DataError;
use crate::error::Findings;
use crate::feed::Feed;
use crate::limits::COLUMNS_MAX;
use crate::stored::Stored;
use crate::table::{column_names, csv_error};

/// Most rows that are looked at.
const ROWS_MAX: u64 = 1_000_000;
/// Most different values of a column that are told apart.
const DISTINCT_MAX: usize = 1000;
/// Values that are shown.
const EXAMPLES: usize = 3;
/// Longest value that is shown or told apart, in characters.
const VALUE_CHARS_MAX: usize = 40;
/// Names that people give the column to be predicted.
const TARGET_NAMES: [&str; 9] =
    ["target", "label", "class", "y", "outcome", "response", "price", "diagnosis", "species"];

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableLook {
    /// Rows that were looked at, the header left out.
    pub rows: u64,
    /// Whether these are all.
    pub complete: bool,
    /// Whether the first line names the columns; else they are called "1", "2", ...
    pub header: bool,
    /// The columns, in order.
    pub columns: Vec<ColumnLook>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnLook {
    /// Its name.
    pub name: String,
    /// What its cells hold.
    pub kind: ColumnKind,
    /// Cells that are empty.
    pub empty: u64,
    /// Different values; `None` if there are more than are told apart (1000).
    pub distinct: Option<usize>,
    /// Smallest and largest number, where all are numbers.
    pub range: Option<(f64, f64)>,
    /// The first values that differ.
    pub examples: Vec<String>,
}

/// What the cells of a column hold, the empty ones aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Whole numbers.
    Integer,
    /// Numbers.
    Real,
    /// Dates such as 2024-05-31, with or without a time.
    Date,
    /// Anything else.
    Text,
    /// Nothing at all.
    Empty,
}

impl ColumnKind {
    /// `integer`, `real`, `date`, `text` or `empty`.
    pub fn name(self) -> &'static str {
        match self {
            ColumnKind::Integer => "integer",
            ColumnKind::Real => "real",
            ColumnKind::Date => "date",
            ColumnKind::Text => "text",
            ColumnKind::Empty => "empty",
        }
    }

    /// What holds both.
    fn and(self, other: ColumnKind) -> ColumnKind {
        match (self, other) {
            (a, b) if a == b => a,
            (ColumnKind::Empty, kind) | (kind, ColumnKind::Empty) => kind,
            (ColumnKind::Integer, ColumnKind::Real) | (ColumnKind::Real, ColumnKind::Integer) => {
                ColumnKind::Real
            }
            _ => ColumnKind::Text,
        }
    }
}

/// The column that is probably to be predicted, and why it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The column's name.
    pub column: String,
    /// The reason, to stand behind "because".
    pub reason: String,
}

impl ColumnLook {
    /// Whether every cell is a number.
    pub fn is_numeric(&self) -> bool {
        self.empty == 0 && matches!(self.kind, ColumnKind::Integer | ColumnKind::Real)
    }

    /// Whether it tells examples apart at all.
    pub fn varies(&self) -> bool {
        self.distinct.is_none_or(|distinct| distinct > 1)
    }
}

impl TableLook {
    /// The column with this name.
    pub fn column(&self, name: &str) -> Option<&ColumnLook> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Guesses the target among the columns without gaps, and of numbers if `numeric`: one whose name
    /// says so, else the last one whose values differ.
    pub fn guess_target(&self, numeric: bool) -> Option<Guess> {
        let fits = |column: &&ColumnLook| {
            column.empty == 0
                && column.varies()
                && (column.is_numeric() || !numeric)
                && column.kind != ColumnKind::Date
        };
        let candidates = || self.columns.iter().filter(fits);
        let named = candidates().find(|column| TARGET_NAMES.contains(&column.name.to_lowercase().as_str()));
        if let Some(column) = named {
            return Some(Guess { column: column.name.clone(), reason: "its name says so".to_owned() });
        }
        let what = if numeric { "the last column of numbers" } else { "the last column" };
        candidates()
            .next_back()
            .map(|column| Guess { column: column.name.clone(), reason: format!("it is {what}") })
    }
}

/// Reads the table, or the first rows of a large one.
pub(super) fn look_at_table(path: &Path) -> Result<TableLook, DataError> {
    let opened = Stored::on_disk(path).open()?;
    let packed = opened.packed;
    let (feed, lines) = Feed::new(opened.into_reader());
    let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(feed);
    let (mut first, mut record, mut findings) =
        (StringRecord::new(), StringRecord::new(), Findings::default());
    let (mut columns, mut rows, mut complete) = (Vec::<Column>::new(), 0, false);
    loop {
        let line = lines.borrow_mut().line_of(reader.position().byte());
        match reader.read_record(&mut record) {
            Ok(false) => complete = true,
            Ok(true) if columns.is_empty() => {
                // The number of columns is checked before anything is kept of them.
                column_names(path, &record, false)?;
                first.clone_from(&record);
                columns = vec![Column::default(); record.len().min(COLUMNS_MAX)];
                continue;
            }
            Ok(true) => {
                columns.iter_mut().zip(&record).for_each(|(column, cell)| column.add(cell));
                rows += 1;
            }
            Err(error) => findings.push(csv_error(path, packed, line, error)?),
        }
        if complete || rows == ROWS_MAX {
            break;
        }
    }
    findings.finish()?;
    let header = is_header(&first, &columns);
    if !header {
        columns.iter_mut().zip(&first).for_each(|(column, cell)| column.add(cell));
        rows += u64::from(!columns.is_empty());
    }
    let names = column_names(path, &first, header)?;
    let columns = names.into_iter().zip(columns).map(|(name, column)| column.look(name)).collect();
    Ok(TableLook { rows, complete, header, columns })
}

/// Whether the first line names the columns: none of its cells is empty, a number or a date, and all differ.
fn is_header(first: &StringRecord, columns: &[Column]) -> bool {
    let names: BTreeSet<&str> = first.iter().collect();
    let words = first.iter().all(|cell| cell_kind(cell) == ColumnKind::Text);
    words && names.len() == columns.len()
}

/// What is known of a column so far.
#[derive(Debug, Clone, Default)]
struct Column {
    kind: Option<ColumnKind>,
    empty: u64,
    range: Option<(f64, f64)>,
    values: BTreeSet<String>,
    examples: Vec<String>,
    many: bool,
}

impl Column {
    fn add(&mut self, cell: &str) {
        let kind = cell_kind(cell);
        self.kind = Some(self.kind.map_or(kind, |known| known.and(kind)));
        if kind == ColumnKind::Empty {
            self.empty += 1;
            return;
        }
        if let (ColumnKind::Integer | ColumnKind::Real, Ok(number)) = (kind, cell.parse::<f64>()) {
            let (low, high) = self.range.unwrap_or((number, number));
            self.range = Some((low.min(number), high.max(number)));
        }
        if !self.many {
            let value: String = cell.chars().take(VALUE_CHARS_MAX).collect();
            if self.values.insert(value.clone()) && self.examples.len() < EXAMPLES {
                self.examples.push(value);
            }
            self.many = self.values.len() > DISTINCT_MAX;
        }
    }

    fn look(self, name: String) -> ColumnLook {
        let kind = self.kind.unwrap_or(ColumnKind::Empty);
        let numbers = matches!(kind, ColumnKind::Integer | ColumnKind::Real);
        ColumnLook {
            name,
            kind,
            empty: self.empty,
            distinct: (!self.many).then_some(self.values.len()),
            range: self.range.filter(|_| numbers),
            examples: self.examples,
        }
    }
}

fn cell_kind(cell: &str) -> ColumnKind {
    if cell.is_empty() {
        ColumnKind::Empty
    } else if cell.parse::<i64>().is_ok() {
        ColumnKind::Integer
    } else if cell.parse::<f64>().is_ok_and(f64::is_finite) {
        ColumnKind::Real
    } else if is_date(cell) {
        ColumnKind::Date
    } else {
        ColumnKind::Text
    }
}

/// Whether the cell starts as `2024-05-31` does, and goes on with a time if at all.
fn is_date(cell: &str) -> bool {
    let (date, time) = cell.split_at_checked(10).unwrap_or((cell, ""));
    let form: String = date.chars().map(|each| if each.is_ascii_digit() { '0' } else { each }).collect();
    form == "0000-00-00" && (time.is_empty() || time.starts_with(['T', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> TableLook {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        look_at_table(&path).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn columns_have_kinds() {
        let found = table("id,day,size,name,gap\n1,2024-01-02,0.5,ann,\n2,2024-01-03,3,bob,7\n");
        let kinds: Vec<&str> = found.columns.iter().map(|column| column.kind.name()).collect();
        assert_eq!(kinds, ["integer", "date", "real", "text", "integer"]);
        assert_eq!((found.rows, found.header, found.complete), (2, true, true));
        assert_eq!(found.columns[2].range, Some((0.5, 3.0)));
        assert_eq!((found.columns[4].empty, found.columns[3].distinct), (1, Some(2)));
    }

    #[test]
    fn a_table_without_header_counts_its_first_row() {
        let found = table("1,a\n2,b\n2,b\n");
        assert_eq!((found.rows, found.header), (3, false));
        assert_eq!(found.columns[1].name, "2");
        assert_eq!(found.columns[0].range, Some((1.0, 2.0)));
    }

    #[test]
    fn the_target_is_guessed_with_a_reason() {
        let found = table("price,area,kind,gap,same\n1,2,x,,7\n2,3,y,1,7\n");
        let guess = |numeric| found.guess_target(numeric).map(|guess| guess.column);
        assert_eq!(guess(true).as_deref(), Some("price"));
        let found = table("area,rent,kind,gap,same\n1,2,x,,7\n2,3,y,1,7\n");
        let guess = |numeric| found.guess_target(numeric).map(|guess| (guess.column, guess.reason));
        assert_eq!(guess(true), Some(("rent".to_owned(), "it is the last column of numbers".to_owned())));
        assert_eq!(guess(false), Some(("kind".to_owned(), "it is the last column".to_owned())));
    }

    #[test]
    fn what_is_no_table_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for (text, code) in [("", "empty-file"), ("a,b\n1\n", "ragged-row")] {
            std::fs::write(&path, text).unwrap();
            let Err(DataError::Invalid(found)) = look_at_table(&path) else { panic!("{text}") };
            assert_eq!(found.0[0].code, code);
        }
    }
}
