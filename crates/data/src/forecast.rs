//! A table becomes examples: rows put in order, windows cut, each answer taken from a later row.

use base::{Diagnostic, Location};
use tensor::Tensor;

use crate::error::Findings;
use crate::order_key::sorted_rows;
use crate::row_image::row_pixels;
use crate::stored::Stored;
use crate::table::{Table, TargetColumn, read_table};
use crate::{CsvSource, DataError, Dataset, Forecast, Layout, Target, TargetForm};

/// Reads a table and cuts it into examples.
///
/// With rows numbered in order, window `w` and horizon `h`, example `i` asks rows `i ..= i+w-1`
/// and its answer stands in row `i+w-1+h`; there are `rows - (w-1) - h` examples.
pub(crate) fn load_csv(name: &str, stored: &Stored, source: &CsvSource) -> Result<Dataset, DataError> {
    let mut table = read_table(stored, source)?;
    let overlapping = source.window > 1 || source.horizon > 0;
    if let (Some(keys), Some(column)) = (&table.keys, &source.order) {
        let rows = sorted_rows(&table, keys, column, overlapping)?;
        reorder(&mut table, &rows);
    }
    let lost = (source.window - 1).saturating_add(source.horizon);
    let rows = table.lines.len();
    if rows <= lost {
        return Err(too_few_rows(&table, source).into());
    }
    let examples = rows - lost;
    let features = table.feature_names.len();
    let target = target(&table, source, examples)?;
    let keys = table.keys.as_ref().map(|keys| keys[lost..].to_vec());
    let (input, layout) = match (&source.image, source.window) {
        (Some(image), _) => {
            let pixels = row_pixels(&table, source, image)?;
            table.feature_names = image.channels.names();
            let shape = [examples, image.channels.count(), image.height, image.width];
            (Tensor::new(shape, pixels), Layout::Image)
        }
        (None, 1) => {
            table.features.truncate(examples * features);
            (Tensor::new([examples, features], table.features), Layout::Table)
        }
        (None, window) => {
            let unrolled = unroll(&table.features, examples, window, features);
            (Tensor::new([examples, window, features], unrolled), Layout::Series)
        }
    };
    let dataset = Dataset {
        name: name.to_owned(),
        input,
        layout,
        feature_names: table.feature_names,
        target,
        test_from: None,
        keys,
        overlapping,
        input_digests: Vec::new(),
        digests: Vec::new(),
    };
    Ok(dataset.with_digests())
}

/// Puts row `order[i]` at place `i`.
fn reorder(table: &mut Table, order: &[usize]) {
    if order.is_sorted() {
        return;
    }
    let width = table.feature_names.len();
    table.features = order.iter().flat_map(|&row| &table.features[row * width..][..width]).copied().collect();
    table.lines = order.iter().map(|&row| table.lines[row]).collect();
    table.keys = table.keys.as_ref().map(|keys| order.iter().map(|&row| keys[row].clone()).collect());
    match &mut table.target {
        TargetColumn::Numbers(values) => *values = order.iter().map(|&row| values[row]).collect(),
        TargetColumn::Classes { labels, .. } => *labels = order.iter().map(|&row| labels[row]).collect(),
    }
}

/// [rows, features] -> [examples, window, features]
fn unroll(features: &[f32], examples: usize, window: usize, width: usize) -> Vec<f32> {
    let mut unrolled = Vec::with_capacity(examples * window * width);
    (0..examples).for_each(|row| unrolled.extend_from_slice(&features[row * width..][..window * width]));
    unrolled
}

fn target(table: &Table, source: &CsvSource, examples: usize) -> Result<Target, DataError> {
    let last_row = source.window - 1;
    let answer_row = last_row + source.horizon;
    let column = match &table.target {
        TargetColumn::Classes { labels, names } => {
            return Ok(Target::Classes { labels: labels[answer_row..].to_vec(), names: names.clone() });
        }
        TargetColumn::Numbers(column) => column,
    };
    let last = &column[last_row..][..examples];
    let actual = &column[answer_row..][..examples];
    let values: Vec<f32> = match source.target_form {
        TargetForm::Value => actual.iter().map(|&value| value as f32).collect(),
        TargetForm::Return => {
            actual.iter().zip(last).map(|(actual, last)| (actual / last - 1.0) as f32 + 0.0).collect()
        }
    };
    check_values(table, source, &values)?;
    let forecast = (source.horizon > 0).then(|| Forecast {
        form: source.target_form,
        horizon: source.horizon,
        last: last.to_vec(),
        actual: actual.to_vec(),
    });
    Ok(Target::Values { name: source.target.clone(), values, forecast })
}

fn check_values(table: &Table, source: &CsvSource, values: &[f32]) -> Result<(), DataError> {
    let mut findings = Findings::default();
    for (example, _) in values.iter().enumerate().filter(|(_, value)| !value.is_finite()) {
        let line = table.lines[example + source.window - 1];
        let message = match source.target_form {
            TargetForm::Return => {
                format!("the return on column `{}` divides by 0 or overflows", source.target)
            }
            TargetForm::Value => {
                format!("column `{}` holds a number beyond the range of 32 bits", source.target)
            }
        };
        findings.push(Diagnostic::new("not-finite", message).label(Location::line(&table.path, line), ""));
    }
    Ok(findings.finish()?)
}

fn too_few_rows(table: &Table, source: &CsvSource) -> Diagnostic {
    let rows = table.lines.len();
    let message = format!(
        "the table has {rows} rows, but a window of {} and a horizon of {} need at least {}",
        source.window,
        source.horizon,
        source.window.saturating_add(source.horizon)
    );
    Diagnostic::new("too-few-rows", message)
        .label(Location::file(&table.path), "")
        .help("shorten `window` or `horizon`")
}
