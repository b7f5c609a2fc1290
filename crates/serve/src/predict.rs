//! Questions in the forms that people have: a picture, rows of a table, records. They become examples of the model here.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use data::Channels;
use pipeline::{LoadedModel, ModelInput};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Kind, Refusal};
use crate::protocol::{Examples, Values, shown};

/// In what form a question comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// PNG or JPEG.
    Picture,
    /// Comma-separated values with a header.
    Csv,
    /// One object, a list of objects, or `{"records": [..]}`.
    Json,
}

impl Form {
    /// By the media type that a request states.
    pub(crate) fn of_media(media: &str) -> Option<Self> {
        match media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "image/png" | "image/jpeg" | "image/*" => Some(Form::Picture),
            "text/csv" => Some(Form::Csv),
            "application/json" => Some(Form::Json),
            _ => None,
        }
    }
}

/// Examples from a body; what columns were left aside, by name.
///
/// Errors   a form that the model does not take; anything that is wrong with the body; more than `rows_max` examples.
pub(crate) fn read(
    model: &LoadedModel,
    form: Form,
    body: &Bytes,
    rows_max: usize,
) -> Result<(Examples, Vec<String>), Refusal> {
    match (&model.input, form) {
        (ModelInput::Images { channels, height, width }, Form::Picture) => {
            let colours = Channels::from_count(*channels).ok_or_else(|| {
                Refusal::new(Kind::Unavailable, format!("the model takes {channels} channels"))
            })?;
            let pixels = data::image_pixels(Path::new("the picture"), body, colours, *height, *width)
                .map_err(|wrong| Refusal::invalid(wrong.message))?;
            Ok((Examples { values: Values::U8(pixels.into()), count: 1 }, Vec::new()))
        }
        (ModelInput::Images { .. }, _) => {
            Err(Refusal::new(Kind::UnknownMedia, "the model takes a picture: image/png or image/jpeg"))
        }
        (ModelInput::Features { .. }, Form::Picture) => {
            Err(Refusal::new(Kind::UnknownMedia, "the model takes rows: text/csv or application/json"))
        }
        (ModelInput::Features { shape }, Form::Csv) => csv_rows(names(model, shape)?, body, rows_max),
        (ModelInput::Features { shape }, Form::Json) => records(names(model, shape)?, body, rows_max),
    }
}

/// The columns that a row must have.
fn names<'a>(model: &'a LoadedModel, shape: &[usize]) -> Result<&'a [String], Refusal> {
    match shape {
        &[width] if width == model.features.len() => Ok(&model.features),
        _ => Err(Refusal::new(
            Kind::UnknownMedia,
            "this model takes no single rows (a window of several, or its columns have no names): ask it through /v2/models",
        )),
    }
}

fn csv_rows(names: &[String], body: &[u8], rows_max: usize) -> Result<(Examples, Vec<String>), Refusal> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(body);
    let wrong = |error: csv::Error| Refusal::invalid(format!("the body is no CSV: {error}"));
    let header = reader.headers().map_err(wrong)?.clone();
    let place = |name: &String| {
        header.iter().position(|column| column == name).ok_or_else(|| missing_column(name, header.iter()))
    };
    let places: Vec<usize> = names.iter().map(place).collect::<Result<_, _>>()?;
    let ignored = header.iter().filter(|column| !names.iter().any(|name| name == column));
    let ignored = ignored.map(str::to_owned).collect();
    let mut values = Vec::new();
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(wrong)?;
        check_rows(row + 1, rows_max)?;
        for (&place, name) in places.iter().zip(names) {
            let cell = record.get(place).unwrap_or_default();
            values.push(number(cell.parse().ok(), name, row, cell)?);
        }
    }
    examples(values, names.len(), ignored)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Records {
    Named { records: Vec<BTreeMap<String, Value>> },
    List(Vec<BTreeMap<String, Value>>),
    One(BTreeMap<String, Value>),
}

fn records(names: &[String], body: &[u8], rows_max: usize) -> Result<(Examples, Vec<String>), Refusal> {
    let wrong = |_| Refusal::invalid("the body is no record, list of records or {\"records\": [..]}");
    let records = match serde_json::from_slice(body).map_err(wrong)? {
        Records::Named { records } | Records::List(records) => records,
        Records::One(record) => vec![record],
    };
    check_rows(records.len(), rows_max)?;
    let mut ignored: Vec<String> = Vec::new();
    let mut values = Vec::with_capacity(records.len() * names.len());
    for (row, record) in records.iter().enumerate() {
        for name in names {
            let value =
                record.get(name).ok_or_else(|| missing_column(name, record.keys().map(String::as_str)))?;
            values.push(number(value.as_f64().map(|value| value as f32), name, row, &value.to_string())?);
        }
        let others = record.keys().filter(|key| !names.contains(key) && !ignored.contains(key));
        let others: Vec<String> = others.cloned().collect();
        ignored.extend(others);
    }
    examples(values, names.len(), ignored)
}

fn examples(
    values: Vec<f32>,
    width: usize,
    ignored: Vec<String>,
) -> Result<(Examples, Vec<String>), Refusal> {
    match values.len() / width {
        0 => Err(Refusal::invalid("the body holds no row")),
        count => Ok((Examples { values: Values::F32(values), count }, ignored)),
    }
}

fn check_rows(count: usize, rows_max: usize) -> Result<(), Refusal> {
    match count <= rows_max {
        true => Ok(()),
        false => Err(Refusal::new(Kind::TooLarge, format!("more than {rows_max} rows in one request"))),
    }
}

fn number(parsed: Option<f32>, name: &str, row: usize, cell: &str) -> Result<f32, Refusal> {
    parsed.filter(|value| value.is_finite()).ok_or_else(|| {
        let (row, name, cell) = (row + 1, shown(name), shown(cell));
        Refusal::invalid(format!("row {row}: column `{name}` holds `{cell}`, which is no finite number"))
    })
}

fn missing_column<'a>(name: &str, there: impl Iterator<Item = &'a str>) -> Refusal {
    let there: Vec<String> = there.take(8).map(shown).collect();
    Refusal::invalid(format!("column `{}` is missing; there are {}", shown(name), there.join(", ")))
}
