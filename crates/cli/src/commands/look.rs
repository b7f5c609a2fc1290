//! A first look at data, for people and for programs: what `data inspect` and `init` show.

use std::path::Path;

use data::{ColumnLook, IdxLook, ImagesLook, Look, TableLook};
use serde_json::{Value, json};

use crate::arguments::Json;
use crate::failure::Failure;
use crate::tables::{Column, facts, table};
use crate::{quantities, terminal};

/// Of more columns or classes, only the first are shown.
const SHOWN: usize = 40;

/// Shows what is at `path`.
pub(crate) fn inspect(path: &Path, json: Json) -> Result<(), Failure> {
    let look = look(path)?;
    if json.wanted {
        return terminal::print_json(&document(path, &look));
    }
    let guess = match &look {
        Look::Table(table) => guessed(table),
        Look::Images(_) | Look::Idx(_) => String::new(),
    };
    terminal::print(&format!("{}{guess}", draw(path, &look, terminal::width())))
}

/// Looks at the data at `path`.
pub(crate) fn look(path: &Path) -> Result<Look, Failure> {
    data::look(path).map_err(|error| match error {
        data::DataError::Invalid(found) => Failure::mistakes(found, base::SourceMap::default()),
        error => Failure::world(error),
    })
}

/// What a person is shown.
pub(crate) fn draw(path: &Path, look: &Look, width: usize) -> String {
    let path = path.display();
    let name = terminal::printable(&path.to_string());
    match look {
        Look::Table(look) => format!("{name}: {}\n\n{}", table_line(look), columns(look, width)),
        Look::Images(look) => format!("{name}: {}\n\n{}", images_line(look), classes(look, width)),
        Look::Idx(look) => format!("{name}: {}\n\n{}", idx_line(look), idx_facts(look, width)),
    }
}

fn guessed(table: &TableLook) -> String {
    table.guess_target(false).map_or(String::new(), |guess| {
        format!(
            "\na guess: `{}` is to be predicted, because {}\n",
            terminal::printable(&guess.column),
            guess.reason
        )
    })
}

fn table_line(look: &TableLook) -> String {
    let rows = quantities::counted(usize::try_from(look.rows).unwrap_or(usize::MAX), "row");
    let rows = if look.complete { rows } else { format!("the first {rows}") };
    let header = if look.header { "" } else { ", no header" };
    format!("a table, {rows}, {}{header}", quantities::counted(look.columns.len(), "column"))
}

fn columns(look: &TableLook, width: usize) -> String {
    let titles = [
        Column::Text("column"),
        Column::Text("holds"),
        Column::Number("values"),
        Column::Number("empty"),
        Column::Number("from"),
        Column::Number("to"),
        Column::Text("such as"),
    ];
    let rows = look.columns.iter().take(SHOWN).map(|column| {
        let end = |end: Option<f64>| end.map_or(String::new(), |number| number.to_string());
        [
            terminal::printable(&column.name),
            column.kind.name().to_owned(),
            column.distinct.map_or("many".to_owned(), quantities::count),
            if column.empty == 0 { String::new() } else { column.empty.to_string() },
            end(column.range.map(|range| range.0)),
            end(column.range.map(|range| range.1)),
            terminal::printable(&column.examples.join(", ")),
        ]
    });
    table(width, &titles, rows) + &more(look.columns.len(), "column")
}

fn images_line(look: &ImagesLook) -> String {
    let count: usize = look.classes.iter().map(|(_, count)| count).sum();
    format!("a folder of {} in {}", quantities::counted(count, "image"), classes_of(look.classes.len()))
}

fn classes_of(count: usize) -> String {
    if count == 1 { "1 class".to_owned() } else { format!("{} classes", quantities::count(count)) }
}

fn classes(look: &ImagesLook, width: usize) -> String {
    let rows = look.classes.iter().take(SHOWN);
    let rows = rows.map(|(name, count)| [terminal::printable(name), quantities::count(*count)]);
    let classes = table(width, &[Column::Text("class"), Column::Number("images")], rows);
    let rows = look.shapes.iter().take(SHOWN).map(|([channels, height, width], count)| {
        let colours = if *channels == 1 { "grey" } else { "colour" };
        [format!("{height} x {width}"), colours.to_owned(), quantities::count(*count)]
    });
    let columns = [Column::Text("height x width"), Column::Text(""), Column::Number("images opened")];
    let shapes = table(width, &columns, rows);
    format!("{classes}{}\n{shapes}{}", more(look.classes.len(), "class"), more(look.shapes.len(), "shape"))
}

fn idx_line(look: &IdxLook) -> String {
    let [height, width] = look.shape;
    let images = quantities::counted(look.counts.0, "image");
    format!("IDX files, {images} of {height} x {width} in {}", classes_of(look.classes.len()))
}

fn idx_facts(look: &IdxLook, width: usize) -> String {
    let path = |path: &Path| terminal::printable(&path.display().to_string());
    let mut rows = vec![("images", path(&look.images)), ("labels", path(&look.labels))];
    if let Some((images, labels)) = &look.test {
        rows.push(("test images", format!("{} ({})", path(images), quantities::count(look.counts.1))));
        rows.push(("test labels", path(labels)));
    }
    let shown = look.classes.iter().take(SHOWN);
    let shown = shown.map(|(class, count)| [class.to_string(), quantities::count(*count)]);
    let classes = table(width, &[Column::Text("class"), Column::Number("images")], shown);
    format!("{}\n{classes}{}", facts(width, rows), more(look.classes.len(), "class"))
}

fn more(count: usize, what: &str) -> String {
    match count.saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("... and {} more ({what})\n", quantities::count(more)),
    }
}

/// What a program is given.
pub(crate) fn document(path: &Path, look: &Look) -> Value {
    let mut document = json!({ "data": path.display().to_string(), "format": look.format() });
    let more = match look {
        Look::Table(look) => json!({
            "rows": look.rows,
            "complete": look.complete,
            "header": look.header,
            "columns": look.columns.iter().map(column).collect::<Vec<_>>(),
            "guess": look.guess_target(false).map(|guess| json!({ "target": guess.column, "reason": guess.reason })),
        }),
        Look::Images(look) => json!({
            "classes": look.classes.iter().map(|(name, count)| json!({ "name": name, "images": count })).collect::<Vec<_>>(),
            "opened": look.opened,
            "shapes": look.shapes.iter().map(|(shape, count)| json!({ "shape": shape, "images": count })).collect::<Vec<_>>(),
        }),
        Look::Idx(look) => json!({
            "images": look.images,
            "labels": look.labels,
            "test": look.test,
            "counts": look.counts,
            "shape": look.shape,
            "classes": look.classes.iter().map(|(class, count)| json!({ "name": class.to_string(), "images": count })).collect::<Vec<_>>(),
        }),
    };
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    document
}

fn column(column: &ColumnLook) -> Value {
    json!({
        "name": column.name,
        "kind": column.kind.name(),
        "empty": column.empty,
        "distinct": column.distinct,
        "min": column.range.map(|range| range.0),
        "max": column.range.map(|range| range.1),
        "examples": column.examples,
    })
}
