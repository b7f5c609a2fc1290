//! Rows of a table that are pictures.

use base::{Diagnostic, Location};

use crate::error::Findings;
use crate::image_file::ImageShape;
use crate::table::Table;
use crate::{CsvSource, DataError, RowImage};

impl RowImage {
    fn shape(&self) -> ImageShape {
        ImageShape { channels: self.channels, height: self.height, width: self.width }
    }
}

/// The table's numbers as bytes: `round(255 x / maximum)`, `u8` [rows, channels * height * width], in the columns' order.
///
/// Errors, all at once: another number of columns than a picture has pixels, numbers outside of 0 to `maximum`, a window
/// or a horizon.
pub(crate) fn row_pixels(table: &Table, source: &CsvSource, image: &RowImage) -> Result<Vec<u8>, DataError> {
    let mut findings = Findings::default();
    findings.extend(check(table, source, image));
    findings.finish()?;
    let mut findings = Findings::default();
    let width = table.feature_names.len();
    let mut pixels = Vec::with_capacity(table.features.len());
    for (index, &level) in table.features.iter().enumerate() {
        let level = f64::from(level);
        if !(0.0..=image.maximum).contains(&level) {
            findings.push(outside(table, index / width, index % width, image.maximum));
        }
        pixels.push((level * 255.0 / image.maximum).round() as u8); // saturates where it was just refused
    }
    findings.finish()?;
    Ok(pixels)
}

fn check(table: &Table, source: &CsvSource, image: &RowImage) -> Option<Diagnostic> {
    if source.window != 1 || source.horizon != 0 {
        let message = "a row that is a picture is an example of its own, without window and horizon";
        return Some(Diagnostic::new("bad-window", message).help("set `window` to 1 and `horizon` to 0"));
    }
    if !(image.maximum.is_finite() && image.maximum > 0.0) {
        let message = format!("the largest level of a pixel is {}, and must be above 0", image.maximum);
        return Some(Diagnostic::new("bad-level", message));
    }
    let (columns, shape) = (table.feature_names.len(), image.shape());
    if let Some(found) = shape.check() {
        return Some(found);
    }
    (columns != shape.bytes()).then(|| {
        let message = format!(
            "a picture of {} x {} x {} (channels, height, width) has {} pixels, and {columns} columns are features",
            shape.channels.count(),
            shape.height,
            shape.width,
            shape.bytes()
        );
        Diagnostic::new("image-columns", message)
            .label(Location::line(&table.path, 1), "")
            .help("name the pixels' columns as `features`, or mend the size")
    })
}

fn outside(table: &Table, row: usize, column: usize, maximum: f64) -> Diagnostic {
    let level = table.features[row * table.feature_names.len() + column];
    let message = format!(
        "column `{}` holds {level}, and a pixel's level is 0 to {maximum}",
        table.feature_names[column]
    );
    Diagnostic::new("pixel-level", message)
        .label(Location::line(&table.path, table.lines[row]), "")
        .help("set the image's `maximum` to the largest level that the table can hold")
}
