//! Tables of results. Plain columns without lines: they read well in a terminal and cut well in a pipe.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A column: its title and what stands below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Words, to the left.
    Text(&'static str),
    /// Numbers, to the right.
    Number(&'static str),
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Column::Text(title) | Column::Number(title) => title,
        }
    }

    fn alignment(self) -> CellAlignment {
        match self {
            Column::Text(_) => CellAlignment::Left,
            Column::Number(_) => CellAlignment::Right,
        }
    }
}

/// The lines of a table, each with its end; cells wrap where the table would be wider than `width`.
pub(crate) fn table<R>(width: usize, columns: &[Column], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = String>,
{
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX));
    if columns.iter().any(|column| !column.title().is_empty()) {
        table.set_header(columns.iter().map(|column| column.title()));
    }
    table.add_rows(rows);
    for (index, kind) in columns.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2)).set_cell_alignment(kind.alignment());
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Named facts, one below the other.
pub(crate) fn facts<'a>(width: usize, facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    table(
        width,
        &[Column::Text(""), Column::Text("")],
        facts.into_iter().map(|(name, fact)| [name.to_owned(), fact]),
    )
}

/// A text, broken into lines.
pub(crate) fn paragraph(width: usize, text: &str) -> String {
    table(width, &[Column::Text("")], [[text.to_owned()]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_wrap() {
        let columns = [Column::Text("name"), Column::Number("count")];
        let rows = [["a".to_owned(), "1".to_owned()], ["some words here".to_owned(), "1,234".to_owned()]];
        assert_eq!(
            table(80, &columns, rows.clone()),
            "name             count\na                    1\nsome words here  1,234\n"
        );
        assert_eq!(
            table(20, &columns, rows),
            "name         count\na                1\nsome words   1,234\nhere\n"
        );
        assert_eq!(facts(80, [("a", "b".to_owned()), ("cc", String::new())]), "a   b\ncc\n");
    }
}
