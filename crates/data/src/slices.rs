//! What divides the examples of a table: the values of one of its columns, which need be no feature.

use base::{Diagnostic, Diagnostics, Digest};
use tensor::Data;

use crate::load::load;
use crate::{CsvSource, DataError, Dataset, Layout, Source, Target, TargetForm, Task};

/// Values of a column; of more, it divides nothing sensibly.
pub const SLICES_MAX: usize = 100;

/// A data set, divided by a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slices {
    /// The values that occur: as numbers where all are whole numbers, else as text, ascending.
    pub names: Vec<String>,
    /// For each row of the data set, the number of its value.
    pub of_row: Vec<u32>,
}

/// The value of `column` in the row of `source` that each example of `dataset` has its answer in.
///
/// `dataset` was loaded from `source`; rows may have been left out since, in their order.
///
/// Errors: a source that is no table; no such column; an empty cell; more than [`SLICES_MAX`] values; the disk's failure.
pub fn slices(source: &Source, dataset: &Dataset, column: &str) -> Result<Slices, DataError> {
    let Source::Csv(csv) = source else {
        let message = format!("`{}` is no table, so it has no column `{column}`", dataset.name);
        return Err(Diagnostic::new("no-columns", message).into());
    };
    let found = match (&dataset.target, dataset.feature_names.iter().position(|name| name == column)) {
        (Target::Classes { labels, names }, _) if csv.target == column => {
            Slices { names: names.clone(), of_row: labels.clone() }
        }
        (_, Some(feature)) if dataset.layout != Layout::Image => of_feature(dataset, feature),
        _ => of_column(source, csv, dataset, column)?,
    };
    if found.names.len() > SLICES_MAX {
        let message = format!(
            "the column `{column}` holds {} different values, and at most {SLICES_MAX} divide examples",
            found.names.len()
        );
        let found = Diagnostic::new("too-many-slices", message);
        return Err(found.help("add a column that holds groups of them, such as bands of age").into());
    }
    Ok(found)
}

/// By a feature, as it is in memory: of a window, in its last row.
fn of_feature(dataset: &Dataset, feature: usize) -> Slices {
    let Data::F32(values) = dataset.input.data() else {
        unreachable!("tables are f32, found {}", dataset.input.dtype())
    };
    let (width, length) = (dataset.feature_names.len(), dataset.example_shape().iter().product::<usize>());
    let last = |example: &[f32]| example[length - width + feature];
    let mut distinct: Vec<f32> = values.chunks_exact(length).map(last).collect();
    let of_each = distinct.clone();
    distinct.sort_unstable_by(f32::total_cmp);
    distinct.dedup();
    let number = |value: &f32| distinct.partition_point(|known| known < value) as u32;
    Slices {
        of_row: of_each.iter().map(number).collect(),
        names: distinct.iter().map(|value| value.to_string()).collect(),
    }
}

/// By a column that is no feature: the table is read once more with that column as its answer.
fn of_column(source: &Source, csv: &CsvSource, dataset: &Dataset, column: &str) -> Result<Slices, DataError> {
    let features = match (&csv.features, dataset.layout) {
        (Some(features), _) => features.clone(),
        (None, Layout::Table | Layout::Series) => dataset.feature_names.clone(),
        (None, Layout::Image) => {
            let message = format!("`{column}` is a pixel: every column of the table but the target is one");
            return Err(Diagnostic::new("unknown-column", message)
                .help("name the pixels: `data.features`")
                .into());
        }
    };
    let divided = load(&Source::Csv(CsvSource {
        features: Some(features),
        target: column.to_owned(),
        task: Task::Classification,
        target_form: TargetForm::Value,
        adjust: None,
        image: None,
        class_names: Vec::new(),
        ..csv.clone()
    }))
    .map_err(|error| renamed(error, column))?;
    let Target::Classes { labels, names } = divided.target else {
        unreachable!("a classification has classes")
    };
    if labels.len() == dataset.rows() {
        return Ok(Slices { names, of_row: labels });
    }
    let whole = load(source)?;
    let rows = rows_of(&whole.digests, &dataset.digests).filter(|_| whole.rows() == labels.len());
    let Some(rows) = rows else {
        let message = format!("the table behind `{}` changed while it was read", dataset.name);
        return Err(Diagnostic::new("data-changed", message).help("start again when it is written").into());
    };
    Ok(Slices { names, of_row: rows.into_iter().map(|row| labels[row]).collect() })
}

/// Where the examples `kept`, some of `all` in their order, stand in `all`; `None` if they are not. Of equal ones the last: the test part stands
/// behind or is kept whole, so there it is the very row.
fn rows_of(all: &[Digest], kept: &[Digest]) -> Option<Vec<usize>> {
    let mut end = all.len();
    let place = |digest: &Digest| {
        end = all[..end].iter().rposition(|each| each == digest)?;
        Some(end)
    };
    let mut rows: Vec<usize> = kept.iter().rev().map(place).collect::<Option<_>>()?;
    rows.reverse();
    Some(rows)
}

/// What is wrong with the column, in the words of what it is for.
fn renamed(error: DataError, column: &str) -> DataError {
    let DataError::Invalid(found) = error else { return error };
    let unknown = format!("the table has no column `{column}`, which is named as target");
    let rename = |mut found: Diagnostic| {
        if found.message == unknown {
            found.message = format!("the table has no column `{column}` to divide the test part by");
        }
        found
    };
    DataError::Invalid(Diagnostics(found.0.into_iter().map(rename).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_left_out_are_passed_over() {
        let digests = |text: &str| text.bytes().map(|byte| Digest::of(&[byte])).collect::<Vec<_>>();
        let check = |all: &str, kept: &str, expect: &[usize]| {
            assert_eq!(rows_of(&digests(all), &digests(kept)).as_deref(), Some(expect), "{kept} of {all}");
        };
        assert_eq!(rows_of(&digests("ab"), &digests("c")), None);
        check("abcd", "abcd", &[0, 1, 2, 3]);
        check("abcd", "bd", &[1, 3]);
        check("abab", "ab", &[2, 3]);
        check("aab", "aab", &[0, 1, 2]);
        check("abc", "", &[]);
    }
}
