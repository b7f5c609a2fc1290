//! The scheme's examples as a candidate takes them: its graph does the preprocessing, so it must get raw input of its own
//! shape. Where a clear rule leads there it is followed and told; else the candidate is unfit.

use data::Channels;
use scheme::{Preprocess, ResolvedScheme};
use store::{Manifest, Store};
use tensor::{DType, Tensor};

use super::candidates::Candidate;
use crate::error::{Failure, RunError};
use crate::inheritance::{FEATURES_ROLE, registered_scheme};
use crate::prepare::{Form, Prepared};
use crate::preprocessing::{FittedOp, FittedStep, constant};

/// What is done to examples.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fitting {
    /// Nothing.
    AsTheyAre,
    /// Other colours, another size.
    Images { channels: Channels, height: usize, width: usize },
    /// Other columns: where each of the candidate's comes from.
    Columns(Vec<Column>),
}

/// Where a column of a candidate comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Column {
    /// The scheme's column of the same name.
    Own(usize),
    /// This number for every example: the mean that the candidate was fitted to.
    Mean(f32),
}

/// How the examples of `prepared` fit `candidate`, and sentences that tell what is done; or why they do not.
///
/// Errors   the world.
pub(super) fn fitting(
    prepared: &Prepared,
    store: &Store,
    candidate: &Candidate,
    manifest: &Manifest,
) -> Result<Result<(Fitting, Vec<String>), String>, RunError> {
    let [input] = manifest.inputs.as_slice() else {
        return Ok(Err(format!("it has {} inputs, and one is expected", manifest.inputs.len())));
    };
    let shape: Option<Vec<usize>> = input.shape.0.iter().skip(1).map(|dim| dim.known()).collect();
    let Some(shape) = shape else {
        return Ok(Err("the shape of its input is not fixed".to_owned()));
    };
    let own = &prepared.summary.example_shape;
    match (prepared.form, input.dtype, shape.as_slice(), own.as_slice()) {
        (Form::Image, DType::U8, wanted, own) if wanted == own => Ok(Ok((Fitting::AsTheyAre, Vec::new()))),
        (Form::Image, DType::U8, &[channels, height, width], &[given, rows, columns]) => {
            Ok(images([given, rows, columns], [channels, height, width]))
        }
        (Form::Table, DType::F32, &[_], _) => columns(prepared, store, candidate, manifest),
        (Form::Series, DType::F32, &[wanted, _], &[window, _]) if wanted == window => {
            columns(prepared, store, candidate, manifest)
        }
        (Form::Series, DType::F32, &[wanted, _], &[window, _]) => {
            Ok(Err(format!("it takes windows of {wanted} rows, and the data has {window}")))
        }
        (form, _, shape, _) => {
            let data = match form {
                Form::Image => "images",
                Form::Table => "rows of a table",
                Form::Series => "windows of a series",
            };
            Ok(Err(format!("it takes {} of shape {shape:?}, and the data has {data}", input.dtype)))
        }
    }
}

fn images(own: [usize; 3], wanted: [usize; 3]) -> Result<(Fitting, Vec<String>), String> {
    let Some(channels) = Channels::from_count(wanted[0]).filter(|_| Channels::from_count(own[0]).is_some())
    else {
        return Err(format!("it takes images of {} channels, and the data has {}", wanted[0], own[0]));
    };
    let mut told = Vec::new();
    match (own[0], wanted[0]) {
        (3, 1) => told.push("colours become grey (Rec. 709 luminance)".to_owned()),
        (1, 3) => told.push("grey is repeated as red, green and blue".to_owned()),
        _ => {}
    }
    if own[1..] != wanted[1..] {
        told.push(format!(
            "images of {} x {} are resized to its {} x {} (triangle filter)",
            own[1], own[2], wanted[1], wanted[2]
        ));
    }
    Ok((Fitting::Images { channels, height: wanted[1], width: wanted[2] }, told))
}

/// Columns by name.
fn columns(
    prepared: &Prepared,
    store: &Store,
    candidate: &Candidate,
    manifest: &Manifest,
) -> Result<Result<(Fitting, Vec<String>), String>, RunError> {
    let names: Vec<String> = match store.attachment(&candidate.version, FEATURES_ROLE) {
        Ok(Some(bytes)) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Ok(None) => Vec::new(),
        Err(error) if super::candidates::is_damage(&error) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let width = manifest.inputs[0].shape.0.last().and_then(|dim| dim.known()).unwrap_or(0);
    if names.len() != width {
        return Ok(Err("the names of its input features are not known".to_owned()));
    }
    let own = &prepared.summary.features;
    if *own == names {
        return Ok(Ok((Fitting::AsTheyAre, Vec::new())));
    }
    let missing: Vec<&String> = names.iter().filter(|name| !own.contains(name)).collect();
    if missing.len() == names.len() {
        return Ok(Err(format!("none of its {} columns is in the data", names.len())));
    }
    let means = if missing.is_empty() { Some(Vec::new()) } else { means(store, candidate, manifest)? };
    let Some(means) = means else {
        let missing = listed(&missing);
        return Ok(Err(format!(
            "the data has no {missing}, and its means are not known (it does not standardize first)"
        )));
    };
    let column = |(index, name): (usize, &String)| match own.iter().position(|other| other == name) {
        Some(place) => Column::Own(place),
        None => Column::Mean(constant(&means, index) as f32),
    };
    let fitted = names.iter().enumerate().map(column).collect();
    let mut told = vec![format!("columns by name: {} of its {}", names.len() - missing.len(), names.len())];
    if !missing.is_empty() {
        told.push(format!("its means stand for {}, which the data does not have", listed(&missing)));
    }
    let unknown: Vec<&String> = own.iter().filter(|name| !names.contains(name)).collect();
    if !unknown.is_empty() {
        told.push(format!("it does not see {}", listed(&unknown)));
    }
    Ok(Ok((Fitting::Columns(fitted), told)))
}

/// The means that the candidate was fitted to: what its first step subtracts, if that step standardizes.
fn means(store: &Store, candidate: &Candidate, manifest: &Manifest) -> Result<Option<Vec<f64>>, RunError> {
    let scheme: ResolvedScheme = match registered_scheme(store, &candidate.version) {
        Ok(scheme) => scheme,
        Err(RunError::Failed(Failure::Damaged { .. })) => return Ok(None),
        Err(error) => return Err(error),
    };
    let standardizes = scheme.preprocess.iter().next().is_some_and(|step| step.op == Preprocess::Standardize);
    let steps: Vec<FittedStep> = serde_json::from_value(manifest.preprocessing.clone()).unwrap_or_default();
    let width = manifest.inputs[0].shape.0.last().and_then(|dim| dim.known()).unwrap_or(0);
    Ok(match steps.into_iter().next().map(|step| step.op) {
        Some(FittedOp::Affine { subtract, .. }) if standardizes && subtract.len() == width => Some(subtract),
        _ => None,
    })
}

/// The first few names.
fn listed(names: &[&String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

impl Fitting {
    /// The raw examples `rows`, [n, ..], as the candidate takes them. Errors with a sentence where a size is beyond limits.
    pub(super) fn apply(&self, rows: Tensor) -> Result<Tensor, String> {
        match self {
            Fitting::AsTheyAre => Ok(rows),
            Fitting::Images { channels, height, width } => {
                data::fit_images(&rows, *channels, *height, *width).map_err(|found| found.message)
            }
            Fitting::Columns(columns) => {
                let mut shape = rows.shape().to_vec();
                let Some(width) = shape.pop() else { return Ok(rows) };
                shape.push(columns.len());
                let values = rows.values::<f32>().chunks_exact(width.max(1)).flat_map(|row| {
                    columns.iter().map(move |column| match *column {
                        Column::Own(place) => row[place],
                        Column::Mean(mean) => mean,
                    })
                });
                Ok(Tensor::new(shape, values.collect::<Vec<f32>>()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_what_is_done_to_them() {
        let told = |own, wanted| images(own, wanted).map(|(_, told)| told.join("; "));
        assert_eq!(
            told([3, 8, 8], [1, 28, 28]).unwrap(),
            "colours become grey (Rec. 709 luminance); images of 8 x 8 are resized to its 28 x 28 (triangle filter)"
        );
        assert_eq!(told([1, 8, 8], [3, 8, 8]).unwrap(), "grey is repeated as red, green and blue");
        assert!(told([1, 8, 8], [4, 8, 8]).unwrap_err().contains("4 channels"));
    }

    #[test]
    fn columns_go_where_they_belong() {
        let columns = Fitting::Columns(vec![Column::Own(1), Column::Mean(0.5), Column::Own(0)]);
        let rows = Tensor::new([2, 2], vec![1.0f32, 2.0, 3.0, 4.0]);
        let found = columns.apply(rows).unwrap();
        assert_eq!(found, Tensor::new([2, 3], vec![2.0f32, 0.5, 1.0, 4.0, 0.5, 3.0]));
    }
}
